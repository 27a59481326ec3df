//! SQL of users; lists are in `select`.
//!
//! Owns every statement on `users` and `user_roles` but those of sign-in. Whatever changes what is shown of a user
//! changes their version, too: their tag is made from it.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, QueryBuilder, Row as _};

use super::domain::{Email, PersonName, User};
use super::{RoleId, UserId};
use crate::auth::hash::StoredHash;
use crate::db::{self, DbTime, QueryType, Total, observed};
use crate::error::{Code, Error, Result, constraint};

/// A user with the names of their roles, in one join (R6.3).
pub(super) const SELECT: &str = "
    SELECT u.id, u.email, u.first_name, u.last_name, u.is_active,
           u.email_verified_at IS NOT NULL AS email_verified, u.version, u.created_at,
           u.updated_at,
           COALESCE(array_agg(r.name ORDER BY r.name) FILTER (WHERE r.id IS NOT NULL), '{}') AS roles
    FROM users u
    LEFT JOIN user_roles ur ON ur.user_id = u.id
    LEFT JOIN roles r ON r.id = ur.role_id";

/// What is stored of a new user.
pub struct Insert<'a> {
    /// Id.
    pub id: UserId,
    /// E-mail.
    pub email: &'a Email,
    /// First name.
    pub first_name: &'a PersonName,
    /// Last name.
    pub last_name: &'a PersonName,
    /// Hash of the password.
    pub hash: &'a StoredHash,
}

/// What can be changed of a user.
pub struct Update<'a> {
    /// E-mail.
    pub email: &'a Email,
    /// First name.
    pub first_name: &'a PersonName,
    /// Last name.
    pub last_name: &'a PersonName,
    /// Whether the user may sign in.
    pub is_active: bool,
}

pub(super) fn user(row: &PgRow) -> Result<User, sqlx::Error> {
    Ok(User {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        is_active: row.try_get("is_active")?,
        email_verified: row.try_get("email_verified")?,
        roles: row.try_get("roles")?,
        version: row.try_get("version")?,
        created_at: row.try_get::<DbTime, _>("created_at")?.0,
        updated_at: row.try_get::<DbTime, _>("updated_at")?.0,
    })
}

/// The user called `id`.
pub async fn find(connection: &mut PgConnection, id: UserId) -> Result<Option<User>> {
    let sql = format!("{SELECT} WHERE u.id = $1 GROUP BY u.id");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(connection);
    let fail = |error| Error::database("read a user", error);
    let row = observed(QueryType::Select, "users.find", query)
        .await
        .map_err(fail)?;
    row.as_ref().map(user).transpose().map_err(fail)
}

/// What a change of a user begins from.
pub struct Locked {
    /// E-mail.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Which version this is.
    pub version: i64,
}

/// The user, whom nobody else changes and to whom nobody gives a role until the transaction ends.
pub async fn lock(connection: &mut PgConnection, id: UserId) -> Result<Option<Locked>> {
    let fail = |error| Error::database("lock a user", error);
    let query = sqlx::query(
        "SELECT email, first_name, last_name, is_active, version FROM users WHERE id = $1
         FOR UPDATE",
    )
    .bind(id)
    .fetch_optional(connection);
    let row = observed(QueryType::Select, "users.lock", query)
        .await
        .map_err(fail)?;
    row.as_ref().map(locked).transpose().map_err(fail)
}

fn locked(row: &PgRow) -> Result<Locked, sqlx::Error> {
    Ok(Locked {
        email: row.try_get("email")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        is_active: row.try_get("is_active")?,
        version: row.try_get("version")?,
    })
}

fn refused(operation: &'static str, error: sqlx::Error) -> Error {
    match constraint(&error) {
        Some("users_email_key") => Error::refused(Code::DuplicateEmail, "choose another e-mail"),
        _ => Error::database(operation, error),
    }
}

/// Adds a user.
///
/// # Errors
/// DUPLICATE_EMAIL when another user has the address.
pub async fn insert(connection: &mut PgConnection, new: &Insert<'_>) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO users (id, email, first_name, last_name, password_hash, pepper_kid,
                            created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
    )
    .bind(new.id)
    .bind(new.email.as_str())
    .bind(new.first_name.as_str())
    .bind(new.last_name.as_str())
    .bind(&new.hash.phc)
    .bind(&new.hash.pepper_kid)
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Insert, "users.insert", query)
        .await
        .map(drop)
        .map_err(|error| refused("create a user", error))
}

