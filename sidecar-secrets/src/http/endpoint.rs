//! Where a backend is.
//!
//! Owns [`Endpoint`]: scheme, host and port that passed the rule on plain http.

use std::fmt;
use std::net::IpAddr;

use hyper::Uri;

/// Whether plain http may leave the loopback interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    LoopbackOnly,
    Allowed,
}

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) secure: bool,
    // Without the brackets of an IPv6 literal.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Why an address was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum EndpointError {
    #[error("not of the form https://host:port")]
    Form,
    #[error("plain http is for loopback only: use https")]
    PlainHttp,
}

impl Endpoint {
    pub(crate) fn parse(text: &str, plain: PlainHttp) -> Result<Self, EndpointError> {
        let uri: Uri = text
            .trim_end_matches('/')
            .parse()
            .map_err(|_| EndpointError::Form)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(EndpointError::Form),
        };
        let authority = uri.authority().ok_or(EndpointError::Form)?;
        if uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(EndpointError::Form);
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err(EndpointError::Form);
        }
        if !secure && plain == PlainHttp::LoopbackOnly && !is_loopback(host) {
            return Err(EndpointError::PlainHttp);
        }
        let default = if secure { 443 } else { 80 };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(default),
        })
    }

    /// `host:port`, and `host` alone with the port that goes without saying: what the Host header has
    /// and what AWS signatures are made over.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.default_port() {
            self.bracketed()
        } else {
            format!("{}:{}", self.bracketed(), self.port)
        }
    }

    fn default_port(&self) -> u16 {
        if self.secure { 443 } else { 80 }
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.bracketed(), self.port)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_and_port_and_nothing_else() {
        let shown = |text| Endpoint::parse(text, PlainHttp::LoopbackOnly).map(|e| e.to_string());
        assert_eq!(shown("https://vault:8200"), Ok("https://vault:8200".into()));
        assert_eq!(shown("https://vault/"), Ok("https://vault:443".into()));
        assert_eq!(
            shown("https://[fd00::1]:6443"),
            Ok("https://[fd00::1]:6443".into())
        );
        for wrong in [
            "vault:8200",
            "https://",
            "ftp://vault",
            "https://u:p@vault",
            "https://vault/v1",
            "https://vault?x=1",
            "",
            "https:// vault",
        ] {
            assert_eq!(shown(wrong), Err(EndpointError::Form), "{wrong}");
        }
    }

    #[test]
    fn the_host_header_leaves_out_the_usual_port() {
        let authority = |text| Endpoint::parse(text, PlainHttp::Allowed).map(|e| e.authority());
        assert_eq!(authority("https://vault"), Ok("vault".into()));
        assert_eq!(authority("https://vault:8200"), Ok("vault:8200".into()));
        assert_eq!(authority("http://[::1]:80"), Ok("[::1]".into()));
        assert_eq!(authority("http://vault:443"), Ok("vault:443".into()));
    }

    #[test]
    fn plain_http_stays_on_loopback_unless_it_is_allowed() {
        let lax = |text| Endpoint::parse(text, PlainHttp::Allowed).is_ok();
        let strict = |text| Endpoint::parse(text, PlainHttp::LoopbackOnly);
        for loopback in [
            "http://127.0.0.1:8200",
            "http://localhost:8200",
            "http://[::1]:8200",
        ] {
            assert!(strict(loopback).is_ok(), "{loopback}");
        }
        for remote in [
            "http://vault:8200",
            "http://10.0.0.1:8200",
            "http://127.0.0.1.evil.test",
        ] {
            assert_eq!(strict(remote), Err(EndpointError::PlainHttp), "{remote}");
            assert!(lax(remote));
        }
    }
}
