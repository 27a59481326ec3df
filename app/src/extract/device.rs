//! What a request says of the device that it comes from.
//!
//! Owns [`Device`]. Both parts are only ever shown to the user and to administrators: nothing is
//! decided by what a client writes about itself.

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;

use super::ClientIp;
use crate::error::Error;
use crate::state::AppState;

const MAX_AGENT: usize = 300;

/// Address and user agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The client's address, by trusted proxies alone.
    pub address: String,
    /// The first 300 characters of the user agent, without control characters.
    pub agent: String,
}

impl FromRequestParts<AppState> for Device {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let ClientIp(address) = ClientIp::from_request_parts(parts, state).await?;
        let agent = parts.headers.get(header::USER_AGENT);
        let agent = agent.map(|value| String::from_utf8_lossy(value.as_bytes()));
        Ok(Self {
            address: address.to_canonical().to_string(),
            agent: plain(&agent.unwrap_or_default()),
        })
    }
}

fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_AGENT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_cut_and_carries_no_control_characters() {
        assert_eq!(plain("Firefox\u{1b}[31m\t1"), "Firefox[31m1");
        assert_eq!(plain(&"é".repeat(400)).chars().count(), MAX_AGENT);
    }
}