/// Changes a user; false when there is none, or no longer: who was erased has no hash, and gets no data back.
///
/// # Errors
/// DUPLICATE_EMAIL when another user has the address.
pub async fn update(
    connection: &mut PgConnection,
    id: UserId,
    change: &Update<'_>,
) -> Result<bool> {
    let query = sqlx::query(
        "UPDATE users SET email = $2,
                email_verified_at = CASE WHEN lower(email) = lower($2) THEN email_verified_at END,
                first_name = $3, last_name = $4, is_active = $5,
                auth_epoch = auth_epoch + 1, version = version + 1, updated_at = $6
         WHERE id = $1 AND password_hash <> ''",
    )
    .bind(id)
    .bind(change.email.as_str())
    .bind(change.first_name.as_str())
    .bind(change.last_name.as_str())
    .bind(change.is_active)
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Update, "users.update", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| refused("change a user", error))
}

/// Holds the row of a user until the transaction ends. Two who do so follow one another, and whoever bars, erases
/// or deletes the user comes before or after them.
///
/// # Errors
/// TOKEN_REVOKED when the user may not sign in, or no longer.
pub async fn hold(connection: &mut PgConnection, id: UserId) -> Result<()> {
    let query = sqlx::query("SELECT 1 FROM users WHERE id = $1 AND is_active FOR NO KEY UPDATE")
        .bind(id)
        .fetch_optional(connection);
    observed(QueryType::Select, "users.hold", query)
        .await
        .map_err(|error| Error::database("hold a user", error))?
        .map(drop)
        .ok_or_else(gone)
}

/// What whoever is signed in as a user who may not sign in is told.
fn gone() -> Error {
    Error::refused(Code::TokenRevoked, "sign in again")
}

/// What a change of a user's own name replaced.
pub struct Renamed {
    /// The version that was there.
    pub version: i64,
    /// Whether the first name is another one now.
    pub first_name: bool,
    /// Whether the last name is another one now.
    pub last_name: bool,
}

/// Changes a user's own name. From here on the user's row is held: no version came between.
///
/// # Errors
/// TOKEN_REVOKED when the user may not sign in, or no longer.
pub async fn rename(
    connection: &mut PgConnection,
    id: UserId,
    first_name: &PersonName,
    last_name: &PersonName,
) -> Result<Renamed> {
    // What is held is the newest, which the statement's own view of the row need not be.
    let query = sqlx::query_as::<_, (i64, bool, bool)>(
        "WITH held AS (SELECT id, version, first_name, last_name FROM users
                       WHERE id = $1 AND is_active FOR NO KEY UPDATE)
         UPDATE users u SET first_name = $2, last_name = $3, version = u.version + 1, updated_at = $4
         FROM held WHERE u.id = held.id
         RETURNING held.version, held.first_name <> $2, held.last_name <> $3",
    )
    .bind(id)
    .bind(first_name.as_str())
    .bind(last_name.as_str())
    .bind(DbTime::now())
    .fetch_optional(connection);
    let replaced = observed(QueryType::Update, "users.rename", query)
        .await
        .map_err(|error| Error::database("change a profile", error))?;
    let (version, first_name, last_name) = replaced.ok_or_else(gone)?;
    Ok(Renamed {
        version,
        first_name,
        last_name,
    })
}

/// Removes a user with all sessions; false when there is none.
pub async fn delete(connection: &mut PgConnection, id: UserId) -> Result<bool> {
    let query = sqlx::query("DELETE FROM users WHERE id = $1")
        .bind(id)
        .execute(connection);
    observed(QueryType::Delete, "users.delete", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| match crate::error::classify(&error) {
            crate::error::DatabaseFailure::Constraint(_) => Error::refused(
                Code::InUse,
                "records refer to this user; set is_active to false instead",
            ),
            _ => Error::database("delete a user", error),
        })
}

