//! Span, metrics and problem body of each request.
//!
//! Owns the one place that knows a request from its first to its last moment. Labels are the route's
//! template, never the path (I-12); the query string is not logged, since people put secrets there.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use erpgo_telemetry::TraceParent;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use tracing::{Instrument as _, Span, field};
use uuid::Uuid;

use super::request_id::RequestId;
use crate::error::{Code, ProblemSeed};
use crate::metrics::METRICS;
use crate::shutdown::{Lifecycle, Phase};

/// In place of a status, for what had no answer: as proxies have it that find their client gone.
const GIVEN_UP: &str = "499";

struct Seen {
    method: &'static str,
    template: String,
    path: String,
    request_id: String,
    begun: Instant,
}

/// Counts a request as in flight until it is dropped, however it ends.
struct InFlight;

impl InFlight {
    fn begin() -> Self {
        METRICS.in_flight.inc();
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        METRICS.in_flight.dec();
    }
}

/// Tells of a request that ends before its answer: its client has hung up, or the program ends.
struct Unanswered<'a> {
    seen: &'a Seen,
    span: &'a Span,
    is_answered: bool,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.span.in_scope(|| self.seen.given_up());
        }
    }
}

/// A request from its first to its last moment.
pub(super) struct Observed {
    seen: Seen,
    span: Span,
    trace_id: String,
    _in_flight: InFlight,
}

impl Observed {
    pub(super) fn begin(request: &Request) -> Self {
        let in_flight = InFlight::begin();
        let seen = Seen::of(request);
        let (span, trace_id) = span(&seen, request);
        Self {
            seen,
            span,
            trace_id,
            _in_flight: in_flight,
        }
    }

    /// Waits for the request's `answer`, and completes and tells it.
    pub(super) async fn until(
        self,
        lifecycle: &Lifecycle,
        answer: impl Future<Output = Response>,
    ) -> Response {
        let (seen, span) = (&self.seen, &self.span);
        let mut unanswered = Unanswered {
            seen,
            span,
            is_answered: false,
        };
        let response = answer.instrument(span.clone()).await;
        unanswered.is_answered = true;
        let mut response = complete(response, seen, &self.trace_id);
        if lifecycle.phase() == Phase::Draining {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        span.in_scope(|| finish(seen, response.status(), span));
        response
    }
}

impl Seen {
    fn of(request: &Request) -> Self {
        let template = request
            .extensions()
            .get::<MatchedPath>()
            .map_or("unmatched", MatchedPath::as_str);
        let request_id = request.extensions().get::<RequestId>();
        Self {
            method: method(request.method()),
            template: template.to_owned(),
            path: path(request.uri()).to_owned(),
            request_id: request_id.map(|id| id.0.clone()).unwrap_or_default(),
            begun: Instant::now(),
        }
    }

    fn given_up(&self) {
        METRICS
            .requests
            .with_label_values(&[self.method, &self.template, GIVEN_UP])
            .inc();
        let seconds = self.begun.elapsed().as_secs_f64();
        tracing::info!(duration_seconds = seconds, "request given up");
    }
}

// No path, as CONNECT has none, is the same as `/` (RFC 9110 §4.2.3).
fn path(uri: &Uri) -> &str {
    match uri.path() {
        "" => "/",
        path => path,
    }
}

// A client may send any word as a method; a label may not be any word.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

fn span(seen: &Seen, request: &Request) -> (Span, String) {
    let parent: Option<TraceParent> = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok());
    let span = tracing::info_span!(
        "http.request",
        otel.name = format!("{} {}", seen.method, seen.template),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = seen.method,
        http.route = seen.template,
        url.path = seen.path,
        http.response.status_code = field::Empty,
        request_id = seen.request_id,
        user_id = field::Empty,
        trace_id = field::Empty,
    );
    if let Some(parent) = &parent {
        erpgo_telemetry::adopt(&span, parent);
    }
    // Without an exporter layer the request still needs a name that its caller knows.
    let trace_id = erpgo_telemetry::trace_id(&span)
        .or_else(|| parent.map(|parent| parent.trace_id()))
        .unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    span.record("trace_id", &*trace_id);
    (span, trace_id)
}

/// Writes the body of a problem, now that the request is known; a bare error of the framework
/// becomes one.
fn complete(mut response: Response, seen: &Seen, trace_id: &str) -> Response {
    let seed = response.extensions_mut().remove::<ProblemSeed>();
    let Some(seed) = seed.or_else(|| bare(&response)) else {
        return response;
    };
    let status = seed.code.status();
    let problem = seed.complete(
        seen.path.clone(),
        seen.request_id.clone(),
        trace_id.to_owned(),
    );
    // Serialising texts and numbers into memory has no failing case.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut headers = std::mem::take(response.headers_mut());
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    let mut complete = (status, body).into_response();
    let length = complete.headers_mut().remove(header::CONTENT_LENGTH);
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    *complete.headers_mut() = headers;
    complete
}

// Health answers and the docs have bodies of their own type; what is bare here has text or none.
fn bare(response: &Response) -> Option<ProblemSeed> {
    let status = response.status();
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/"));
    if json || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let plain = ProblemSeed::plain;
    Some(match status {
        StatusCode::NOT_FOUND => plain(Code::NotFound, "there is nothing under this path"),
        StatusCode::METHOD_NOT_ALLOWED => plain(
            Code::MethodNotAllowed,
            "the header allow names the methods of this path",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => plain(Code::PayloadTooLarge, "send a smaller body"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => plain(
            Code::UnsupportedMediaType,
            "send the body with content-type: application/json",
        ),
        status if status.is_client_error() => {
            plain(Code::ValidationError, "the request cannot be read")
        }
        _ => plain(
            Code::InternalError,
            "something went wrong on our side; quote request_id when you report it",
        ),
    })
}

fn finish(seen: &Seen, status: StatusCode, span: &Span) {
    let seconds = seen.begun.elapsed().as_secs_f64();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    METRICS
        .requests
        .with_label_values(&[seen.method, &seen.template, status.as_str()])
        .inc();
    METRICS
        .request_duration
        .with_label_values(&[seen.method, &seen.template])
        .observe(seconds);
    // Probes come every few seconds from every node.
    if seen.template.starts_with("/health/") {
        tracing::debug!(
            status = status.as_u16(),
            duration_seconds = seconds,
            "request answered"
        );
    } else {
        tracing::info!(
            status = status.as_u16(),
            duration_seconds = seconds,
            "request answered"
        );
    }
}
