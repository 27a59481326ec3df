//! Users as JSON.
//!
//! Owns what comes in and what goes out. Unknown fields are refused: a caller who sends `is_admin`
//! must learn that it does nothing.

use erpgo_secret_set::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UserId;
use super::domain::{Email, NewPassword, PersonName, User, field};
use super::password::PasswordRules;
use crate::error::{Error, FieldError};
use crate::extract::page::Pagination;

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserOut {
    /// Id.
    pub id: UserId,
    /// E-mail.
    #[schema(example = "ann@example.org")]
    pub email: String,
    /// First name.
    #[schema(example = "Ann")]
    pub first_name: String,
    /// Last name.
    #[schema(example = "Miller")]
    pub last_name: String,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Whether the e-mail is known to be theirs.
    pub email_verified: bool,
    /// Names of the user's roles.
    #[schema(example = json!(["Warehouse"]))]
    pub roles: Vec<String>,
    /// Grows with each change; the ETag of `/users/{id}` is made from it.
    #[schema(example = 3)]
    pub version: i64,
    /// When the user was created.
    pub created_at: Timestamp,
    /// When the user was last changed.
    pub updated_at: Timestamp,
}

impl From<User> for UserOut {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            is_active: user.is_active,
            email_verified: user.email_verified,
            roles: user.roles,
            version: user.version,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// A part of the list of users.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserList {
    /// The users.
    pub users: Vec<UserOut>,
    /// Where the list goes on; null at its end.
    #[schema(example = "bVJ4d2Vn…")]
    pub next_cursor: Option<String>,
    /// Where the page lies; absent when the list went on by a cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
}

/// A user to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    #[schema(inline, value_type = Email)]
    email: String,
    #[schema(example = "Ann", min_length = 1, max_length = 100)]
    first_name: String,
    #[schema(example = "Miller", min_length = 1, max_length = 100)]
    last_name: String,
    #[schema(value_type = String, format = Password, example = "four grey cranes over Lund", min_length = 8, max_length = 1024)]
    password: Secret,
}

/// What is asked for of a new user, the password with it: to be told from another request, and never kept.
#[derive(Serialize)]
pub(super) struct Asked<'a> {
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    password: &'a str,
}

/// A user to be created, checked.
pub(super) struct Created {
    pub(super) email: Email,
    pub(super) first_name: PersonName,
    pub(super) last_name: PersonName,
    pub(super) password: NewPassword,
}

impl CreateUser {
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            email: &self.email,
            first_name: &self.first_name,
            last_name: &self.last_name,
            password: self.password.expose_secret(),
        }
    }

    pub(super) fn check(self, rules: PasswordRules) -> Result<Created, Error> {
        let mut faults = Vec::new();
        let email = field(&mut faults, "#/email", &self.email);
        let first_name = field(&mut faults, "#/first_name", &self.first_name);
        let last_name = field(&mut faults, "#/last_name", &self.last_name);
        let context = [&*self.email, &*self.first_name, &*self.last_name];
        let password = NewPassword::parse(self.password, &context, rules)
            .map_err(|weak| {
                faults.push(FieldError::new("#/password", weak.code(), weak.to_string()));
            })
            .ok();
        match (email, first_name, last_name, password) {
            (Some(email), Some(first_name), Some(last_name), Some(password)) => Ok(Created {
                email,
                first_name,
                last_name,
                password,
            }),
            _ => Err(Error::invalid(faults)),
        }
    }
}

/// A user's new state.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    #[schema(inline, value_type = Email)]
    email: String,
    #[schema(example = "Ann", min_length = 1, max_length = 100)]
    first_name: String,
    #[schema(example = "Miller", min_length = 1, max_length = 100)]
    last_name: String,
    /// Whether the user may sign in; false ends every session at once.
    is_active: bool,
}

/// A user's new state, checked.
pub(super) struct Updated {
    pub(super) email: Email,
    pub(super) first_name: PersonName,
    pub(super) last_name: PersonName,
    pub(super) is_active: bool,
}

impl UpdateUser {
    pub(super) fn check(self) -> Result<Updated, Error> {
        let mut faults = Vec::new();
        let email = field(&mut faults, "#/email", &self.email);
        let first_name = field(&mut faults, "#/first_name", &self.first_name);
        let last_name = field(&mut faults, "#/last_name", &self.last_name);
        match (email, first_name, last_name) {
            (Some(email), Some(first_name), Some(last_name)) => Ok(Updated {
                email,
                first_name,
                last_name,
                is_active: self.is_active,
            }),
            _ => Err(Error::invalid(faults)),
        }
    }
}
