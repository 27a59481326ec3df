//! Indexes that are built concurrently, and what a failed build leaves.
//!
//! Owns the check of `indisvalid`. A build that fails leaves an index that costs every write and serves
//! no read; it is dropped, before a build and after one that failed.

use sqlx::PgConnection;

/// What there is under the name of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Absent,
    Invalid,
    Valid,
}

pub(super) async fn state(
    connection: &mut PgConnection,
    index: &str,
) -> Result<State, sqlx::Error> {
    let valid: Option<bool> = sqlx::query_scalar(
        "SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass(quote_ident($1))",
    )
    .bind(index)
    .fetch_optional(connection)
    .await?;
    Ok(match valid {
        None => State::Absent,
        Some(false) => State::Invalid,
        Some(true) => State::Valid,
    })
}

pub(super) async fn drop_invalid(
    connection: &mut PgConnection,
    index: &str,
) -> Result<(), sqlx::Error> {
    if state(connection, index).await? != State::Invalid {
        return Ok(());
    }
    tracing::info!(index, "dropping the invalid index of an earlier try");
    let quoted = index.replace('"', "\"\"");
    let sql = format!("DROP INDEX CONCURRENTLY \"{quoted}\"");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map(drop)
}
