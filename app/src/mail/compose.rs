//! From a row of the outbox to a letter, or to the finding that nobody is to get one.
//!
//! Owns [`compose`]: it finds the user, draws the token and stores its hash. Whether anybody has the
//! address that was typed is asked here, beside the requests, and therefore told to no one.

use sqlx::PgConnection;
use url::Url;

use super::Message;
use super::outbox::Claimed;
use super::text::{self, Letter};
use super::token::{self, Purpose};
use crate::error::Result;
use crate::users::store::{self as users, Contact};

/// A letter, and the token in it.
pub(super) struct Composed {
    pub(super) to: String,
    pub(super) letter: Letter,
    pub(super) token: Option<String>,
}

/// Nothing when there is nobody to write to, or no longer a reason.
pub(super) async fn compose(
    connection: &mut PgConnection,
    mail: &Claimed,
    site: Option<&Url>,
) -> Result<Option<Composed>> {
    let contact = match mail.user {
        Some(user) => users::contact(connection, user).await?,
        None => users::contact_at(connection, &mail.address).await?,
    };
    let Some(contact) = contact.filter(|contact| is_due(mail, contact)) else {
        return Ok(None);
    };
    let purpose = match mail.message {
        Message::PasswordReset => Some(Purpose::PasswordReset),
        Message::EmailVerification => Some(Purpose::EmailVerification),
        _ => None,
    };
    let mut token = None;
    if let Some(purpose) = purpose {
        token = token::issue(connection, purpose, contact.id, &contact.email).await?;
        if token.is_none() {
            return Ok(None);
        }
    }
    let letter = text::write(&mail.message, token.as_deref(), site);
    let to = match mail.message {
        // Whoever knows nothing of the change reads the old address.
        Message::EmailChanged => mail.address.clone(),
        _ => contact.email,
    };
    Ok(Some(Composed { to, letter, token }))
}

fn is_due(mail: &Claimed, contact: &Contact) -> bool {
    let same = contact.email.eq_ignore_ascii_case(&mail.address);
    match mail.message {
        Message::EmailVerification => same && !contact.verified,
        Message::PasswordReset => contact.is_active,
        Message::PasswordChanged
        | Message::EmailChanged
        | Message::Lockout { .. }
        | Message::SecondFactor { .. } => true,
    }
}
