//! Who can administer the installation.
//!
//! Owns [`lock`] and [`one_stays`], which go before whatever takes a user, or their role, away: nobody is left to
//! give a role to anybody once the last administrator has gone. The role itself belongs to the program: nobody
//! changes or deletes it.

use sqlx::PgConnection;

use super::UserId;
use super::bootstrap::ADMIN_ROLE;
use crate::db::{QueryType, observed};
use crate::error::{Code, Error, Result};

/// Waits for others who take an administrator away. Before the user's row is locked: whoever gives a role locks
/// it first, too.
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<()> {
    let query = sqlx::query("SELECT 1 FROM roles WHERE name = $1 FOR UPDATE")
        .bind(ADMIN_ROLE)
        .execute(connection);
    observed(QueryType::Select, "roles.lock_admin", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("wait for other administrators", error))
}

/// Refuses when `leaving` is the last administrator; the caller has called [`lock`], or locked that role itself.
pub(crate) async fn one_stays(connection: &mut PgConnection, leaving: UserId) -> Result<()> {
    let query = sqlx::query_scalar(
        "WITH administrators AS (
             SELECT u.id FROM users u JOIN user_roles ur ON ur.user_id = u.id
             JOIN roles r ON r.id = ur.role_id WHERE r.name = $1 AND u.is_active)
         SELECT NOT EXISTS (SELECT 1 FROM administrators WHERE id = $2)
             OR EXISTS (SELECT 1 FROM administrators WHERE id <> $2)",
    )
    .bind(ADMIN_ROLE)
    .bind(leaving)
    .fetch_one(connection);
    let another = observed(QueryType::Select, "users.another_administrator", query)
        .await
        .map_err(|error| Error::database("look for another administrator", error))?;
    if another {
        return Ok(());
    }
    Err(Error::refused(
        Code::Conflict,
        "this is the last administrator; make somebody else one first",
    ))
}
