//! The ends that a request may come to without its handler.
//!
//! Owns gate, timeout and panic. Both leave as problems; a panic's text stays in the log.

use std::any::Any;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::error::{Code, ProblemSeed};
use crate::shutdown::{Lifecycle, Phase};

/// Until the schema was found complete, only health is answered (I-01).
pub(super) async fn gate(
    State(lifecycle): State<Lifecycle>,
    request: Request,
    next: Next,
) -> Response {
    let open = request.uri().path().starts_with("/health/");
    if open || lifecycle.phase() != Phase::Starting {
        return next.run(request).await;
    }
    ProblemSeed {
        retry_after: Some(Duration::from_secs(1)),
        ..ProblemSeed::plain(
            Code::ServiceUnavailable,
            "the service is starting; try again shortly",
        )
    }
    .into_response()
}

pub(super) async fn timeout(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(
                limit_seconds = limit.as_secs_f64(),
                "the request was cut off"
            );
            ProblemSeed::plain(
                Code::RequestTimeout,
                "the request took too long and was rolled back; try again",
            )
            .into_response()
        }
    }
}

// The panic hook has logged where it was; its text may hold whatever was at hand (I-04).
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ProblemSeed::plain(
        Code::InternalError,
        "something went wrong on our side; quote request_id when you report it",
    )
    .into_response()
}
