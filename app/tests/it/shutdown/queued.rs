//! Clients who wait to be accepted while the server is told to stop.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use erpgo::server::{Server, listen};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::program::LIMIT;
use crate::world::until;

const WAITING: usize = 32;

/// Answers when `gate` is opened.
fn behind(gate: CancellationToken) -> Router {
    let answer = move || {
        let opened = gate.clone().cancelled_owned();
        async move {
            opened.await;
            "finished"
        }
    };
    Router::new().route("/", get(answer))
}

/// A connection that has sent its request.
async fn asked(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    stream
}

/// What comes until the connection ends; a reset is an end, too.
async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let ended = tokio::time::timeout(LIMIT, stream.read_to_string(&mut text)).await;
    assert!(ended.is_ok(), "never answered");
    text
}

#[tokio::test]
async fn p14_who_waits_to_be_accepted_is_answered_and_who_comes_later_is_refused() {
    let listener = listen(([127, 0, 0, 1], 0).into(), WAITING).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        waiting.push(asked(address).await);
    }
    // Told before it has accepted any of them.
    let (gate, stop) = (CancellationToken::new(), CancellationToken::new());
    stop.cancel();
    let server = Server {
        listener,
        router: behind(gate.clone()),
        max_connections: 2 * WAITING,
        patience: LIMIT,
        wind_down: LIMIT,
        drain: 2 * LIMIT,
    };
    let served = tokio::spawn(server.run(stop));
    until("new connections are refused", || async {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    assert!(!served.is_finished(), "nobody was answered yet");
    gate.cancel();
    for stream in waiting {
        let answer = answer(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("finished"), "{answer}");
    }
    let ended = tokio::time::timeout(LIMIT, served).await;
    assert!(ended.unwrap().unwrap(), "nothing had to be cut off");
}
