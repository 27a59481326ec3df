//! Whether a URL leads to a database that this program can serve from.
//!
//! Owns [`connect`] and [`prove`], for URLs that come while requests are served: no pod serves from a
//! database without the whole schema (I-01), wherever a new URL leads. It changes nothing there. The
//! URL that a process begins with has [`lazy_pool`], and `serve` looks at its schema.

use std::time::Duration;

use erpgo_secret_set::Secret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};

use super::aside::aside;
use crate::config::DatabaseSettings;
use crate::migrate::{self, SetError};

/// Why a pool could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one of PostgreSQL. Its text stays out of the message.
    #[error("the database URL is not valid")]
    Url,
    /// The server refuses role or password.
    #[error("the database refuses this role or its password")]
    Credentials(#[source] sqlx::Error),
    /// The role came in and may not work.
    #[error("the role may not use the tables; make it a member of the role that owns them")]
    Privileges,
    /// The schema is not there, or not all that this version needs of it.
    #[error(
        "the database lacks migrations of this version: another database is another ErpGo; restore it there first"
    )]
    Schema,
    /// The files of this program are wrong.
    #[error("the migrations of this program are not valid")]
    Migrations(#[source] SetError),
    /// No connection, or no answer on it, within the time.
    #[error("the database does not answer")]
    Connect(#[source] sqlx::Error),
}

impl ConnectError {
    fn from_driver(error: sqlx::Error) -> Self {
        let state = error
            .as_database_error()
            .and_then(|error| error.code())
            .map(|code| code.into_owned())
            .unwrap_or_default();
        match &*state {
            "42501" => Self::Privileges,
            state if state.starts_with("28") => Self::Credentials(error),
            _ => Self::Connect(error),
        }
    }
}

/// What holds for every statement of the API, and for those whose plans are judged.
pub(super) const SESSION: [(&str, &str); 4] = [
    // A statement that outlives every request's time is nobody's any more.
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "60s"),
    // A request that is cut off closes its connection: its statement and locks end with it.
    ("client_connection_check_interval", "500ms"),
    // What PostgreSQL takes for granted is a disk that turns: a table of a thousand rows would be read from end to
    // end for ten of them. Here all is read by index, and most of it from memory.
    ("random_page_cost", "1.1"),
];

fn options(url: &Secret) -> Result<PgConnectOptions, ConnectError> {
    let options: PgConnectOptions = url
        .expose_secret()
        .parse()
        .map_err(|_: sqlx::Error| ConnectError::Url)?;
    Ok(options.application_name("erpgo").options(SESSION))
}

/// A pool on `url` that connects when first used.
///
/// # Errors
/// When the URL is not valid.
pub fn lazy_pool(url: &Secret, settings: &DatabaseSettings) -> Result<PgPool, ConnectError> {
    Ok(PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .min_connections(settings.min_connections)
        .acquire_timeout(settings.acquire_timeout)
        .max_lifetime(settings.max_lifetime)
        .idle_timeout(settings.idle_timeout)
        .connect_lazy_with(options(url)?))
}

/// A pool on `url` that has proved able to connect, to work, and to find the whole schema.
///
/// # Errors
/// When the URL is not valid, the database does not let us in and answer within the acquire timeout,
/// the role may not use the tables, or the database lacks migrations of this version.
pub async fn connect(url: &Secret, settings: &DatabaseSettings) -> Result<PgPool, ConnectError> {
    let pool = lazy_pool(url, settings)?;
    let proved = async {
        let mut connection = aside(settings.acquire_timeout, pool.acquire())
            .await
            .map_err(ConnectError::from_driver)?;
        may_serve(&mut connection).await
    };
    match within(settings.acquire_timeout, proved).await {
        Ok(()) => Ok(pool),
        Err(error) => {
            // A connection that hangs would be waited for; it ends with its socket.
            let _ = tokio::time::timeout(settings.acquire_timeout, pool.close()).await;
            Err(error)
        }
    }
}

/// Proves that `url` will do, with one connection that is closed again.
///
/// # Errors
/// As [`connect`].
pub async fn prove(url: &Secret, settings: &DatabaseSettings) -> Result<(), ConnectError> {
    let options = options(url)?;
    let proved = async {
        let connecting = async move { options.connect().await };
        let mut connection = aside(settings.acquire_timeout, connecting)
            .await
            .map_err(ConnectError::from_driver)?;
        let able = may_serve(&mut connection).await;
        // What does not close in good order ends with its socket.
        let _ = connection.close().await;
        able
    };
    within(settings.acquire_timeout, proved).await
}

async fn within(
    limit: Duration,
    proved: impl Future<Output = Result<(), ConnectError>>,
) -> Result<(), ConnectError> {
    tokio::time::timeout(limit, proved)
        .await
        .unwrap_or(Err(ConnectError::Connect(sqlx::Error::PoolTimedOut)))
}

async fn may_serve(connection: &mut PgConnection) -> Result<(), ConnectError> {
    may_work(connection).await?;
    is_complete(connection).await
}

/// One table stands for all: whoever owns it, or is a member of its owner, may use the others.
async fn may_work(connection: &mut PgConnection) -> Result<(), ConnectError> {
    let may: Option<bool> = sqlx::query_scalar(
        "SELECT bool_and(has_table_privilege(to_regclass('users'), privilege))
         FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege",
    )
    .fetch_one(connection)
    .await
    .map_err(ConnectError::from_driver)?;
    match may {
        Some(true) => Ok(()),
        Some(false) => Err(ConnectError::Privileges),
        // There is no such table.
        None => Err(ConnectError::Schema),
    }
}

/// More than this program knows is no fault: while a newer version is rolled out, this one serves on.
async fn is_complete(connection: &mut PgConnection) -> Result<(), ConnectError> {
    let files = migrate::embedded().map_err(ConnectError::Migrations)?;
    let missing = migrate::missing(connection, &files)
        .await
        .map_err(ConnectError::from_driver)?;
    if missing.is_empty() {
        Ok(())
    } else {
        Err(ConnectError::Schema)
    }
}
