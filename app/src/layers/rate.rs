//! Limits of requests, and the headers that tell of them.
//!
//! Owns [`Scope`]: a request's class, and how its address and its user stand. The address is counted here,
//! before anything is done for it; the user where it becomes known ([`crate::auth::Authenticated`]).
//! Headers: `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{FromRequestParts as _, MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::error::{Code, Error, Result};
use crate::extract::ClientIp;
use crate::limits::{Class, Standing, Subject};
use crate::metrics::METRICS;
use crate::state::AppState;

pub(super) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// A request's class, and how those stand whose request it is.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    class: Class,
    ip: IpAddr,
    standings: Arc<Mutex<Vec<Standing>>>,
}

impl Scope {
    /// Counts the request for `subject`.
    ///
    /// # Errors
    /// RATE_LIMIT_EXCEEDED when `subject` has had its share.
    pub(crate) async fn count(&self, state: &AppState, subject: Subject) -> Result<()> {
        let Some(standing) = state.rates.count(self.class, subject).await else {
            return Ok(());
        };
        self.standings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(standing);
        match standing.wait {
            None => Ok(()),
            Some(wait) => Err(self.refused(subject, &standing, wait)),
        }
    }

    fn refused(&self, subject: Subject, standing: &Standing, wait: Duration) -> Error {
        METRICS
            .rate_limited
            .with_label_values(&[standing.policy])
            .inc();
        let (ip, limit) = (self.ip, standing.policy);
        match subject {
            Subject::Ip(_) => tracing::warn!(%ip, limit, "rate limit reached"),
            Subject::User(user) => {
                tracing::warn!(%ip, user_id = %user, limit, "rate limit reached");
            }
        }
        Error::refused(
            Code::RateLimitExceeded,
            "too many requests; wait as long as retry-after says",
        )
        .retry_after(wait)
    }

    fn write(&self, headers: &mut HeaderMap) {
        let standings = self
            .standings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (mut policies, mut now) = (String::new(), String::new());
        for standing in standings.iter() {
            let (name, quota) = (standing.policy, standing.quota);
            let (window, full_in) = (quota.window.as_secs(), seconds(standing.full_in));
            let comma = if policies.is_empty() { "" } else { ", " };
            // Writing to memory does not fail.
            let _ = write!(
                policies,
                "{comma}\"{name}\";q={};w={window}",
                quota.requests
            );
            let _ = write!(now, "{comma}\"{name}\";r={};t={full_in}", standing.left);
        }
        put(headers, POLICY, &policies);
        put(headers, STANDING, &now);
    }
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn put(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if text.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// Has `answer` answer `request` unless its address has had its share, and tells how it stands.
pub(super) async fn limit(
    state: &AppState,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str);
    let Some(class) = Class::of(request.method(), route) else {
        return answer(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let ip = match ClientIp::from_request_parts(&mut parts, state).await {
        Ok(ClientIp(ip)) => ip,
        Err(error) => return error.into_response(),
    };
    let scope = Scope {
        class,
        ip,
        standings: Arc::default(),
    };
    parts.extensions.insert(scope.clone());
    let mut response = match scope.count(state, Subject::Ip(ip)).await {
        Ok(()) => answer(Request::from_parts(parts, body)).await,
        Err(error) => error.into_response(),
    };
    if class == Class::SignIn {
        sign_in(state, &mut response);
    } else {
        scope.write(response.headers_mut());
    }
    response
}

/// The limit of sign-ins slides and says nothing of what is left until nothing is: the answer to each
/// attempt is the same but for its body.
fn sign_in(state: &AppState, response: &mut Response) {
    let live = state.live.load();
    let (quota, window) = (live.limits.login_per_ip, live.limits.login_window.as_secs());
    if quota == 0 {
        return;
    }
    let refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let wait = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .filter(|_| refused)
        .map(|wait| format!("\"sign-in-ip\";r=0;t={wait}"));
    let headers = response.headers_mut();
    put(
        headers,
        POLICY,
        &format!("\"sign-in-ip\";q={quota};w={window}"),
    );
    put(headers, STANDING, &wait.unwrap_or_default());
}
