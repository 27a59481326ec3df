//! The second factor as JSON.

use erpgo_secret_set::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Your password, since the account itself is changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WithPassword {
    #[schema(value_type = String, format = Password, example = "four grey cranes over Lund", min_length = 1, max_length = 1024)]
    pub(super) password: Secret,
}

/// What the authenticator app needs. It is shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct Enrolment {
    /// To be typed into the app.
    #[schema(format = Password, example = "JBSWY3DP…")]
    pub(super) secret: String,
    /// To be shown to the app as a QR code.
    #[schema(format = Password, example = "otpauth://totp/ERPGo:ann%40example.org?secret=…&issuer=ERPGo")]
    pub(super) url: String,
}

/// A code that the app shows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirmation {
    #[schema(value_type = String, format = Password, example = "123456", max_length = 6)]
    pub(super) code: Secret,
}

/// Each of them stands in for the app once. They are shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    /// Keep them where the app is not.
    #[schema(example = json!(["a1b2-c3d4-e5f6-g7h8"]))]
    pub(super) recovery_codes: Vec<String>,
}

/// Your second factor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecondFactor {
    /// Whether a sign-in asks for it.
    pub(super) enabled: bool,
    /// Recovery codes that were not used.
    #[schema(example = 8)]
    pub(super) recovery_codes_left: i64,
}
