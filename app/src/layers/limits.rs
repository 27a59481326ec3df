//! The ends that a request may come to without its handler.
//!
//! Owns gate, timeout and panic. Both leave as problems; a panic's text stays in the log.

use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};

use crate::db::{AGAIN, CROWDED};
use crate::error::{Code, ProblemSeed};
use crate::shutdown::Phase;
use crate::state::AppState;

/// Why `request` goes no further, if it does not. Until the schema was found complete, only health is answered
/// (I-01). Who could not even wait for a connection is turned away before anything is done for them: what that
/// costs is taken from the others.
pub(super) fn gate(state: &AppState, request: &Request) -> Option<Response> {
    let path = request.uri().path();
    let (code, detail) = if path.starts_with("/health/") {
        return None;
    } else if state.lifecycle.phase() == Phase::Starting {
        let starting = "the service is starting; try again shortly";
        (Code::ServiceUnavailable, starting)
    } else if path.starts_with("/api/v1/") && state.database.turns_away() {
        (Code::Overloaded, CROWDED)
    } else {
        return None;
    };
    let refusal = ProblemSeed {
        retry_after: Some(AGAIN),
        ..ProblemSeed::plain(code, detail)
    };
    Some(refusal.into_response())
}

/// What comes of `answer` within `limit`.
pub(super) async fn timeout(limit: Duration, answer: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(limit, answer).await {
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
pub(super) fn panicked() -> Response {
    ProblemSeed::plain(
        Code::InternalError,
        "something went wrong on our side; quote request_id when you report it",
    )
    .into_response()
}
