//! SQL of roles.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};

use super::domain::{Draft, Role};
use crate::db::{self, DbTime, QueryType, Total, observed};
use crate::error::{Code, DatabaseFailure, Error, Result, classify, constraint};
use crate::extract::page::part::Part;
use crate::users::{RoleId, UserId};

const SELECT: &str = "SELECT id, name, description, permissions, is_system, version, created_at, updated_at FROM roles";

fn role(row: &PgRow) -> Result<Role, sqlx::Error> {
    let permissions: Vec<String> = row.try_get("permissions")?;
    Ok(Role {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        // Text that is no permission grants nothing and is not shown as one.
        permissions: permissions
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect(),
        is_system: row.try_get("is_system")?,
        version: row.try_get("version")?,
        created_at: row.try_get::<DbTime, _>("created_at")?.0,
        updated_at: row.try_get::<DbTime, _>("updated_at")?.0,
    })
}

fn texts(draft: &Draft) -> Vec<&str> {
    draft
        .permissions
        .iter()
        .map(super::permission::Permission::as_str)
        .collect()
}

fn refused(operation: &'static str, error: sqlx::Error) -> Error {
    match constraint(&error) {
        Some("roles_name_key") => Error::refused(Code::DuplicateName, "choose another name"),
        _ => Error::database(operation, error),
    }
}

pub(super) async fn find(connection: &mut PgConnection, id: RoleId) -> Result<Option<Role>> {
    one(connection, "", id).await
}

/// As [`find`], and nobody else changes the role until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, id: RoleId) -> Result<Option<Role>> {
    one(connection, "FOR UPDATE", id).await
}

async fn one(connection: &mut PgConnection, lock: &str, id: RoleId) -> Result<Option<Role>> {
    let fail = |error| Error::database("read a role", error);
    let query = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE id = $1 {lock}"
    )))
    .bind(id)
    .fetch_optional(connection);
    let row = observed(QueryType::Select, "roles.find", query)
        .await
        .map_err(fail)?;
    row.as_ref().map(role).transpose().map_err(fail)
}

/// How many roles there are.
pub(super) async fn count(connection: &mut PgConnection) -> Result<Total> {
    let all = |select: &'static str| {
        let mut sql = QueryBuilder::new(select);
        sql.push(" FROM roles");
        sql
    };
    db::count(connection, "roles.count", all)
        .await
        .map_err(|error| Error::database("count roles", error))
}

/// The roles of one part of the list, and one more when it is not the last.
pub(super) async fn list(connection: &mut PgConnection, part: &Part<String>) -> Result<Vec<Role>> {
    let fail = |error| Error::database("list roles", error);
    let mut statement = statement("", part);
    let query = statement.build().fetch_all(connection);
    let rows = observed(QueryType::Select, "roles.list", query)
        .await
        .map_err(fail)?;
    rows.iter()
        .map(role)
        .collect::<Result<_, _>>()
        .map_err(fail)
}

/// No two have one name, whatever its case.
fn statement(prefix: &'static str, part: &Part<String>) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(prefix);
    sql.push(SELECT);
    if let Some(name) = part.after() {
        sql.push(" WHERE lower(name) > lower(")
            .push_bind(name.clone())
            .push(")");
    }
    sql.push(" ORDER BY lower(name), id LIMIT ");
    sql.push_bind(part.limit_and_one()).push(" OFFSET ");
    sql.push_bind(part.offset());
    sql
}

pub(super) async fn insert(connection: &mut PgConnection, id: RoleId, draft: &Draft) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO roles (id, name, description, permissions, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $5)",
    )
    .bind(id)
    .bind(draft.name.as_str())
    .bind(&draft.description)
    .bind(texts(draft))
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Insert, "roles.insert", query)
        .await
        .map(drop)
        .map_err(|error| refused("create a role", error))
}

pub(super) async fn update(connection: &mut PgConnection, id: RoleId, draft: &Draft) -> Result<()> {
    let query = sqlx::query(
        "UPDATE roles SET name = $2, description = $3, permissions = $4, version = version + 1,
                updated_at = $5
         WHERE id = $1",
    )
    .bind(id)
    .bind(draft.name.as_str())
    .bind(&draft.description)
    .bind(texts(draft))
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Update, "roles.update", query)
        .await
        .map(drop)
        .map_err(|error| refused("change a role", error))
}

pub(super) async fn delete(connection: &mut PgConnection, id: RoleId) -> Result<()> {
    let query = sqlx::query("DELETE FROM roles WHERE id = $1")
        .bind(id)
        .execute(connection);
    observed(QueryType::Delete, "roles.delete", query)
        .await
        .map(drop)
        .map_err(|error| match classify(&error) {
            DatabaseFailure::Constraint(_) => Error::refused(
                Code::InUse,
                "users have this role; remove it from them first",
            ),
            _ => Error::database("delete a role", error),
        })
}

/// Makes what is cached of the role's users out of date, and says who they are. Its name is shown of each of
/// them: where it was `renamed`, so is what was read of them.
pub(super) async fn bump_holders(
    connection: &mut PgConnection,
    role: RoleId,
    renamed: bool,
) -> Result<Vec<UserId>> {
    let query = sqlx::query_scalar(
        "UPDATE users SET auth_epoch = auth_epoch + 1, version = version + $2::bool::int,
                updated_at = CASE WHEN $2 THEN $3 ELSE updated_at END
         WHERE id IN (SELECT user_id FROM user_roles WHERE role_id = $1) RETURNING id",
    )
    .bind(role)
    .bind(renamed)
    .bind(DbTime::now())
    .fetch_all(connection);
    observed(QueryType::Update, "roles.bump_holders", query)
        .await
        .map_err(|error| Error::database("note a change of permissions", error))
}

#[cfg(test)]
mod plan;
