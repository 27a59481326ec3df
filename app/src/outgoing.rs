//! Calls to other services.
//!
//! Owns [`Outgoing`], one a service: each call is tried three times at most, later each time, every try and
//! the whole have a deadline, and a service that has failed five times in a row is left alone for a while.
//! Owns [`send`], a single try: a span around it, and the trace that it belongs to in its headers (R12.3).
//! Neither URL nor body is noted, and no error bears them: either may carry a secret.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode, header};
use reqwest::{Client, RequestBuilder, Response};
use tracing::{Instrument as _, field};

use crate::backoff::jittered;
use crate::breaker::Breaker;

/// The longest wait that a service may ask for: one that asks for more is not asked again by this call.
const MAX_ASKED: Duration = Duration::from_secs(10);

/// How much time a service is given.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For one try, to the end of its answer.
    pub attempt: Duration,
    /// For a call: all of its tries, and the waits between them.
    pub whole: Duration,
    /// Before the second and the third try, give or take a quarter.
    pub waits: [Duration; 2],
    /// For which it is left alone once five tries in a row have failed.
    pub rest: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// Nothing was tried.
    #[error("{0} has failed of late and is left alone for a while")]
    LeftAlone(&'static str),
    /// The last try came to nothing.
    #[error("{peer} did not answer")]
    Unanswered {
        /// The service.
        peer: &'static str,
        /// Why, without the URL.
        #[source]
        source: reqwest::Error,
    },
}

/// One service that is called.
pub struct Outgoing {
    peer: &'static str,
    client: Client,
    patience: Patience,
    breaker: Mutex<Breaker>,
}

impl Outgoing {
    /// The service called `peer`, which has not failed yet.
    #[must_use]
    pub fn new(peer: &'static str, client: Client, patience: Patience) -> Self {
        Self {
            peer,
            client,
            patience,
            breaker: Mutex::new(Breaker::new(patience.rest)),
        }
    }

