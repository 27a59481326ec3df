//! Where a request comes from, as the audit log notes it.
//!
//! Owns [`Origin`]: address, agent and request id. The first two are personal data: they leave this
//! type only to be sealed.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;

use super::ClientIp;
use crate::error::Error;
use crate::layers::RequestId;
use crate::state::AppState;

/// Longest agent that is kept: a client may send kilobytes.
const MAX_AGENT: usize = 256;

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub ip: IpAddr,
    /// What the client calls itself.
    pub agent: Option<String>,
    /// The request's name.
    pub request_id: Option<String>,
}

impl Origin {
    /// The program itself: no request, no client.
    #[must_use]
    pub const fn program() -> Self {
        Self {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            agent: None,
            request_id: None,
        }
    }
}

impl FromRequestParts<AppState> for Origin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let ClientIp(ip) = ClientIp::from_request_parts(parts, state).await?;
        let agent = parts.headers.get(header::USER_AGENT).map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.chars().take(MAX_AGENT).collect()
        });
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
        Ok(Self {
            ip,
            agent,
            request_id,
        })
    }
}
