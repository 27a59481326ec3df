//! Free loopback ports.
//!
//! A port is free when it is asked for and may be taken before it is used, so whoever starts a
//! server with one tries again with another when the server reports the address in use.

use anyhow::Context;
use std::net::{Ipv4Addr, TcpListener};

/// How often a server is started again when its port was taken meanwhile.
pub(crate) const ATTEMPTS: usize = 5;

/// Returns a TCP port on 127.0.0.1 that is free at this moment.
pub(crate) fn free() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free loopback port")?;
    Ok(listener.local_addr()?.port())
}
