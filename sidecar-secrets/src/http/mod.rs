//! One bounded HTTP exchange with a backend.
//!
//! Owns address, trust and exchange. Each exchange has a connection of its own, so that nothing of
//! TLS stays in memory between two polls; none follows a redirect, since the token must not go to
//! another host. See ADR 0004.

mod endpoint;
mod exchange;
mod tls;

pub(crate) use endpoint::{Endpoint, EndpointError, PlainHttp};
pub(crate) use exchange::{Answer, Exchange, ExchangeError};
pub(crate) use tls::Trust;
