//! The ends that a request may come to without its handler.
//!
//! Owns gate, timeout and panic. Both leave as problems; a panic's text stays in the log.

use std::any::Any;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::db::{AGAIN, CROWDED};
use crate::error::{Code, ProblemSeed};
use crate::shutdown::Phase;
use crate::state::AppState;

/// Until the schema was found complete, only health is answered (I-01). Who could not even wait for a
/// connection is turned away before anything is done for them: what that costs is taken from the others.
pub(super) async fn gate(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let (code, detail) = if path.starts_with("/health/") {
        return next.run(request).await;
    } else if state.lifecycle.phase() == Phase::Starting {
        let starting = "the service is starting; try again shortly";
        (Code::ServiceUnavailable, starting)
    } else if path.starts_with("/api/v1/") && state.database.turns_away() {
        (Code::Overloaded, CROWDED)
    } else {
        return next.run(request).await;
    };
    ProblemSeed {
        retry_after: Some(AGAIN),
        ..ProblemSeed::plain(code, detail)
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
