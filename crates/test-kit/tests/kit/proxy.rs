//! The proxy forwards, cuts, pauses and resumes.

use erpgo_test_kit::proxy;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// For an answer that comes, on a busy machine.
const COMES: Duration = Duration::from_secs(30);
/// After which one that is held back counts as silence.
const QUIET: Duration = Duration::from_millis(300);

/// A server that sends every byte back.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// The echo of one byte, or nothing when the connection is closed, or silent for so long.
async fn roundtrip(stream: &mut TcpStream, within: Duration) -> Result<u8, &'static str> {
    stream.write_all(b"x").await.map_err(|_| "closed")?;
    match tokio::time::timeout(within, stream.read_u8()).await {
        Ok(Ok(byte)) => Ok(byte),
        Ok(Err(_)) => Err("closed"),
        Err(_) => Err("silent"),
    }
}

#[tokio::test]
async fn a_cut_closes_old_and_new_connections_and_a_resume_lets_new_ones_through() {
    let proxy = proxy::tcp(echo().await).await;
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(roundtrip(&mut old, COMES).await, Ok(b'x'));
    proxy.cut();
    assert_eq!(old.read(&mut [0; 1]).await.unwrap_or(0), 0);
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(roundtrip(&mut new, COMES).await, Err("closed"));
    proxy.resume();
    let mut next = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(roundtrip(&mut next, COMES).await, Ok(b'x'));
}

#[tokio::test]
async fn a_pause_holds_bytes_back_and_loses_none() {
    let proxy = proxy::tcp(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(roundtrip(&mut stream, COMES).await, Ok(b'x'));
    proxy.pause();
    assert_eq!(roundtrip(&mut stream, QUIET).await, Err("silent"));
    proxy.resume();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
    assert_eq!(roundtrip(&mut stream, COMES).await, Ok(b'x'));
}

#[tokio::test]
async fn a_url_is_pointed_at_the_proxy() {
    let proxy = proxy::tcp(echo().await).await;
    let address = proxy.address();
    assert_eq!(
        proxy.url("postgres://u:p@127.0.0.1:1/db?x=1"),
        format!("postgres://u:p@{address}/db?x=1")
    );
    assert_eq!(proxy.url("http://127.0.0.1:1"), format!("http://{address}"));
}

#[tokio::test]
async fn a_slow_wire_makes_answers_late_and_a_resume_makes_them_quick_again() {
    let proxy = proxy::tcp(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let delay = Duration::from_millis(120);
    proxy.slow(delay);
    let begun = std::time::Instant::now();
    assert_eq!(roundtrip(&mut stream, COMES).await, Ok(b'x'));
    assert!(begun.elapsed() >= delay);
    proxy.resume();
    // The best of ten: a busy machine makes any one of them late.
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let begun = std::time::Instant::now();
        assert_eq!(roundtrip(&mut stream, COMES).await, Ok(b'x'));
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest < delay, "{fastest:?}");
}
