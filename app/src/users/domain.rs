//! What a user is made of.
//!
//! Owns [`Email`], [`PersonName`], [`NewPassword`] and [`User`]. Text becomes one of them at the
//! border or is refused with a reason; past the border there is nothing left to check.

use std::fmt;
use std::str::FromStr;

use erpgo_secret_set::Secret;
use jiff::Timestamp;
use utoipa::ToSchema;

use super::UserId;
use super::password::{self, PasswordRules};
use crate::error::FieldError;
use crate::text;

/// An e-mail address, as typed but for the spaces around it.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "ann@example.org", max_length = 254,
    pattern = r"^\s*[^@\s]+@[^@\s]+\.[^@\s]+\s*$")]
pub struct Email(String);

/// The text is not an e-mail address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be an e-mail address such as ann@example.org, of at most 254 characters")]
pub struct NotAnEmail;

impl Email {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = NotAnEmail;

    // Whether an address works only a message to it can tell; this refuses what cannot be one.
    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let plain =
            |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"@".contains(c);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c == '-' || c.is_alphanumeric())
        };
        let good = text.len() <= 254
            && (1..=64).contains(&local.len())
            && local.chars().all(plain)
            && domain.contains('.')
            && domain.split('.').all(label);
        good.then(|| Self(text.to_owned())).ok_or(NotAnEmail)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A first or last name: 1 to 100 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonName(String);

/// The text is not a name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must have 1 to 100 characters and no control characters")]
pub struct NotAName;

impl PersonName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PersonName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let name = text::name(text, 100);
        name.map(|name| Self(name.to_owned())).ok_or(NotAName)
    }
}

/// A password that passed the rules and may be hashed.
pub struct NewPassword(Secret);

impl NewPassword {
    /// Checks `password` against the rules; `context` is what it must not be made of.
    ///
    /// # Errors
    /// The rule that it breaks, never any of its text.
    pub fn parse(
        password: Secret,
        context: &[&str],
        rules: PasswordRules,
    ) -> Result<Self, password::Weak> {
        password::check(password.expose_secret(), context, rules)?;
        Ok(Self(password))
    }

    /// The password, to be hashed.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        self.0
    }
}

/// A user as others may see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// E-mail.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Whether the e-mail is known to be theirs.
    pub email_verified: bool,
    /// Names of the user's roles.
    pub roles: Vec<String>,
    /// Grows with each change.
    pub version: i64,
    /// When the user was created.
    pub created_at: Timestamp,
    /// When the user was last changed.
    pub updated_at: Timestamp,
}

/// Parses `text` as a `T`, or notes at `pointer` why not.
pub fn field<T: FromStr>(faults: &mut Vec<FieldError>, pointer: &str, text: &str) -> Option<T>
where
    T::Err: fmt::Display,
{
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            faults.push(FieldError::new(pointer, "invalid_value", error.to_string()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn r02_1_addresses_are_accepted_and_refused() {
        for good in ["ann@example.org", " a.b+c@sub.example.co ", "ä@exämple.org"] {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "@",
            "a@",
            "@b.org",
            "a@b",
            "a b@c.org",
            "a@b..org",
            "a@-b.org",
            "a@b.org\n,x@y.org",
            "a\u{0}@b.org",
            "<a@b.org>",
            "a@b@c.org",
        ] {
            assert_eq!(bad.parse::<Email>(), Err(NotAnEmail), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn p03_what_is_accepted_is_bounded_and_plain(text in ".{0,300}") {
            if let Ok(email) = text.parse::<Email>() {
                prop_assert!(email.as_str().len() <= 254);
                prop_assert!(!email.as_str().chars().any(|c| c.is_control() || c.is_whitespace()));
            }
            if let Ok(name) = text.parse::<PersonName>() {
                prop_assert!(name.as_str().chars().count() <= 100);
                prop_assert!(!name.as_str().chars().any(char::is_control));
            }
        }
    }
}
