use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Just enough of HTTP for the benchmark: a request is a head without a body, and its path says which. Less work than a
/// real server has.
async fn serve_connection<F: Future<Output = String>>(mut stream: TcpStream, answer: impl Fn(String) -> F) {
    let mut received = Vec::with_capacity(4096);
    loop {
        while let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let path = String::from_utf8_lossy(&received[..end]).split(' ').nth(1).unwrap_or("").to_owned();
            received.drain(..end + 4);
            let body = answer(path).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ";
            let response = format!("{head}{}\r\n\r\n{body}", body.len());
            if stream.write_all(response.as_bytes()).await.is_err() {
                return;
            }
        }
        if !matches!(stream.read_buf(&mut received).await, Ok(length) if length > 0) {
            return;
        }
    }
}

async fn serve<F>(answer: impl Fn(String) -> F + Clone + Send + Sync + 'static)
where
    F: Future<Output = String> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(serve_connection(stream, answer.clone()));
    }
}

/// Computes: `rounds` steps that each wait for the one before.
fn burn(rounds: u64) -> u64 {
    let mut x: u64 = 88172645463325252;
    for _ in 0..rounds {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

/// A route that waits 10 ms and one that computes, on a worker or on a thread for blocking calls.
pub async fn serve_mixed(rounds: u64, blocking: bool) {
    serve(move |path| async move {
        if path == "/wait" {
            tokio::time::sleep(Duration::from_millis(10)).await;
            return "waited".to_owned();
        }
        if blocking {
            return tokio::task::spawn_blocking(move || burn(rounds)).await.unwrap().to_string();
        }
        burn(rounds).to_string()
    })
    .await;
}
