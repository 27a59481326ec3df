//! The first administrator.
//!
//! Owns [`bootstrap_admin`], which `migrate` calls: once there is any user it changes nothing, so
//! that a second run, or a Job that is retried, is harmless (I-10). Nobody must hold every permission
//! without an event that says since when.

use std::sync::Arc;

use erpgo_secret_set::{Secret, SecretSet};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::domain::{Email, PersonName};
use super::{RoleId, UserId, store};
use crate::audit::{self, Action, Event};
use crate::auth::hash::Hasher;
use crate::db::{DbTime, QueryType, observed};
use crate::error::{Code, Error, FieldError, Result};
use crate::subjects;

/// Name of the role that holds every permission.
pub const ADMIN_ROLE: &str = "admin";

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bootstrap {
    /// The administrator was created.
    Created,
    /// There are users already.
    Unchanged,
}

/// Creates the first user with every permission, unless there are users already.
///
/// The password is taken as it is given: it comes from the operator, which generates it, or from a
/// person who runs the installation, and a start must not fail on a matter of taste.
///
/// # Errors
/// When the e-mail is none or the database does not answer.
pub async fn bootstrap_admin(
    connection: &mut PgConnection,
    set: Arc<SecretSet>,
    hasher: &Hasher,
    email: &str,
    password: Secret,
) -> Result<Bootstrap> {
    let email: Email = email.parse().map_err(|_| {
        Error::invalid(vec![FieldError::new(
            "#/email",
            "invalid_value",
            "must be an e-mail address",
        )])
    })?;
    if password.is_empty() {
        return Err(Error::refused(
            Code::ValidationError,
            "the bootstrap password is empty",
        ));
    }
    if any_user(connection).await? {
        return Ok(Bootstrap::Unchanged);
    }
    let hash = hasher.hash(set, password).await?;
    let fail = |error| Error::database("create the first administrator", error);
    let mut tx = connection.begin().await.map_err(fail)?;
    // Two Jobs that race: the second one waits here and then finds a user.
    sqlx::query("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *tx)
        .await
        .map_err(fail)?;
    if any_user(&mut tx).await? {
        return Ok(Bootstrap::Unchanged);
    }
    insert(&mut tx, &email, &hash).await?;
    tx.commit().await.map_err(fail)?;
    Ok(Bootstrap::Created)
}

async fn any_user(connection: &mut PgConnection) -> Result<bool> {
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)").fetch_one(connection);
    observed(QueryType::Select, "users.any", query)
        .await
        .map_err(|error| Error::database("look for users", error))
}

async fn insert(
    connection: &mut PgConnection,
    email: &Email,
    hash: &crate::auth::hash::StoredHash,
) -> Result<()> {
    let name = |text: &str| -> Result<PersonName> {
        text.parse().map_err(|error: super::domain::NotAName| {
            Error::internal("name the administrator", error)
        })
    };
    let id = UserId::new();
    let new = store::Insert {
        id,
        email,
        first_name: &name("First")?,
        last_name: &name("Administrator")?,
        hash,
    };
    store::insert(connection, &new).await?;
    subjects::prepare(connection, id.into()).await?;
    let role = admin_role(connection).await?;
    store::assign(connection, id, role.id).await?;
    note(connection, id, role).await
}

/// The role of administrators.
#[derive(Clone, Copy)]
struct AdminRole {
    id: RoleId,
    /// Whether there was none.
    is_new: bool,
}

/// Notes all of it.
async fn note(connection: &mut PgConnection, user: UserId, role: AdminRole) -> Result<()> {
    // The last month that was made ahead may be over where nothing has served since.
    audit::keep::months(connection).await?;
    let created = Event::of_program(Action::UserCreated).on("user", user);
    audit::record(connection, &created).await?;
    if role.is_new {
        let made = Event::of_program(Action::RoleCreated)
            .on("role", role.id)
            .with(json!({"name": ADMIN_ROLE, "permissions": ["*"]}));
        audit::record(connection, &made).await?;
    }
    let assigned = Event::of_program(Action::RoleAssigned)
        .on("user", user)
        .with(json!({"role": role.id}));
    audit::record(connection, &assigned).await
}

async fn admin_role(connection: &mut PgConnection) -> Result<AdminRole> {
    let new = RoleId::new();
    let query = sqlx::query_scalar(
        "INSERT INTO roles (id, name, description, permissions, is_system, created_at, updated_at)
         VALUES ($1, $2, 'May do everything', '{*}', true, $3, $3)
         ON CONFLICT (lower(name)) DO UPDATE
             SET version = roles.version + 1, updated_at = excluded.updated_at
         RETURNING id",
    )
    .bind(new)
    .bind(ADMIN_ROLE)
    .bind(DbTime::now())
    .fetch_one(connection);
    let id: RoleId = observed(QueryType::Insert, "roles.admin", query)
        .await
        .map_err(|error| Error::database("create the role of administrators", error))?;
    let is_new = id == new;
    Ok(AdminRole { id, is_new })
}
