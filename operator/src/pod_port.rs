//! One port of the pods, asked by HTTP.
//!
//! Owns the client that [`crate::acks`] and [`crate::complaints`] share: a second for an answer, no
//! redirect, no proxy, no TLS, and answers no longer than a pod of ours would write (I-12). It knows
//! no path and decides nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};

/// The longest wait for an answer, unless the request says otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);
/// Pods that are asked at once.
pub(crate) const AT_ONCE: usize = 16;
const MAX_ANSWER: usize = 16 * 1024;

/// The client for one port.
pub(crate) struct PodPort {
    http: reqwest::Client,
    port: u16,
}

impl PodPort {
    /// A client for `port` of every pod.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn new(port: u16) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            // Pods are reached as they are, never through a proxy, and without TLS.
            .no_proxy()
            .tls_certs_only([])
            .build()?;
        Ok(Self { http, port })
    }

    #[cfg(test)]
    pub(crate) const fn number(&self) -> u16 {
        self.port
    }

    /// A request for `path` of `pod`, not yet sent.
    pub(crate) fn request(&self, method: Method, pod: IpAddr, path: &str) -> RequestBuilder {
        let address = SocketAddr::new(pod, self.port);
        self.http.request(method, format!("http://{address}{path}"))
    }
}

/// The body of `answer`, unless it is longer than a pod of ours would write.
pub(crate) async fn bounded(mut answer: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}
