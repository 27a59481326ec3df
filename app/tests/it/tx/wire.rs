//! A wire to PostgreSQL that stops after a chosen answer of the server.
//!
//! It counts the server's ReadyForQuery messages, of which there is one for each statement that is
//! prepared or run. The chosen one is withheld: the server has done the work, its client never learns.
//! The answers to pings are not counted: the pool pings a connection that is given back when it finds
//! the time, not when a request asks.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Count {
    /// Answers that still pass; negative when all do.
    left: AtomicI64,
    reached: Notify,
}

pub struct Wire {
    address: SocketAddr,
    count: Arc<Count>,
    task: tokio::task::JoinHandle<()>,
}

impl Wire {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(Count::default());
        count.left.store(-1, Ordering::SeqCst);
        let counted = Arc::clone(&count);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&counted)));
            }
        });
        Self {
            address,
            count,
            task,
        }
    }

    /// `url` through this wire, in clear so that messages can be told apart.
    pub fn url(&self, url: &str) -> String {
        let (credentials, rest) = url.split_once('@').unwrap();
        let (_, name) = rest.split_once('/').unwrap();
        format!("{credentials}@{}/{name}?sslmode=disable", self.address)
    }

    /// The `n`th answer from now on is withheld, and everything after it.
    pub fn stop_at(&self, n: i64) {
        self.count.left.store(n, Ordering::SeqCst);
    }

    pub fn pass(&self) {
        self.count.left.store(-1, Ordering::SeqCst);
    }

    /// Resolves when the chosen answer was withheld.
    pub async fn reached(&self) {
        self.count.reached.notified().await;
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, server: TcpStream, count: Arc<Count>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let counts = !is_the_ear(&client).await;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Either side's end closes the other.
    tokio::select! {
        () = asked(from_client, to_server, &count) => {}
        () = answered(from_server, to_client, &count, counts) => {}
    }
}

/// The connection that listens asks by the clock, not by the request.
async fn is_the_ear(client: &TcpStream) -> bool {
    const NAME: &[u8] = b"erpgo-ear";
    let mut greeting = [0; 1024];
    let length = client.peek(&mut greeting).await.unwrap_or(0);
    let mut windows = greeting[..length].windows(NAME.len());
    windows.any(|window| window == NAME)
}

async fn asked(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: &Count) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // Once stopped, nothing more reaches the server, but the client's end is still noticed.
        let stopped = count.left.load(Ordering::SeqCst) == 0;
        if !stopped && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn answered(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: &Count, counts: bool) {
    // A ping is answered by ReadyForQuery and nothing before it.
    let mut is_of_a_statement = false;
    while let Some(message) = message(&mut from).await {
        let ready = message[0] == b'Z';
        if counts && ready && is_of_a_statement && last(count) {
            count.reached.notify_one();
        }
        is_of_a_statement = !ready;
        let stopped = count.left.load(Ordering::SeqCst) == 0;
        if !stopped && to.write_all(&message).await.is_err() {
            return;
        }
    }
}

/// One message of the server: a type, a length that counts itself, and a body.
async fn message(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]);
    message.resize(1 + usize::try_from(length).ok()?, 0);
    from.read_exact(&mut message[5..]).await.ok()?;
    Some(message)
}

/// Counts one answer; true for the one that is withheld.
fn last(count: &Count) -> bool {
    let before = count
        .left
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            (left > 0).then(|| left - 1)
        });
    before == Ok(1)
}
