//! Hears from PostgreSQL whose sessions, keys or roles have changed.
//!
//! Owns the one task that listens, on a connection beside the pool. A change is told by the transaction that
//! makes it, so it is heard whatever becomes of Redis or of the process that made it. An answer to a
//! question on the same connection proves that everything committed before the question was heard:
//! that, and no hope, is what [`super::sessions`] keeps answers for longer by.

use std::time::{Duration, Instant};

use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use crate::db::{QueryType, observed};
use crate::error::{Error, Result};
use crate::limits::Identifier;
use crate::state::AppState;

/// The channel of the triggers in migration 21.
const CHANNEL: &str = "erpgo_auth";
/// Before what is no user but an identifier whose lock was lifted.
const UNLOCKED: &str = "unlocked:";
/// How often is asked; well within the time that an answer is good for.
const EVERY: Duration = Duration::from_millis(250);
/// An answer that takes longer is none.
const ANSWER: Duration = Duration::from_millis(400);
/// Between two tries to connect.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub async fn run(state: AppState, stop: CancellationToken) {
    loop {
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = hear(&state) => heard,
        };
        state.sessions.deaf();
        if matches!(heard, Err(sqlx::Error::PoolClosed)) {
            // The credentials turned: the next connection is made with those in use.
            continue;
        }
        if let Err(error) = heard {
            let error = erpgo_telemetry::chain(&error).to_string();
            tracing::warn!(
                error,
                "changes are not heard of; what is kept is read anew sooner"
            );
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Listens until the connection is lost, late, or let go of for another one.
async fn hear(state: &AppState) -> Result<(), sqlx::Error> {
    let mut listener = state.database.listen(CHANNEL).await?;
    // What changed before went unheard.
    state.sessions.forget_all();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            told = listener.try_recv() => match told? {
                Some(told) => note(state, told.payload()),
                None => return Ok(()),
            },
            _ = tick.tick() => ask(state, &mut listener).await?,
        }
    }
}

/// What PostgreSQL tells of before its answer was committed before it.
async fn ask(state: &AppState, listener: &mut PgListener) -> Result<(), sqlx::Error> {
    let asked = Instant::now();
    let question = sqlx::query("SELECT 1").execute(&mut *listener);
    let answered = tokio::time::timeout(ANSWER, question).await;
    answered.map_err(|_| sqlx::Error::PoolTimedOut)??;
    while let Some(told) = listener.next_buffered() {
        note(state, told.payload());
    }
    state.sessions.heard(asked);
    Ok(())
}

fn note(state: &AppState, payload: &str) {
    if let Some(key) = payload.strip_prefix(UNLOCKED) {
        state.logins.forget(key);
    } else if let Ok(user) = payload.parse() {
        state.sessions.forget(user);
    } else {
        state.sessions.forget_all();
    }
}

/// Tells every process, once this transaction commits, that the lock of `identifier` is lifted.
pub(crate) async fn tell_unlocked(
    connection: &mut PgConnection,
    identifier: &Identifier,
) -> Result<()> {
    let query = sqlx::query("SELECT pg_notify($1, $2)")
        .bind(CHANNEL)
        .bind(format!("{UNLOCKED}{}", identifier.hash()))
        .execute(connection);
    observed(QueryType::Select, "auth.tell_unlocked", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("tell that a lock is lifted", error))
}
