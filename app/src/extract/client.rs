//! Whose request it is, by address.
//!
//! Owns [`ClientIp`]. A forwarding header counts only when the peer is a trusted proxy, and is then
//! read from the right: what lies left of the first untrusted address could have been written by
//! the client itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::HeaderMap;
use http::request::Parts;

use crate::config::TrustedProxies;
use crate::error::Error;
use crate::state::AppState;

/// The client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

/// Hops that are followed; a longer list is cut here.
const MAX_HOPS: usize = 16;

impl FromRequestParts<AppState> for ClientIp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
        let proxies = &state.settings.http.trusted_proxies;
        Ok(Self(client(peer.to_canonical(), &parts.headers, proxies)))
    }
}

fn client(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut nearest = peer;
    for hop in hops.iter().rev().take(MAX_HOPS) {
        if !proxies.contain(nearest) {
            break;
        }
        let Some(address) = address(hop) else { break };
        nearest = address;
    }
    nearest
}

fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    hop.parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()))
        .map(|address| address.to_canonical())
        .ok()
}
