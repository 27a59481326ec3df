//! The four requests to Vault.
//!
//! Owns URLs, headers and what each status means. The token is a sensitive header, the namespace
//! goes with every request, and a redirect is not followed.

use bytes::Bytes;
use erpgo_secret_set::{Secret, knows_no_active};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use std::time::Duration;
use zeroize::Zeroizing;

use super::wire::{self, Granted};
use crate::backend::{AGENT, BackendError, Reading, Revision, send};
use crate::config::{VaultAuth, VaultConfig};
use crate::http::{Answer, Exchange, Trust};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
// Vault refuses requests without it where it is told to; a browser cannot be made to send it.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// One Vault and the paths that are used there.
pub(super) struct Requests {
    exchange: Exchange,
    namespace: Option<String>,
    login_path: String,
    data_path: String,
}

impl Requests {
    /// Takes the settings apart; the login goes back to the caller.
    pub(super) fn new(config: VaultConfig) -> (Self, VaultAuth) {
        let trust = config.ca_file.map(Trust::new);
        let requests = Self {
            exchange: Exchange::new(config.endpoint, trust),
            namespace: config.namespace,
            login_path: format!("/v1/auth/{}/login", config.auth_mount),
            data_path: format!("/v1/{}/data/{}", config.mount, config.path),
        };
        (requests, config.auth)
    }

    pub(super) async fn login(&self, body: Zeroizing<Vec<u8>>) -> Result<Granted, BackendError> {
        let request = self.post(&self.login_path, None, Bytes::copy_from_slice(&body))?;
        let answer = send(&self.exchange, request).await?;
        // A role that does not exist and a wrong secret id are 400 here, not 403.
        if answer.status == StatusCode::BAD_REQUEST {
            return Err(denied("the login", answer.status));
        }
        wire::granted(&self.check("the login", answer)?.body)
    }

    pub(super) async fn renew(&self, token: &Secret) -> Result<Duration, BackendError> {
        let body = Bytes::from_static(b"{}");
        let request = self.post("/v1/auth/token/renew-self", Some(token), body)?;
        let answer = send(&self.exchange, request).await?;
        if answer.status == StatusCode::BAD_REQUEST {
            return Err(denied("the renewal", answer.status));
        }
        wire::renewed(&self.check("the renewal", answer)?.body)
    }

    pub(super) async fn revoke(&self, token: &Secret) -> Result<(), BackendError> {
        let body = Bytes::from_static(b"{}");
        let request = self.post("/v1/auth/token/revoke-self", Some(token), body)?;
        send(&self.exchange, request).await.map(|_| ())
    }

    pub(super) async fn read(
        &self,
        token: &Secret,
        known: Option<&Revision>,
    ) -> Result<Reading, BackendError> {
        let request = self.request(Method::GET, &self.data_path, Some(token), Bytes::new())?;
        let answer = send(&self.exchange, request).await?;
        let answer = self.check("reading the document", answer)?;
        Ok(wire::stored(&answer.body)?.reading(known))
    }

    fn post(
        &self,
        path: &str,
        token: Option<&Secret>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, BackendError> {
        let mut request = self.request(Method::POST, path, token, body)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        Ok(request)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, BackendError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(REQUEST, "true")
            .header(USER_AGENT, AGENT);
        if let Some(namespace) = &self.namespace {
            request = request.header(NAMESPACE, namespace);
        }
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.expose_secret())
                .map_err(|_| unusable("the token cannot be sent"))?;
            value.set_sensitive(true);
            request = request.header(TOKEN, value);
        }
        request
            .body(Full::new(body))
            .map_err(|_| unusable("the path cannot be sent"))
    }

    fn check(&self, what: &'static str, answer: Answer) -> Result<Answer, BackendError> {
        let retry_after = answer.retry_after;
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::FORBIDDEN => Err(denied(what, answer.status)),
            StatusCode::NOT_FOUND => Err(BackendError::NotFound {
                place: format!("Vault path {}", self.data_path),
            }),
            StatusCode::TOO_MANY_REQUESTS => Err(BackendError::Throttled { retry_after }),
            StatusCode::SERVICE_UNAVAILABLE if !knows_no_active(&answer.body) => {
                Err(BackendError::Sealed { retry_after })
            }
            StatusCode::BAD_REQUEST => Err(unusable("Vault calls the request wrong")),
            other => Err(BackendError::Server {
                backend: self.exchange.endpoint().to_string(),
                status: other.as_u16(),
                retry_after,
            }),
        }
    }
}

fn denied(what: &'static str, status: StatusCode) -> BackendError {
    BackendError::Denied {
        what,
        status: status.as_u16(),
        remedy: "check role, policy, audience and namespace in Vault",
    }
}

fn unusable(problem: &'static str) -> BackendError {
    BackendError::malformed("the document", problem)
}
