//! Passwords as JSON.

use erpgo_secret_set::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::error::{Error, FieldError, Result};
use crate::state::AppState;
use crate::users::domain::{Email, NewPassword, User};
use crate::users::password::PasswordRules;

/// The old password and a new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePassword {
    #[schema(value_type = String, format = Password, example = "two red herons over Lund", min_length = 1, max_length = 1024)]
    pub(super) current_password: Secret,
    #[schema(value_type = String, format = Password, example = "four grey cranes over Lund", min_length = 8, max_length = 1024)]
    pub(super) new_password: Secret,
}

/// Whose password was forgotten.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ForgotPassword {
    #[schema(inline, value_type = Email)]
    pub(super) email: String,
}

/// A new password, and what the mail said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetPassword {
    /// The code from the mail.
    #[schema(value_type = String, format = Password, example = "k3Vd80Lx…", max_length = 100)]
    pub(super) token: Secret,
    #[schema(value_type = String, format = Password, example = "four grey cranes over Lund", min_length = 8, max_length = 1024)]
    pub(super) new_password: Secret,
}

/// The new password, if it is good enough for `user`.
pub(super) async fn check(state: &AppState, new: Secret, user: &User) -> Result<NewPassword> {
    let rules = PasswordRules::of(&state.settings.auth);
    let context = [&user.email, &user.first_name, &user.last_name].map(String::clone);
    let parse = move || NewPassword::parse(new, &context.each_ref().map(String::as_str), rules);
    state.hasher.instead(parse).await?.map_err(|weak| {
        let fault = FieldError::new("#/new_password", weak.code(), weak.to_string());
        Error::invalid(vec![fault])
    })
}
