//! From a driver's error to what it means.
//!
//! Owns [`classify`] (P6: not found, constraint, connection or internal) and [`constraint`], which
//! lets a store turn the name of a violated constraint into a refusal of its own.

use std::sync::Arc;

use super::Error;

/// What kind of failure a database error is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseFailure {
    /// The query found no row where it needed one.
    NotFound,
    /// A constraint was violated (SQLSTATE class 23); its name, where the server gives it.
    Constraint(Option<String>),
    /// The database is away, refuses us or is full: worth another try later.
    Connection,
    /// Anything else: our own mistake.
    Internal,
}

/// Tells the kinds of failure apart.
#[must_use]
pub fn classify(error: &sqlx::Error) -> DatabaseFailure {
    match error {
        sqlx::Error::RowNotFound => DatabaseFailure::NotFound,
        // What does not speak PostgreSQL to its end was cut off, most likely by a proxy.
        sqlx::Error::Protocol(_)
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => DatabaseFailure::Connection,
        sqlx::Error::Database(source) => {
            let name = source.constraint().map(str::to_owned);
            by_state(source.code().as_deref().unwrap_or_default(), name)
        }
        _ => DatabaseFailure::Internal,
    }
}

/// The kind of failure behind a SQLSTATE.
///
/// Classes: 08 connection, 23 integrity, 28 authorization, 53 resources, 57P0x shutdown. A
/// database that refuses our credentials (28) or does not exist (3D) is as away as one that is
/// down: rotation or repair brings it back.
pub(crate) fn by_state(state: &str, constraint: Option<String>) -> DatabaseFailure {
    match state.get(..2) {
        Some("23") => DatabaseFailure::Constraint(constraint),
        Some("08" | "28" | "3D" | "53") => DatabaseFailure::Connection,
        Some("57") if state.starts_with("57P0") => DatabaseFailure::Connection,
        _ => DatabaseFailure::Internal,
    }
}

/// The name of the constraint that `error` violated.
#[must_use]
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

impl Error {
    /// A failure of the database while doing `operation`.
    ///
    /// Stores that expect a missing row or a violated constraint handle it before they come here.
    #[must_use]
    pub fn database(operation: &'static str, source: impl Into<Arc<sqlx::Error>>) -> Self {
        let source = source.into();
        match classify(&source) {
            DatabaseFailure::Connection => Self::Unavailable { operation, source },
            DatabaseFailure::NotFound
            | DatabaseFailure::Constraint(_)
            | DatabaseFailure::Internal => Self::Internal { operation, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn p06_every_state_has_exactly_one_class(state in "[0-9A-Z]{5}", name in proptest::option::of("[a-z_]{1,20}")) {
            let class = by_state(&state, name.clone());
            let integrity = state.starts_with("23");
            prop_assert_eq!(integrity, class == DatabaseFailure::Constraint(name));
            let connection = ["08", "28", "3D", "53", "57P0"].iter().any(|p| state.starts_with(p));
            prop_assert_eq!(connection, class == DatabaseFailure::Connection);
            prop_assert_eq!(!integrity && !connection, class == DatabaseFailure::Internal);
        }
    }

    #[test]
    fn p06_a_state_that_is_cut_short_is_internal() {
        assert_eq!(by_state("", None), DatabaseFailure::Internal);
        assert_eq!(by_state("2", None), DatabaseFailure::Internal);
    }

    #[test]
    fn p06_driver_errors_are_told_apart() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(classify(&sqlx::Error::Io(io)), DatabaseFailure::Connection);
        let cut = sqlx::Error::Protocol("unexpected response from SSLRequest".into());
        assert_eq!(classify(&cut), DatabaseFailure::Connection);
        assert_eq!(
            classify(&sqlx::Error::PoolTimedOut),
            DatabaseFailure::Connection
        );
        assert_eq!(
            classify(&sqlx::Error::RowNotFound),
            DatabaseFailure::NotFound
        );
        assert_eq!(
            classify(&sqlx::Error::ColumnNotFound("x".into())),
            DatabaseFailure::Internal
        );
    }
}
