//! Statements for a server's administration, each on a connection of its own.
//!
//! A connection belongs to the runtime that opened it and every test has its own runtime, so none
//! is kept. All names in these statements are made by this crate.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Runs statements one after the other on one connection.
pub(crate) async fn run(url: &str, statements: &[String]) -> anyhow::Result<()> {
    let work = async {
        let mut connection = PgConnection::connect(url)
            .await
            .context("cannot connect to PostgreSQL")?;
        for statement in statements {
            let result = sqlx::raw_sql(AssertSqlSafe(statement.as_str()))
                .execute(&mut connection)
                .await;
            result.with_context(|| statement.clone())?;
        }
        connection
            .close()
            .await
            .context("cannot close the connection")
    };
    tokio::time::timeout(LIMIT, work)
        .await
        .context("the statements took too long")?
}

/// The first column of a query's rows, as text.
pub(crate) async fn column(url: &str, query: &str) -> anyhow::Result<Vec<String>> {
    let work = async {
        let mut connection = PgConnection::connect(url)
            .await
            .context("cannot connect to PostgreSQL")?;
        let rows = sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_all(&mut connection)
            .await;
        let rows = rows.with_context(|| query.to_owned())?;
        connection
            .close()
            .await
            .context("cannot close the connection")?;
        Ok(rows)
    };
    tokio::time::timeout(LIMIT, work)
        .await
        .context("the query took too long")?
}

/// Runs statements from a place that cannot wait, such as a drop, and ignores their failure.
///
/// They are waited for only where no runtime would stand still for it: a connection that it is still making
/// would never come to its end, and the server would wait for it.
pub(crate) fn run_detached(url: String, statements: Vec<String>) {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(run(&url, &statements))
    };
    // Best effort: what stays behind is swept by a later process.
    let thread = std::thread::spawn(work);
    if tokio::runtime::Handle::try_current().is_err() {
        let _ = thread.join();
    }
}
