//! The peer in Tokio. `peer NAME` measures one benchmark and prints its figures, "name value" a line; `peer serve-NAME`
//! is the server of one, and prints its address.
//!
//! What runs on one thread runs on Tokio's current-thread scheduler, its fastest there.

mod http;
mod sync;
mod tasks;

use std::future::Future;
use std::time::{Duration, Instant};

pub const CROWD: usize = 1_000_000;

pub fn report(name: &str, value: f64) {
    println!("{name} {value}");
}

/// Reports what one item takes, in units, of `batches` batches of `items`. One batch goes before, unmeasured.
pub async fn time_batches<F: Future<Output = ()>>(
    name: &str,
    unit: Duration,
    batches: usize,
    items: usize,
    batch: impl Fn() -> F,
) {
    batch().await;
    let began = Instant::now();
    for _ in 0..batches {
        batch().await;
    }
    report(name, began.elapsed().as_secs_f64() / unit.as_secs_f64() / (batches * items) as f64);
}

fn on_one_thread(work: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(work).await.unwrap() });
}

fn on_two_threads(work: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // As a task: what a worker spawns goes to its own queue.
    runtime.block_on(async { tokio::spawn(work).await.unwrap() });
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let name = arguments.get(1).cloned().unwrap_or_default();
    let prefix = if name.starts_with("coroutine_") { "coroutine_" } else { "" }.to_owned();
    match name.clone().trim_start_matches(&prefix) {
        "yield_1000" => on_one_thread(tasks::yield_1000(name)),
        "spawn_join_batch" => on_two_threads(tasks::spawn_join_batch(name)),
        "spawn_join_one" => on_one_thread(tasks::spawn_join_one(name)),
        "parked" => on_two_threads(tasks::parked(prefix)),
        "sleepers" => on_two_threads(tasks::sleepers(prefix)),
        "skynet_1m_ms" => on_two_threads(tasks::skynet_1m(name)),
        "serve-mixed" => on_two_threads(http::serve_mixed(arguments[2].parse().unwrap(), false)),
        "serve-mixed-blocking" => on_two_threads(http::serve_mixed(arguments[2].parse().unwrap(), true)),
        "channel_ping_pong_1" => on_one_thread(sync::channel_ping_pong(name)),
        "channel_ping_pong_2" => on_two_threads(sync::channel_ping_pong(name)),
        "channel_10x10_1" => on_one_thread(sync::channel_10x10(name)),
        "channel_10x10_2" => on_two_threads(sync::channel_10x10(name)),
        "mutex_uncontended" => on_one_thread(sync::mutex_uncontended(name)),
        "mutex_contended_1" => on_one_thread(sync::mutex_contended(name)),
        "mutex_contended_2" => on_two_threads(sync::mutex_contended(name)),
        _ => {
            eprintln!("usage: peer NAME; src/main.rs knows which");
            std::process::exit(2);
        }
    }
}
