//! At most one effect for an Idempotency-Key.
//!
//! Owns [`once()`] and [`Once`]. The answer is kept (`kept.rs`) in the transaction of the effect: either both
//! are there or neither, whatever happens in between. A refusal had no effect and is not kept, so that the same
//! key may be used once its cause is gone. What holds a secret or tells of a person is kept sealed (`seal.rs`).

use std::time::Duration;

use erpgo_secret_set::SecretSet;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use super::kept::{self, Kept, Row};
use super::seal::Seal;
use super::{Reply, Work, transaction};
use crate::db::{Database, QueryType, observed};
use crate::error::{Code, Error, Result};
use crate::extract::idempotency::IdempotencyKey;
use crate::users::UserId;

/// Names one intended effect.
pub struct Once {
    /// Whose key it is.
    pub(super) caller: UserId,
    /// What it is used for.
    pub(super) operation: &'static str,
    /// The key.
    pub(super) key: IdempotencyKey,
    /// Whom the answer tells of beside the caller.
    pub(super) about: Option<UserId>,
    keeping: Keeping,
}

/// How an answer is kept.
enum Keeping {
    /// As it is, with the SHA-256 of what was asked for.
    Clear(Vec<u8>),
    /// Sealed.
    Sealed(Vec<Seal>),
}

impl Once {
    /// `request` is what is asked for: the same key with another one is refused. Neither a secret nor a
    /// person's data is in it, or in the answer.
    ///
    /// # Errors
    /// When `request` cannot be written as JSON.
    pub fn new(
        caller: UserId,
        operation: &'static str,
        key: IdempotencyKey,
        request: &impl Serialize,
    ) -> Result<Self> {
        let text = serde_json::to_vec(request)
            .map_err(|error| Error::internal("write a request as JSON", error))?;
        Ok(Self {
            caller,
            operation,
            key,
            about: None,
            keeping: Keeping::Clear(Sha256::digest(text).to_vec()),
        })
    }

    /// As [`Once::new`], whatever is in the request and in the answer: only who has `set`, and not who has the
    /// database alone, can read the one or try what the other was.
    ///
    /// # Errors
    /// As there.
    pub fn sealed(
        caller: UserId,
        operation: &'static str,
        key: IdempotencyKey,
        request: &impl Serialize,
        set: &SecretSet,
    ) -> Result<Self> {
        Ok(Self {
            caller,
            operation,
            key,
            about: None,
            keeping: Keeping::Sealed(Seal::each(set, request)?),
        })
    }

    /// The same, with an answer that tells of `person` and goes with them ([`super::forget_about`]).
    #[must_use]
    pub fn about(self, person: UserId) -> Self {
        Self {
            about: Some(person),
            ..self
        }
    }

    /// What no other intended effect has; bytes that were sealed for it open nowhere else.
    fn context(&self) -> Vec<u8> {
        let caller = self.caller.0;
        let parts: [&[u8]; 4] = [
            caller.as_bytes(),
            self.operation.as_bytes(),
            &[0],
            self.key.as_str().as_bytes(),
        ];
        parts.concat()
    }

    /// The lock that the key's holder takes; colliding keys only wait for another try.
    fn lock(&self) -> i64 {
        let digest = Sha256::digest(self.context());
        digest
            .iter()
            .take(8)
            .fold(0, |lock, byte| lock << 8 | i64::from(*byte))
    }

    /// `reply` as it is kept.
    fn row<'a>(&'a self, reply: &'a Reply) -> Result<Row<'a>> {
        match &self.keeping {
            Keeping::Clear(fingerprint) => Ok(Row {
                fingerprint,
                body: &reply.body,
                sealed: None,
                sealed_by: None,
            }),
            Keeping::Sealed(seals) => {
                let current = seals.first();
                let seal = current
                    .ok_or_else(|| Error::internal("seal an answer", "the set has no key"))?;
                Ok(Row {
                    fingerprint: &seal.fingerprint,
                    body: "",
                    sealed: Some(seal.seal(&self.context(), &reply.body)?),
                    sealed_by: Some(&seal.kid),
                })
            }
        }
    }

