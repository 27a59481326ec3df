//! A person's data as JSON.

use erpgo_secret_set::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api_keys::export::PersonApiKey;
use crate::audit::wire::EventOut;
use crate::mail::export::{PersonEmailToken, PersonMail};
use crate::second_factor::SecondFactor;
use crate::sessions::export::PersonSession;
use crate::users::wire::UserOut;

/// Everything that is known of a person. The events come last and may be many: the document is
/// written as it is read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PersonOut {
    /// When this was written.
    pub(super) exported_at: Timestamp,
    /// The account.
    pub(super) account: UserOut,
    /// The second factor, without what it opens.
    pub(super) second_factor: SecondFactor,
    /// Sign-ins that are kept.
    pub(super) sessions: Vec<PersonSession>,
    /// API keys, without what they open.
    pub(super) api_keys: Vec<PersonApiKey>,
    /// Mails that wait to be sent, or were given up.
    pub(super) mails: Vec<PersonMail>,
    /// Codes that were sent by mail and were not used, without the codes themselves.
    pub(super) email_tokens: Vec<PersonEmailToken>,
    /// What the audit log holds of them: what they did and what was done to them.
    pub(super) events: Vec<EventOut>,
}

/// The word of the account's owner.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EraseBody {
    /// Your password: a token that was left lying about must not be enough.
    #[schema(value_type = String, format = Password, example = "four grey cranes over Lund", min_length = 1, max_length = 1024)]
    pub(super) password: Secret,
}