/// Gives `role` to the user; false when they have it already. An erasure that is under way is waited for.
///
/// # Errors
/// NOT_FOUND when there is no such user, or no longer: who was erased has no hash, and gets no role either.
pub async fn assign(connection: &mut PgConnection, user: UserId, role: RoleId) -> Result<bool> {
    let query = sqlx::query_as::<_, (bool, bool)>(
        "WITH held AS (SELECT id FROM users WHERE id = $1 AND password_hash <> '' FOR NO KEY UPDATE),
              given AS (
             INSERT INTO user_roles (user_id, role_id, assigned_at) SELECT id, $2, $3 FROM held
             ON CONFLICT DO NOTHING RETURNING user_id)
         SELECT EXISTS (SELECT 1 FROM held), EXISTS (SELECT 1 FROM given)",
    )
    .bind(user)
    .bind(role)
    .bind(DbTime::now())
    .fetch_one(connection);
    let (is_there, is_given) = observed(QueryType::Insert, "user_roles.assign", query)
        .await
        .map_err(|error| match constraint(&error) {
            Some("user_roles_role_id_fkey") => Error::not_found("role"),
            _ => Error::database("assign a role", error),
        })?;
    is_there
        .then_some(is_given)
        .ok_or_else(|| Error::not_found("user"))
}

/// Takes `role` from the user; false when they do not have it.
pub async fn unassign(connection: &mut PgConnection, user: UserId, role: RoleId) -> Result<bool> {
    let query = sqlx::query("DELETE FROM user_roles WHERE user_id = $1 AND role_id = $2")
        .bind(user)
        .bind(role)
        .execute(connection);
    observed(QueryType::Delete, "user_roles.remove", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("remove a role", error))
}

/// How to reach a user.
pub struct Contact {
    /// Id.
    pub id: UserId,
    /// E-mail.
    pub email: String,
    /// Whether the e-mail is known to be theirs.
    pub verified: bool,
    /// Whether the user may sign in.
    pub is_active: bool,
}

fn found(row: &PgRow) -> Result<Contact, sqlx::Error> {
    Ok(Contact {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        verified: row.try_get("verified")?,
        is_active: row.try_get("is_active")?,
    })
}

const CONTACT: &str =
    "SELECT id, email, is_active, email_verified_at IS NOT NULL AS verified FROM users";

/// How to reach the user.
pub async fn contact(connection: &mut PgConnection, id: UserId) -> Result<Option<Contact>> {
    let fail = |error| Error::database("look an address up", error);
    let sql = format!("{CONTACT} WHERE id = $1");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(connection);
    let row = observed(QueryType::Select, "users.contact", query)
        .await
        .map_err(fail)?;
    row.as_ref().map(found).transpose().map_err(fail)
}

/// The user at this address.
pub async fn contact_at(connection: &mut PgConnection, email: &str) -> Result<Option<Contact>> {
    let fail = |error| Error::database("look an address up", error);
    let sql = format!("{CONTACT} WHERE lower(email) = lower($1)");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(email)
        .fetch_optional(connection);
    let row = observed(QueryType::Select, "users.contact_at", query)
        .await
        .map_err(fail)?;
    row.as_ref().map(found).transpose().map_err(fail)
}

/// Notes that `email` is the user's; false when it is no longer their address.
pub async fn verify_email(connection: &mut PgConnection, id: UserId, email: &str) -> Result<bool> {
    let query = sqlx::query(
        "UPDATE users SET email_verified_at = COALESCE(email_verified_at, $3),
                version = version + (email_verified_at IS NULL)::int,
                updated_at = CASE WHEN email_verified_at IS NULL THEN $3 ELSE updated_at END
         WHERE id = $1 AND lower(email) = lower($2)",
    )
    .bind(id)
    .bind(email)
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Update, "users.verify_email", query)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| Error::database("note that an e-mail is verified", error))
}

/// Makes what is cached of these users out of date, and what was read of them: their roles are shown.
pub async fn bump_epoch(connection: &mut PgConnection, users: &[UserId]) -> Result<()> {
    let ids: Vec<uuid::Uuid> = users.iter().map(|user| user.0).collect();
    let query = sqlx::query(
        "UPDATE users SET auth_epoch = auth_epoch + 1, version = version + 1, updated_at = $2
         WHERE id = ANY($1)",
    )
    .bind(ids)
    .bind(DbTime::now())
    .execute(connection);
    observed(QueryType::Update, "users.bump_epoch", query)
        .await
        .map(drop)
        .map_err(|error| Error::database("note a change of permissions", error))
}

/// How many users may sign in. Every process asks each minute, so that very many are not counted one by one.
pub async fn count_active(connection: &mut PgConnection) -> Result<Total> {
    let statement = |select: &'static str| {
        let mut sql = QueryBuilder::new(select);
        sql.push(" FROM users WHERE is_active");
        sql
    };
    db::count(connection, "users.count_active", statement)
        .await
        .map_err(|error| Error::database("count users", error))
}
