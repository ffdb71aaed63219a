use crate::{report, time_batches, CROWD};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, Notify};
use tokio::task::JoinHandle;

async fn join(all: Vec<JoinHandle<()>>) {
    for each in all {
        each.await.unwrap();
    }
}

pub async fn yield_1000(name: String) {
    const YIELDERS: usize = 1000;
    const ROUNDS: usize = 10_000;
    time_batches(&name, Duration::from_nanos(1), 2, YIELDERS * ROUNDS, || async {
        let yielder = || async {
            for _ in 0..ROUNDS {
                tokio::task::yield_now().await;
            }
        };
        join((0..YIELDERS).map(|_| tokio::spawn(yielder())).collect()).await;
    })
    .await;
}

pub async fn spawn_join_batch(name: String) {
    time_batches(&name, Duration::from_nanos(1), 3, CROWD, || async {
        join((0..CROWD).map(|_| tokio::spawn(async {})).collect()).await;
    })
    .await;
}

pub async fn spawn_join_one(name: String) {
    const ONE_BY_ONE: usize = 200_000;
    time_batches(&name, Duration::from_nanos(1), 5, ONE_BY_ONE, || async {
        for _ in 0..ONE_BY_ONE {
            tokio::spawn(async {}).await.unwrap();
        }
    })
    .await;
}

fn resident_bytes() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

/// Lets a crowd wait: what each keeps in memory, and what it takes to wake and join them all. None of Tokio's channels
/// has many receivers, so they wait for a Notify, which takes least.
pub async fn parked(prefix: String) {
    let bell = Arc::new(Notify::new());
    let arrived = Arc::new(AtomicUsize::new(0));
    let before = resident_bytes();
    let mut all = Vec::with_capacity(CROWD);
    for _ in 0..CROWD {
        let (bell, arrived) = (bell.clone(), arrived.clone());
        all.push(tokio::spawn(async move {
            arrived.fetch_add(1, Relaxed);
            bell.notified().await;
        }));
    }
    while arrived.load(Relaxed) != CROWD {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    report(&(prefix.clone() + "parked_bytes"), (resident_bytes() - before) / CROWD as f64);
    let began = Instant::now();
    bell.notify_waiters();
    join(all).await;
    report(&(prefix + "wake_join"), began.elapsed().as_nanos() as f64 / CROWD as f64);
}

pub async fn sleepers(prefix: String) {
    const NAP: Duration = Duration::from_secs(1);
    let began = Instant::now();
    let mut all = Vec::with_capacity(CROWD);
    for _ in 0..CROWD {
        all.push(tokio::spawn(async {
            let began = Instant::now();
            tokio::time::sleep(NAP).await;
            began.elapsed().saturating_sub(NAP).as_secs_f32()
        }));
    }
    let mut late = Vec::with_capacity(CROWD);
    for each in all {
        late.push(each.await.unwrap());
    }
    let wall = began.elapsed();
    let (_, at_99, _) = late.select_nth_unstable_by(CROWD * 99 / 100, |a, b| a.total_cmp(b));
    report(&(prefix.clone() + "sleepers_p99_ms"), f64::from(*at_99) * 1000.0);
    report(&(prefix + "sleepers_wall_s"), wall.as_secs_f64());
}

fn spawn_node(up: mpsc::Sender<usize>, first: usize, count: usize) {
    tokio::spawn(async move {
        let mut sum = first;
        if count > 1 {
            sum = 0;
            let (sender, mut results) = mpsc::channel(10);
            for i in 0..10 {
                spawn_node(sender.clone(), first + i * (count / 10), count / 10);
            }
            for _ in 0..10 {
                sum += results.recv().await.unwrap();
            }
        }
        up.send(sum).await.unwrap();
    });
}

pub async fn skynet_1m(name: String) {
    time_batches(&name, Duration::from_millis(1), 3, 1, || async {
        let (sender, mut result) = mpsc::channel(1);
        spawn_node(sender, 0, CROWD);
        assert_eq!(result.recv().await, Some(CROWD * (CROWD - 1) / 2));
    })
    .await;
}
