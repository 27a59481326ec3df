//! Which failures are worth another try, and when (R4.3, P8).
//!
//! Owns [`RETRY_AFTER`], [`is_conflict`] and [`Contended`].

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Source};

/// Waits before the second, third and fourth try, give or take a quarter.
pub const RETRY_AFTER: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// Every try met a serialization failure or a deadlock.
#[derive(Debug, thiserror::Error)]
#[error("transaction {name} met conflicts in {attempts} tries")]
pub struct Contended {
    /// The transaction.
    pub name: &'static str,
    /// How often it was tried.
    pub attempts: usize,
    /// The last conflict.
    #[source]
    pub source: Source,
}

/// Whether the database gave `error` for the sake of another transaction (40001, 40P01).
#[must_use]
pub fn is_conflict(error: &Error) -> bool {
    let (Error::Internal { source, .. } | Error::Unavailable { source, .. }) = error else {
        return false;
    };
    source
        .downcast_ref::<sqlx::Error>()
        .and_then(sqlx::Error::as_database_error)
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|state| matches!(&*state, "40001" | "40P01"))
}

pub(super) fn contended(name: &'static str, last: Error) -> Error {
    Error::Unavailable {
        operation: name,
        source: Arc::new(Contended {
            name,
            attempts: RETRY_AFTER.len() + 1,
            source: Arc::new(last),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::jittered;

    #[test]
    fn p08_waits_grow_and_stay_near_their_length() {
        for wait in RETRY_AFTER {
            for _ in 0..200 {
                let jittered = jittered(wait);
                assert!(jittered >= wait.mul_f64(0.74) && jittered <= wait.mul_f64(1.26));
            }
        }
        assert!(RETRY_AFTER.windows(2).all(|pair| pair[1] == pair[0] * 2));
    }

    #[test]
    fn p08_only_conflicts_are_retried() {
        let failure = |source: sqlx::Error| Error::database("try", source);
        assert!(!is_conflict(&failure(sqlx::Error::PoolTimedOut)));
        assert!(!is_conflict(&failure(sqlx::Error::RowNotFound)));
        assert!(!is_conflict(&Error::not_found("thing")));
    }
}
