//! Sign-ins and new passwords that a limit refuses, and credentials that are none, in the audit log (R18.1).
//!
//! Owns [`Refusals`]. Whoever has no password may still bring about as many of them as they like: each is
//! counted (`tally.rs`) and told of with others, beside the requests, none of which waits for it or fails by it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::tally::{Pass, Refused, Tally, Told};
use crate::audit::{self, Action, Event};
use crate::db::Database;
use crate::error::Error;
use crate::extract::Origin;

/// How soon the first of an address is in the audit log.
const EVERY: Duration = Duration::from_secs(1);
/// Events in one transaction.
const PART: usize = 50;

/// What is not in the audit log yet.
#[derive(Clone, Default)]
pub struct Refusals(Arc<Mutex<Tally>>);

impl Refusals {
    /// Counts a refusal of a request from `origin`.
    pub(crate) fn note(&self, refused: Refused, origin: &Origin) {
        self.tally()
            .note(refused, origin, Instant::now(), Timestamp::now());
    }

    /// Counts a `pass` that was refused by `error`, if that is to be told of.
    pub(crate) fn heed(&self, pass: Pass, error: &Error, origin: &Origin) {
        if let Some(refused) = Refused::of(pass, error.code()) {
            self.note(refused, origin);
        }
    }

    /// Tells of what is due, until `stop`.
    pub async fn run(self, database: Database, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            // To its end: what is taken out of the tally is nowhere else.
            let due = self.tally().due(Instant::now());
            self.tell(&database, due).await;
        }
    }

    /// Tells of all that is left, at the end of the process. It may be cut off: the log then says of how many.
    pub async fn flush(&self, database: &Database) {
        let all = self.tally().all();
        let mut untold = Untold(all.iter().map(|told| told.count).sum());
        if self.tell(database, all).await {
            untold.0 = 0;
        }
    }

    /// Writes events, or puts all back that could not be written; whether all were.
    async fn tell(&self, database: &Database, mut told: Vec<Told>) -> bool {
        while !told.is_empty() {
            let part = &told[..told.len().min(PART)];
            let events: Vec<_> = part.iter().map(event).collect();
            match audit::record_together(database, &events).await {
                Ok(()) => drop(told.drain(..events.len())),
                Err(error) => {
                    let waiting = told.len();
                    tracing::warn!(waiting, error = %erpgo_telemetry::chain(&error), "refusals are not in the audit log yet");
                    self.put_back(told);
                    return false;
                }
            }
        }
        true
    }

    fn put_back(&self, told: Vec<Told>) {
        let (mut tally, now) = (self.tally(), Instant::now());
        for told in told {
            tally.put_back(told, now);
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // Nothing is left half-done by a panic in here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refusals that the end of the process leaves out of the audit log, unless they are written first.
struct Untold(u64);

impl Drop for Untold {
    fn drop(&mut self) {
        if self.0 > 0 {
            tracing::warn!(
                refusals = self.0,
                "the last refusals may not be in the audit log"
            );
        }
    }
}

fn event(told: &Told) -> Event {
    let (action, mut detail) = match told.refused {
        Refused::SignIn => (Action::SignInRefused, json!({})),
        Refused::SecondFactor => (Action::SignInRefused, json!({"second_factor": true})),
        Refused::ForgottenPassword => (Action::SignInRefused, json!({"forgot_password": true})),
        Refused::PasswordReset => (Action::SignInRefused, json!({"reset_password": true})),
        Refused::Invalid(pass) => (Action::CredentialRefused, reason(pass, "invalid")),
        Refused::Revoked(pass) => (Action::CredentialRefused, reason(pass, "revoked")),
    };
    detail["count"] = told.count.into();
    detail["since"] = told.since.to_string().into();
    let event = match &told.origin {
        Some(origin) => Event::of(action, origin),
        None => Event::of_program(action),
    };
    event.with(detail).refused()
}

fn reason(pass: Pass, reason: &str) -> Value {
    json!({"credential": pass.as_str(), "reason": reason})
}