    /// The answer to an earlier request with this key, or the refusal to mix two requests up.
    fn answer(&self, kept: Kept) -> Result<Reply> {
        if kept.gone {
            return Err(lost());
        }
        let opened = self.opened(&kept);
        let (fingerprint, body) = opened.ok_or_else(|| self.unopened(&kept))?;
        if fingerprint != kept.fingerprint {
            return Err(Error::refused(
                Code::IdempotencyKeyReused,
                "this Idempotency-Key was used with another body; use a new key for a new request",
            ));
        }
        Ok(Reply {
            body,
            replayed: true,
            ..kept.reply
        })
    }

    /// The fingerprint that a repeat has, and the body that it gets.
    fn opened(&self, kept: &Kept) -> Option<(&[u8], String)> {
        match (&self.keeping, &kept.sealed) {
            (Keeping::Clear(fingerprint), None) => {
                Some((fingerprint.as_slice(), kept.reply.body.clone()))
            }
            (Keeping::Sealed(seals), Some((kid, sealed))) => {
                let seal = seals.iter().find(|seal| seal.kid == *kid)?;
                let body = seal.open(&self.context(), sealed)?;
                Some((seal.fingerprint.as_slice(), body))
            }
            _ => None,
        }
    }

    /// Why it does not open. A process that is behind in a rotation does not know the newest key yet: that is
    /// over in a moment, and no reason to give the answer up for lost.
    fn unopened(&self, kept: &Kept) -> Error {
        let (Keeping::Sealed(seals), Some((kid, _))) = (&self.keeping, &kept.sealed) else {
            return lost();
        };
        let unknown = !kid.is_empty() && seals.iter().all(|seal| seal.kid != *kid);
        if unknown && kept.young {
            in_flight()
        } else {
            lost()
        }
    }
}

/// Runs `work` in a transaction, or gives the answer that it gave before for the same key.
///
/// # Errors
/// IDEMPOTENCY_IN_FLIGHT while another request holds the key or its answer cannot be read yet,
/// IDEMPOTENCY_KEY_REUSED when it asked for something else, CONFLICT when its answer is there no more, and what
/// `work` ends with.
pub async fn once(
    database: &Database,
    name: &'static str,
    once: Option<&Once>,
    work: impl Work<Reply>,
) -> Result<Reply> {
    transaction(database, name, Guarded { once, work }).await
}

struct Guarded<'a, W> {
    once: Option<&'a Once>,
    work: W,
}

impl<W: Work<Reply>> Work<Reply> for Guarded<'_, W> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Reply> {
        let Some(once) = self.once else {
            return self.work.run(connection).await;
        };
        if !try_lock(connection, once).await? {
            return Err(in_flight());
        }
        if let Some(kept) = kept::find(connection, once).await? {
            return once.answer(kept);
        }
        let reply = self.work.run(connection).await?;
        kept::put(connection, once, &reply, &once.row(&reply)?).await?;
        Ok(reply)
    }
}

fn in_flight() -> Error {
    Error::refused(
        Code::IdempotencyInFlight,
        "a request with this Idempotency-Key is being worked on; try again for its answer",
    )
    .retry_after(Duration::from_secs(1))
}

/// Whom it told of was erased since, or the key that it was sealed under is in the set no more. Its effect must
/// not take place again.
fn lost() -> Error {
    Error::refused(
        Code::Conflict,
        "what this Idempotency-Key was used for is done, and its answer can no longer be given; \
         use a new key for a new request",
    )
}

async fn try_lock(connection: &mut PgConnection, once: &Once) -> Result<bool> {
    let query = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(once.lock())
        .fetch_one(connection);
    observed(QueryType::Select, "idempotency_keys.lock", query)
        .await
        .map_err(|error| Error::database("lock an idempotency key", error))
}

#[cfg(test)]
mod tests;