    /// A request to it.
    pub fn request(&self, method: Method, url: url::Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// The answer to `request`, whatever its status: that of the last try, where the others came to nothing or
    /// to 502, 503, 504 or a 429 that says when. A body that can be sent only once is tried once. The service
    /// may see a request more than once.
    ///
    /// # Errors
    /// [`OutgoingError`], when the call's time is over at the latest.
    pub async fn call(&self, request: RequestBuilder) -> Result<Response, OutgoingError> {
        let end = Instant::now() + self.patience.whole;
        let mut waits = self.patience.waits.into_iter();
        let mut next = request;
        loop {
            let again = next.try_clone();
            let outcome = self.attempt(next, end).await;
            let wait = waits.next();
            let wait = wait.and_then(|wait| self.wait(&outcome, jittered(wait), end));
            let (Some(again), Some(wait)) = (again, wait) else {
                return outcome;
            };
            // Its connection is not held meanwhile.
            drop(outcome);
            tokio::time::sleep(wait).await;
            next = again;
        }
    }

    async fn attempt(
        &self,
        request: RequestBuilder,
        end: Instant,
    ) -> Result<Response, OutgoingError> {
        let now = Instant::now();
        if !self.breaker().enters(now) {
            return Err(OutgoingError::LeftAlone(self.peer));
        }
        let limit = self.patience.attempt.min(end.duration_since(now));
        let outcome = send(self.peer, request.timeout(limit)).await;
        self.judge(&outcome);
        outcome.map_err(|error| OutgoingError::Unanswered {
            peer: self.peer,
            source: error.without_url(),
        })
    }

    /// What a try says of the service; a request that is none says nothing.
    fn judge(&self, outcome: &reqwest::Result<Response>) {
        let is_well = match outcome {
            Ok(answer) => !answer.status().is_server_error(),
            Err(error) if error.is_builder() => return,
            Err(_) => false,
        };
        let mut breaker = self.breaker();
        let was_open = breaker.is_open();
        if is_well {
            breaker.succeeded();
        } else {
            breaker.failed(Instant::now());
        }
        let peer = self.peer;
        match (was_open, breaker.is_open()) {
            (false, true) => {
                tracing::warn!(peer, "a service fails and is left alone for a while");
            }
            (true, false) => tracing::info!(peer, "a service answers again"),
            _ => {}
        }
    }

    /// How long to wait for another try, if there is to be one; `wait`, unless the service asks for more.
    fn wait(
        &self,
        outcome: &Result<Response, OutgoingError>,
        wait: Duration,
        end: Instant,
    ) -> Option<Duration> {
        let wait = match outcome {
            Ok(answer) => worth_another(answer.status(), answer.headers(), wait)?,
            // No connection, none any more, or no answer in time.
            Err(OutgoingError::Unanswered { source, .. }) if source.is_request() => wait,
            Err(_) => return None,
        };
        let is_in_time = Instant::now() + wait < end;
        (is_in_time && !self.breaker().is_open()).then_some(wait)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // Nothing is left half-done by a panic in here.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait after an answer that may be another one next time.
fn worth_another(status: StatusCode, headers: &HeaderMap, wait: Duration) -> Option<Duration> {
    let wait = match (status, asked(headers)) {
        (
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT,
            asked,
        ) => asked.unwrap_or_default().max(wait),
        (StatusCode::TOO_MANY_REQUESTS, Some(asked)) => asked.max(wait),
        _ => return None,
    };
    (wait <= MAX_ASKED).then_some(wait)
}

/// What `retry-after` says in seconds. A date says nothing: clocks differ.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Sends `request` to the service called `peer`, once and for as long as its client says.
///
/// # Errors
/// Those of the client.
pub async fn send(
    peer: &'static str,
    request: reqwest::RequestBuilder,
) -> reqwest::Result<reqwest::Response> {
    let span = tracing::info_span!(
        "http.client",
        otel.kind = "client",
        otel.status_code = field::Empty,
        peer.service = peer,
        http.response.status_code = field::Empty,
    );
    let outcome = async {
        let request = match erpgo_telemetry::current_parent() {
            Some(parent) => request.header("traceparent", parent.to_string()),
            None => request,
        };
        request.send().await
    }
    .instrument(span.clone())
    .await;
    match &outcome {
        Ok(answer) => {
            span.record("http.response.status_code", answer.status().as_u16());
        }
        Err(_) => {
            span.record("otel.status_code", "ERROR");
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const WAIT: Duration = Duration::from_millis(100);

    /// The wait after `status` and what `retry-after` says.
    fn after(status: u16, asked: Option<&'static str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        if let Some(text) = asked {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(text));
        }
        worth_another(StatusCode::from_u16(status).unwrap(), &headers, WAIT)
    }

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else_is() {
        for status in [502, 503, 504] {
            assert_eq!(after(status, None), Some(WAIT), "{status}");
        }
        for status in [200, 204, 301, 400, 401, 404, 408, 409, 425, 500, 501, 505] {
            assert_eq!(after(status, None), None, "{status}");
            assert_eq!(after(status, Some("1")), None, "{status}");
        }
    }

    #[test]
    fn a_service_is_given_the_time_that_it_asks_for_unless_that_is_too_much() {
        for status in [429, 503] {
            assert_eq!(after(status, Some("3")), Some(Duration::from_secs(3)));
            assert_eq!(after(status, Some("10")), Some(MAX_ASKED));
            // Never sooner than after the others.
            assert_eq!(after(status, Some("0")), Some(WAIT));
            for too_much in ["11", "3600", "18446744073709551615"] {
                assert_eq!(after(status, Some(too_much)), None, "{too_much}");
            }
        }
        for nothing in [
            None,
            Some("soon"),
            Some("-1"),
            Some("Fri, 27 Nov 2026 12:00:00 GMT"),
        ] {
            assert_eq!(after(429, nothing), None, "{nothing:?}");
            assert_eq!(after(503, nothing), Some(WAIT), "{nothing:?}");
        }
    }
}
