//! Clients that ask and then read nothing of the answer.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use erpgo::server::Server;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use super::cases::request;
use super::wire::{Pace, exchange, hold, told};

/// More than the kernel holds for both sides.
const LARGE: usize = 16 << 20;

/// The program gives 75 s.
const PATIENCE: Duration = Duration::from_secs(3);

/// Its connections keep little of what is not read.
fn listener() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(64 << 10).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket.listen(16).unwrap()
}

fn router() -> Router {
    let large = Bytes::from(vec![b'x'; LARGE]);
    Router::new()
        .route("/large", get(move || std::future::ready(large.clone())))
        .route("/small", get(|| std::future::ready("small")))
}

/// How much there is to be read of it, once it has ended.
async fn left(mut stream: TcpStream) -> usize {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let read = stream.read_to_end(&mut bytes);
    let ended = tokio::time::timeout(Duration::from_secs(60), read).await;
    assert!(ended.is_ok(), "never closed");
    bytes.len()
}

#[tokio::test]
async fn whoever_takes_nothing_of_an_answer_keeps_no_connection_from_others() {
    let listener = listener();
    let api = listener.local_addr().unwrap();
    let server = Server {
        listener,
        router: router(),
        // The next one waits until it has gone.
        max_connections: 1,
        patience: PATIENCE,
        wind_down: Duration::ZERO,
        drain: Duration::ZERO,
    };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.run(stop.clone()));
    let ask = |path: &str| request(&format!("GET {path} HTTP/1.1"), "", b"");
    let begun = Instant::now();
    let silent = hold(api, &ask("/large")).await;
    let small = exchange(api, &ask("/small"), b"", Pace::AtOnce).await;
    assert_eq!(told(&small), "200");
    assert!(begun.elapsed() >= PATIENCE, "{:?}", begun.elapsed());
    assert!(left(silent).await < LARGE);
    // Whoever reads is given all of it.
    let large = exchange(api, &ask("/large"), b"", Pace::AtOnce).await;
    assert_eq!(large[0].text.len(), LARGE);
    stop.cancel();
    serving.await.unwrap();
}
