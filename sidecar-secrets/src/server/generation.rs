//! `PUT /v1/generation/{n}`: read now, and answer when the app has.
//!
//! Owns the nudge and its wait, which ends at the deadline, at the end of the process, or when the
//! app has answered `n` or later, be it with a refusal.

use std::time::Duration;

use erpgo_secret_set::Generation;
use hyper::StatusCode;

use super::answer::{Answer, Refusal};
use super::control::{Control, state};

const DEFAULT_SECONDS: u64 = 10;
const MAX_SECONDS: u64 = 60;

/// What is waited for, and how long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nudge {
    wanted: Generation,
    deadline: Duration,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum NudgeError {
    #[error("a generation is a whole number from 1")]
    Generation,
    #[error("the only parameter is timeout_seconds, a whole number up to 60")]
    Parameter,
}

impl Nudge {
    pub(super) fn parse(number: &str, query: Option<&str>) -> Result<Self, NudgeError> {
        let wanted = digits(number)
            .filter(|number| *number > 0)
            .ok_or(NudgeError::Generation)?;
        let seconds = match query {
            None | Some("") => DEFAULT_SECONDS,
            Some(query) => query
                .strip_prefix("timeout_seconds=")
                .and_then(digits)
                .filter(|seconds| *seconds <= MAX_SECONDS)
                .ok_or(NudgeError::Parameter)?,
        };
        Ok(Self {
            wanted: Generation(wanted),
            deadline: Duration::from_secs(seconds),
        })
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

pub(super) async fn put(nudge: Nudge, control: &Control) -> Answer {
    let shared = &control.shared;
    let Ok(_seat) = control.waits.try_acquire() else {
        return Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "8 callers wait already: try again later",
        )
        .into();
    };
    let mut statuses = shared.watch();
    if shared.status().needs_read(nudge.wanted) {
        shared.nudge(nudge.wanted);
    }
    let mut stopped = control.stopped.clone();
    tokio::select! {
        settled = statuses.wait_for(|status| status.is_settled(nudge.wanted)) => {
            drop(settled);
            state(StatusCode::OK, shared)
        }
        _ = stopped.wait_for(|stopped| *stopped) => state(StatusCode::SERVICE_UNAVAILABLE, shared),
        () = tokio::time::sleep(nudge.deadline) => state(StatusCode::GATEWAY_TIMEOUT, shared),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nudge_is_a_generation_and_perhaps_a_deadline() {
        let nudge = |wanted, seconds| {
            Ok(Nudge {
                wanted: Generation(wanted),
                deadline: Duration::from_secs(seconds),
            })
        };
        assert_eq!(Nudge::parse("7", None), nudge(7, 10));
        assert_eq!(Nudge::parse("7", Some("timeout_seconds=0")), nudge(7, 0));
        assert_eq!(Nudge::parse("7", Some("timeout_seconds=60")), nudge(7, 60));
        for wrong in ["", "0", "-1", "+7", "7/8", "99999999999999999999", "seven"] {
            assert_eq!(
                Nudge::parse(wrong, None),
                Err(NudgeError::Generation),
                "{wrong}"
            );
        }
        for wrong in [
            "timeout_seconds=61",
            "timeout_seconds=",
            "timeout=1",
            "timeout_seconds=1&x=2",
        ] {
            assert_eq!(
                Nudge::parse("7", Some(wrong)),
                Err(NudgeError::Parameter),
                "{wrong}"
            );
        }
    }
}
