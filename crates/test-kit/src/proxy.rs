//! A TCP proxy on loopback that a test can slow, cut, pause and resume.

use crate::fail;
use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const BUFFER: usize = 16 * 1024;

/// What the proxy does with bytes and connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Forward,
    Slow(Duration),
    Paused,
    Cut,
}

/// How what lies behind a proxy is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// As without one.
    Open,
    /// Not at all: connections end.
    Cut,
    /// Connections are made, and nothing comes through.
    Silent,
}

/// A running proxy; it ends with its handle.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    task: JoinHandle<()>,
}

/// Forwards connections from a free loopback port to `target`. Needs a running runtime.
pub async fn tcp(target: SocketAddr) -> Proxy {
    fail::unless(Proxy::launch(target).await)
}

impl Proxy {
    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `url` with its host and port replaced by the proxy's.
    pub fn url(&self, url: &str) -> String {
        let authority_end = url.find("://").map_or(0, |scheme| scheme + 3);
        let (scheme, rest) = url.split_at(authority_end);
        let (authority, path) = rest
            .find('/')
            .map_or((rest, ""), |slash| rest.split_at(slash));
        let credentials = authority.rfind('@').map_or("", |at| &authority[..=at]);
        format!("{scheme}{credentials}{}{path}", self.address)
    }

    /// Closes every connection, and each new one as soon as it is made.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Holds all bytes back; connections stay open and new ones are accepted.
    pub fn pause(&self) {
        self.mode.send_replace(Mode::Paused);
    }

    /// Holds what comes back by `delay`: each answer is that much later.
    pub fn slow(&self, delay: Duration) {
        self.mode.send_replace(Mode::Slow(delay));
    }

    /// Forwards again, at full speed.
    pub fn resume(&self) {
        self.mode.send_replace(Mode::Forward);
    }

    /// From now on what lies behind it is reached so.
    pub fn turn(&self, reach: Reach) {
        match reach {
            Reach::Open => self.resume(),
            Reach::Cut => self.cut(),
            Reach::Silent => self.pause(),
        }
    }

    async fn launch(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("cannot bind the proxy")?;
        let address = listener.local_addr()?;
        let (mode, watched) = watch::channel(Mode::Forward);
        let task = tokio::spawn(accept(listener, target, watched));
        Ok(Self {
            address,
            mode,
            task,
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.mode.send_replace(Mode::Cut);
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, mode: watch::Receiver<Mode>) {
    while let Ok((client, _)) = listener.accept().await {
        if *mode.borrow() != Mode::Cut {
            tokio::spawn(serve(client, target, mode.clone()));
        }
    }
}

/// Carries one connection until either side closes it or it is cut.
async fn serve(client: TcpStream, target: SocketAddr, mode: watch::Receiver<Mode>) {
    // A target that refuses shows as a closed connection to the client.
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let upstream = carry(client_read, server_write, mode.clone(), false);
    let downstream = carry(server_read, client_write, mode.clone(), true);
    tokio::join!(upstream, downstream);
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    delayed: bool,
) {
    let mut buffer = vec![0; BUFFER];
    loop {
        if !forwarding(&mut mode).await {
            return;
        }
        let count = tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(count) if count > 0 => count,
                _ => return,
            },
            _ = mode.changed() => continue,
        };
        let slow = *mode.borrow();
        if let (Mode::Slow(delay), true) = (slow, delayed) {
            tokio::time::sleep(delay).await;
        }
        if !forwarding(&mut mode).await || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// Waits out a pause; false when the connection is to be cut.
async fn forwarding(mode: &mut watch::Receiver<Mode>) -> bool {
    match mode.wait_for(|mode| *mode != Mode::Paused).await {
        Ok(mode) => *mode != Mode::Cut,
        Err(_) => false,
    }
}
