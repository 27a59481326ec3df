//! Signing in and out as JSON.

use erpgo_secret_set::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, FieldError, Result};
use crate::users::wire::UserOut;

/// Credentials.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    #[schema(example = "ann@example.org", max_length = 254)]
    pub(super) email: String,
    #[schema(value_type = String, format = Password, example = "four grey cranes over Lund", min_length = 1, max_length = 1024)]
    pub(super) password: Secret,
}

impl LoginBody {
    /// Bounds what is hashed and counted; whether it can be right is not asked here.
    pub(super) fn check(&self) -> Result<()> {
        let mut faults = Vec::new();
        let mut bound = |pointer: &str, length: usize, most: usize| {
            if length == 0 {
                faults.push(FieldError::new(pointer, "required", "must not be empty"));
            } else if length > most {
                faults.push(FieldError::new(
                    pointer,
                    "too_long",
                    format!("must have at most {most} bytes"),
                ));
            }
        };
        bound("#/email", self.email.trim().len(), 254);
        bound("#/password", self.password.len(), 1_024);
        if self.email.contains('\0') {
            faults.push(FieldError::new(
                "#/email",
                "invalid_value",
                "must not contain NUL",
            ));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Error::invalid(faults))
        }
    }
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    #[schema(value_type = String, format = Password, example = "eyJhbGciOi…")]
    pub(super) refresh_token: Secret,
}

/// A signed-in user.
#[derive(Serialize, ToSchema)]
pub struct SignedIn {
    /// Sent with each request as `authorization: Bearer …`.
    #[schema(example = "eyJhbGciOi…")]
    pub(super) access_token: String,
    /// Exchanged once for the next pair.
    #[schema(example = "eyJhbGciOi…")]
    pub(super) refresh_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub(super) token_type: &'static str,
    /// When the access token ends.
    pub(super) expires_at: Timestamp,
    /// The user.
    pub(super) user: UserOut,
}

/// What users may change of themselves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateProfile {
    #[schema(example = "Ann", min_length = 1, max_length = 100)]
    pub(super) first_name: String,
    #[schema(example = "Miller", min_length = 1, max_length = 100)]
    pub(super) last_name: String,
}

/// The caller's own account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Profile {
    /// The account.
    #[serde(flatten)]
    pub(super) user: UserOut,
    /// Everything that the caller's roles allow.
    #[schema(value_type = Vec<String>, example = json!(["products.read", "users.*"]))]
    pub(super) permissions: Vec<String>,
}
