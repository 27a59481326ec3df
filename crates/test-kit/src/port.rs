//! Free loopback ports.
//!
//! They lie below those that the kernel gives to listeners and outgoing connections by itself, and below the node
//! ports of a cluster: one that is free when it is asked for, or whose server was stopped, is taken by nobody who
//! does not ask here. Another process may, so whoever starts a server with one tries again with another when
//! the server reports the address in use.

use crate::fail;
use anyhow::bail;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// How often a server is started when its port was taken meanwhile.
const ATTEMPTS: usize = 5;
/// The node of the journeys has its own up to 23 800, and its services from 30 000.
const FIRST: u16 = 24_000;
const COUNT: u16 = 6_000;

/// An address of 127.0.0.1 that is free at this moment.
pub fn address() -> SocketAddr {
    let port = fail::unless(free());
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Starts a server by `start`, which gives it another port each time, until nobody has taken that.
pub(crate) fn retry<T>(mut start: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    for _ in 1..ATTEMPTS {
        match start() {
            Err(error) if is_taken(&error) => {}
            outcome => return outcome,
        }
    }
    start()
}

fn is_taken(error: &anyhow::Error) -> bool {
    let told = format!("{error:#}").to_lowercase();
    told.contains("address already in use")
}

/// Returns a TCP port on 127.0.0.1 that is free at this moment.
pub(crate) fn free() -> anyhow::Result<u16> {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    // Processes that follow each other begin at places of their own, and each gives a port again as late as it can.
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let next = begin.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from(next % u32::from(COUNT))?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no loopback port from {FIRST} on is free; end what listens there")
}
