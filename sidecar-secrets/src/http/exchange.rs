//! One request, one bounded answer.
//!
//! Owns [`Exchange`]: connect, TLS, request, body, all within [`DEADLINE`] together and with at
//! most [`MAX_BODY_BYTES`] of answer. The answer's bytes are overwritten when they are dropped.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{HOST, RETRY_AFTER};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::tls::TrustError;
use super::{Endpoint, Trust};

/// The longest that one exchange may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// The largest answer: a Secret of 64 KiB in base64 with room for its metadata.
pub(crate) const MAX_BODY_BYTES: usize = 256 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("cannot set up trust")]
    Trust(#[source] TrustError),
    #[error("the TLS handshake failed: check that the CA file belongs to this server")]
    Handshake(#[source] std::io::Error),
    #[error("the host is no name that a certificate can carry")]
    ServerName,
    #[error("the request cannot be written")]
    Request(#[source] hyper::http::Error),
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    #[error("no whole answer within {} s", DEADLINE.as_secs())]
    Deadline,
    #[error("the answer is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// A backend's address and whom to trust there.
pub(crate) struct Exchange {
    endpoint: Endpoint,
    trust: Option<Trust>,
}

impl Exchange {
    pub(crate) fn new(endpoint: Endpoint, trust: Option<Trust>) -> Self {
        Self { endpoint, trust }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends `request`, whose URI is a path, and reads the answer.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, ExchangeError> {
        tokio::time::timeout(DEADLINE, self.exchange(request))
            .await
            .unwrap_or(Err(ExchangeError::Deadline))
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, ExchangeError> {
        let host = self
            .endpoint
            .authority()
            .parse()
            .map_err(|error| ExchangeError::Request(hyper::http::Error::from(error)))?;
        request.headers_mut().insert(HOST, host);
        let address = (self.endpoint.host.as_str(), self.endpoint.port);
        let tcp = TcpStream::connect(address)
            .await
            .map_err(ExchangeError::Connect)?;
        match &self.trust {
            None => converse(tcp, request).await,
            Some(trust) => {
                let config = trust.config().map_err(ExchangeError::Trust)?;
                let name = ServerName::try_from(self.endpoint.host.clone())
                    .map_err(|_| ExchangeError::ServerName)?;
                let tls = TlsConnector::from(config).connect(name, tcp).await;
                converse(tls.map_err(ExchangeError::Handshake)?, request).await
            }
        }
    }
}

async fn converse<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ExchangeError::Broken)?;
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(ExchangeError::Broken)?;
        read(response).await
    };
    // In one task: when the exchange is over or cut, the connection goes with it.
    let connection = async {
        let _ = connection.await;
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        answer = exchange => answer,
        never = connection => match never {},
    }
}

async fn read(response: hyper::Response<hyper::body::Incoming>) -> Result<Answer, ExchangeError> {
    let (parts, mut body) = response.into_parts();
    let mut bytes = Zeroizing::new(Vec::with_capacity(announced(&body)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(ExchangeError::Broken)?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if bytes.len() + data.len() > MAX_BODY_BYTES {
            return Err(ExchangeError::TooLarge);
        }
        bytes.extend_from_slice(data);
    }
    Ok(Answer {
        status: parts.status,
        retry_after: retry_after(&parts.headers),
        body: bytes,
    })
}

// Space for the whole answer, so that no copy of a secret is left behind by growing.
fn announced(body: &hyper::body::Incoming) -> usize {
    let upper = hyper::body::Body::size_hint(body).upper().unwrap_or(0);
    usize::try_from(upper)
        .unwrap_or(usize::MAX)
        .min(MAX_BODY_BYTES)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    erpgo_secret_set::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds_and_nothing_else() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
