use crate::time_batches;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, Mutex};

const EXCHANGES: usize = 200_000;

/// A value there and back. Tokio has no channel without room, so there is room for one.
pub async fn channel_ping_pong(name: String) {
    time_batches(&name, Duration::from_nanos(1), 5, EXCHANGES, || async {
        let (there, mut asked) = mpsc::channel(1);
        let (back, mut answered) = mpsc::channel(1);
        let server = tokio::spawn(async move {
            while let Some(value) = asked.recv().await {
                back.send(value).await.unwrap();
            }
        });
        for i in 0..EXCHANGES {
            there.send(i).await.unwrap();
            answered.recv().await.unwrap();
        }
        drop(there);
        server.await.unwrap();
    })
    .await;
}

/// Ten senders and room for 128; its channels have one receiver.
pub async fn channel_10x10(name: String) {
    time_batches(&name, Duration::from_nanos(1), 10, EXCHANGES, || async {
        let (sender, mut values) = mpsc::channel(128);
        for _ in 0..10 {
            let sender = sender.clone();
            tokio::spawn(async move {
                for value in 0..EXCHANGES / 10 {
                    sender.send(value).await.unwrap();
                }
            });
        }
        drop(sender);
        tokio::spawn(async move { while values.recv().await.is_some() {} }).await.unwrap();
    })
    .await;
}

pub async fn mutex_uncontended(name: String) {
    let guard = Mutex::new(0);
    time_batches(&name, Duration::from_nanos(1), 10, EXCHANGES, || async {
        for _ in 0..EXCHANGES {
            *guard.lock().await += 1;
        }
    })
    .await;
}

/// 1,000 contenders that yield inside.
pub async fn mutex_contended(name: String) {
    const CONTENDERS: usize = 1000;
    const ROUNDS: usize = 20;
    time_batches(&name, Duration::from_nanos(1), 10, CONTENDERS * ROUNDS, || async {
        let guard = Arc::new(Mutex::new(0));
        let mut all = Vec::with_capacity(CONTENDERS);
        for _ in 0..CONTENDERS {
            let guard = guard.clone();
            all.push(tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    let mut held = guard.lock().await;
                    *held += 1;
                    tokio::task::yield_now().await;
                }
            }));
        }
        for each in all {
            each.await.unwrap();
        }
    })
    .await;
}
