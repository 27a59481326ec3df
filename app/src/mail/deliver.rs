//! Sends what waits in the outbox.
//!
//! Owns the one task that does: three tries a mail, each with a deadline, later each time, behind a
//! circuit breaker. While no server is set mails wait, and a metric and a log line say so.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::compose::{Composed, compose};
use super::outbox::{self, Claimed};
use super::smtp::{SendError, Smtp};
use super::token;
use crate::breaker::{Admission, Breaker};
use crate::error::Result;
use crate::metrics::METRICS;
use crate::state::AppState;

/// How often the outbox is looked into: one query that finds nothing.
const EVERY: Duration = Duration::from_secs(1);
/// How often what waits is counted and what has expired is swept.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// Tries a mail gets.
const TRIES: i16 = 3;
/// Mails in one go, so that a full outbox does not keep the task from hearing of its end.
const BATCH: usize = 100;

/// Runs until `stop`.
pub async fn run(state: AppState, stop: CancellationToken) {
    let settings = &state.settings.mail;
    let mut breaker = Breaker::new(settings.retry_after);
    let mut counted: Option<Instant> = None;
    loop {
        if counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
            counted = Some(Instant::now());
            report(count(&state).await);
        }
        if let Some(smtp) = Smtp::new(settings) {
            let turn = async { report(batch(&state, &smtp, &mut breaker).await) };
            tokio::select! {
                () = stop.cancelled() => return,
                () = turn => {}
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn report(outcome: Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(error = %erpgo_telemetry::chain(&error), "the outbox cannot be worked on");
    }
}

async fn count(state: &AppState) -> Result<()> {
    let mut connection = state.database.acquire_in_turn().await?;
    outbox::sweep(&mut connection).await?;
    let waiting = outbox::waiting(&mut connection).await?;
    METRICS.mails_waiting.set(waiting);
    if waiting > 0 && state.settings.mail.server.is_none() {
        tracing::warn!(
            waiting,
            capacity = outbox::CAPACITY,
            "mails wait: set mail.smtp_url"
        );
    }
    Ok(())
}

async fn batch(state: &AppState, smtp: &Smtp<'_>, breaker: &mut Breaker) -> Result<()> {
    for _ in 0..BATCH {
        let admission = breaker.admit(Instant::now());
        if admission == Admission::Wait || !one(state, smtp, breaker, admission).await? {
            break;
        }
    }
    METRICS
        .dependency_up
        .with_label_values(&["smtp"])
        .set(i64::from(!breaker.is_open()));
    Ok(())
}

/// Sends one mail; false when none is due.
async fn one(
    state: &AppState,
    smtp: &Smtp<'_>,
    breaker: &mut Breaker,
    admission: Admission,
) -> Result<bool> {
    let settings = &state.settings.mail;
    let mut connection = state.database.acquire_in_turn().await?;
    // Longer than a try can take: nobody else tries meanwhile.
    let lease = settings.timeout * 2 + Duration::from_secs(10);
    let Some(mail) = outbox::claim(&mut connection, lease).await? else {
        return Ok(false);
    };
    let site = settings.public_url.as_ref();
    let Some(composed) = compose(&mut connection, &mail, site).await? else {
        outbox::done(&mut connection, &mail).await?;
        return Ok(true);
    };
    // No connection of the pool waits for the mail server.
    drop(connection);
    let sent = smtp.send(mail.id, &composed).await;
    let mut connection = state.database.acquire_in_turn().await?;
    match sent {
        Ok(()) => {
            breaker.succeeded();
            tell(&mail, "sent");
            outbox::done(&mut connection, &mail).await?;
        }
        Err(error) => {
            withdraw(&mut connection, &composed).await?;
            let retry = Retry {
                probe: admission == Admission::Probe,
                after: settings.retry_after,
            };
            failed(&mut connection, &mail, &error, breaker, retry).await?;
        }
    }
    Ok(true)
}

/// Whether the try was the breaker's, and how long the first wait is.
struct Retry {
    probe: bool,
    after: Duration,
}

async fn failed(
    connection: &mut sqlx::PgConnection,
    mail: &Claimed,
    error: &SendError,
    breaker: &mut Breaker,
    retry: Retry,
) -> Result<()> {
    let last = mail.attempts >= TRIES && !retry.probe;
    if error.is_final() {
        // It answered: the server is not away.
        breaker.succeeded();
    } else if breaker.failed(Instant::now()) {
        tracing::warn!("the mail server is left alone for a while");
    }
    tracing::warn!(
        mail_id = %mail.id,
        kind = mail.message.kind(),
        attempt = mail.attempts,
        error = %erpgo_telemetry::chain(error),
        "a mail could not be sent"
    );
    if error.is_final() || last {
        tell(mail, "failed");
        return outbox::give_up(connection, mail).await;
    }
    tell(mail, "retried");
    let exponent = u32::from(mail.attempts.max(1).unsigned_abs()) - 1;
    let wait = retry.after * 4_u32.saturating_pow(exponent.min(4));
    outbox::again(connection, mail, wait, !retry.probe).await
}

async fn withdraw(connection: &mut sqlx::PgConnection, composed: &Composed) -> Result<()> {
    match &composed.token {
        // The next try draws another one.
        Some(token) => token::withdraw(connection, token).await,
        None => Ok(()),
    }
}

fn tell(mail: &Claimed, result: &str) {
    METRICS
        .mails
        .with_label_values(&[mail.message.kind(), result])
        .inc();
    if result == "sent" {
        let age = jiff::Timestamp::now().duration_since(mail.created_at);
        tracing::info!(mail_id = %mail.id, kind = mail.message.kind(), age_seconds = age.as_secs_f64(), "a mail was sent");
    }
}
