//! Who has signed in or refreshed last, which a client in use does every quarter of an hour, and what they may
//! do.
//!
//! Owns [`recent`]: one statement, which reads by index and as much of a million sessions as of a thousand.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::cache::Entry;
use crate::db::{QueryType, observed};
use crate::error::{Error, Result};
use crate::roles::permission::Permission;

// What one statement reads is of one moment: no epoch comes with permissions of another one.
const STATEMENT: &str = "
    WITH newest AS MATERIALIZED (
        SELECT user_id, revoked_at, expires_at FROM sessions ORDER BY expires_at DESC LIMIT 1000),
    people AS (
        SELECT user_id FROM newest WHERE revoked_at IS NULL AND expires_at > now()
        GROUP BY user_id ORDER BY max(expires_at) DESC LIMIT 200)
    SELECT u.id, u.auth_epoch, ARRAY(
               SELECT DISTINCT unnest(r.permissions)
               FROM user_roles ur JOIN roles r ON r.id = ur.role_id
               WHERE ur.user_id = u.id) AS permissions
    FROM people JOIN users u ON u.id = people.user_id WHERE u.is_active";

/// Up to 200 users with live sessions among the newest thousand, those who came last before others.
pub(super) async fn recent(connection: &mut PgConnection) -> Result<Vec<Entry>> {
    let fail = |error| Error::database("read who came last", error);
    let query = sqlx::query(STATEMENT).fetch_all(connection);
    let rows = observed(QueryType::Select, "sessions.recent", query)
        .await
        .map_err(fail)?;
    rows.iter()
        .map(entry)
        .collect::<Result<_, _>>()
        .map_err(fail)
}

fn entry(row: &PgRow) -> Result<Entry, sqlx::Error> {
    let texts: Vec<String> = row.try_get("permissions")?;
    Ok(Entry {
        user: row.try_get("id")?,
        epoch: row.try_get("auth_epoch")?,
        // As where they are read one by one: text that is no permission grants nothing.
        permissions: texts
            .iter()
            .filter_map(|text| text.parse::<Permission>().ok())
            .collect(),
    })
}

#[cfg(test)]
mod plan;
