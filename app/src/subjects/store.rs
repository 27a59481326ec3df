//! SQL of keys.

use std::collections::HashMap;

use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::{Subject, SubjectKey};
use crate::cipher::KEY_LEN;
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Error, Result};

/// Tries to agree on a new key with others who make the same one.
const TRIES: u32 = 3;

/// What a tombstone has in the place of a key.
const NO_KEY: [u8; KEY_LEN] = [0; KEY_LEN];

/// The key of `subject`, made now if there never was one; none when it was destroyed.
///
/// # Errors
/// When the database does not answer.
pub async fn key(connection: &mut PgConnection, subject: Subject) -> Result<Option<SubjectKey>> {
    for _ in 0..TRIES {
        match find(connection, subject).await? {
            Found::Key(bytes) => return usable(&bytes).map(Some),
            Found::Tombstone => return Ok(None),
            Found::Nothing => {}
        }
        if let Some(key) = make(connection, subject).await? {
            return Ok(Some(key));
        }
        // Somebody else has made or destroyed it meanwhile: the next look sees it.
    }
    Err(Error::internal("make a subject's key", "it comes and goes"))
}

/// Makes the key of a `subject` that is new, so that what is sealed under it first asks no more of the database than
/// what is sealed for nobody: how long a failed sign-in takes must not tell that there is somebody.
///
/// # Errors
/// When the database does not answer.
pub async fn prepare(connection: &mut PgConnection, subject: Subject) -> Result<()> {
    make(connection, subject).await.map(drop)
}

enum Found {
    Key(Vec<u8>),
    Tombstone,
    Nothing,
}

async fn find(connection: &mut PgConnection, subject: Subject) -> Result<Found> {
    let query = sqlx::query_as::<_, (Vec<u8>, bool)>(
        "SELECT key, destroyed_at IS NOT NULL FROM subject_keys WHERE subject = $1",
    )
    .bind(subject.0)
    .fetch_optional(connection);
    let found = observed(QueryType::Select, "subject_keys.find", query)
        .await
        .map_err(|error| Error::database("read a subject's key", error))?;
    Ok(match found {
        None => Found::Nothing,
        Some((_, true)) => Found::Tombstone,
        Some((bytes, false)) => Found::Key(bytes),
    })
}

async fn make(connection: &mut PgConnection, subject: Subject) -> Result<Option<SubjectKey>> {
    let bytes = SubjectKey::random_bytes()
        .map_err(|error| Error::internal("make a subject's key", error))?;
    let query = sqlx::query(
        "INSERT INTO subject_keys (subject, key, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (subject) DO NOTHING",
    )
    .bind(subject.0)
    .bind(&bytes[..])
    .bind(DbTime::now())
    .execute(connection);
    let done = observed(QueryType::Insert, "subject_keys.make", query)
        .await
        .map_err(|error| Error::database("store a subject's key", error))?;
    let made = done.rows_affected() == 1;
    made.then(|| usable(&bytes)).transpose()
}

fn usable(bytes: &[u8]) -> Result<SubjectKey> {
    SubjectKey::from_bytes(bytes).map_err(|error| Error::internal("use a subject's key", error))
}

/// The keys of `subjects` that are still there.
///
/// # Errors
/// When the database does not answer.
pub async fn keys(
    connection: &mut PgConnection,
    subjects: impl IntoIterator<Item = Subject>,
) -> Result<HashMap<Subject, SubjectKey>> {
    let fail = |error| Error::database("read subjects' keys", error);
    let mut ids: Vec<Uuid> = subjects.into_iter().map(|subject| subject.0).collect();
    ids.sort_unstable();
    ids.dedup();
    let query = sqlx::query(
        "SELECT subject, key FROM subject_keys WHERE subject = ANY($1) AND destroyed_at IS NULL",
    )
    .bind(ids)
    .fetch_all(connection);
    let rows = observed(QueryType::Select, "subject_keys.list", query)
        .await
        .map_err(fail)?;
    let read = |row: sqlx::postgres::PgRow| {
        let subject = row.try_get("subject").map(Subject).map_err(fail)?;
        let key: Vec<u8> = row.try_get("key").map_err(fail)?;
        Ok((subject, usable(&key)?))
    };
    rows.into_iter().map(read).collect()
}

/// Destroys the key: whatever was sealed under it is unreadable from the commit on, and there is never another
/// one. Who makes one at the same time waits for the tombstone, and finds it.
///
/// # Errors
/// When the database does not answer.
pub async fn destroy(connection: &mut PgConnection, subject: Subject) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO subject_keys (subject, key, created_at, destroyed_at) VALUES ($1, $2, $3, $3)
         ON CONFLICT (subject) DO UPDATE SET
             key = excluded.key, destroyed_at = excluded.destroyed_at",
    )
    .bind(subject.0)
    .bind(&NO_KEY[..])
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Insert, "subject_keys.destroy", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("destroy a subject's key", error))
}

/// Removes keys of subjects that nobody is at work on any more: they need no tombstone.
///
/// # Errors
/// When the database does not answer.
pub async fn discard(
    connection: &mut PgConnection,
    subjects: impl IntoIterator<Item = Subject>,
) -> Result<()> {
    let ids: Vec<Uuid> = subjects.into_iter().map(|subject| subject.0).collect();
    let query = sqlx::query("DELETE FROM subject_keys WHERE subject = ANY($1)")
        .bind(ids)
        .execute(connection);
    observed(QueryType::Delete, "subject_keys.discard", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("discard subjects' keys", error))
}

/// Removes the tombstones that have stood for longer than a year: no record is left that names their subject.
///
/// # Errors
/// When the database does not answer.
pub async fn bury(connection: &mut PgConnection) -> Result<()> {
    let query = sqlx::query(
        "DELETE FROM subject_keys WHERE destroyed_at < now() - interval '1 year 1 month'",
    )
    .execute(connection);
    observed(QueryType::Delete, "subject_keys.bury", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("remove tombstones of keys", error))
}
