//! What a key is made of.

use std::fmt;
use std::str::FromStr;

use jiff::{Span, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::roles::permission::Permission;
use crate::text;

crate::ids! {
    /// An API key.
    ApiKeyId;
}

/// Keys that a user may have at once.
pub(super) const MAX_KEYS: i64 = 10;
/// Keys whose time is over that are kept for each user.
pub(super) const KEPT_DEAD: i64 = 20;

/// A key as its owner may see it: never the key itself.
#[derive(Clone, Debug)]
pub(super) struct ApiKey {
    pub(super) id: ApiKeyId,
    pub(super) name: String,
    pub(super) handle: String,
    pub(super) scopes: Vec<Permission>,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) last_used_at: Option<Timestamp>,
}

/// Name of a key: 1 to 100 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyName(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must have 1 to 100 characters and no control characters")]
pub(super) struct NotAKeyName;

impl KeyName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NotAKeyName;

    fn from_str(text: &str) -> Result<Self, NotAKeyName> {
        let name = text::name(text, 100);
        name.map(|name| Self(name.to_owned())).ok_or(NotAKeyName)
    }
}

/// What is asked of a new key, checked.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) name: KeyName,
    pub(super) scopes: Vec<Permission>,
    pub(super) expires_at: Timestamp,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must lie ahead, and at most five years from now")]
pub(super) struct NotAnEnd;

/// When a key ends: as asked for, or after a year.
pub(super) fn end(now: Timestamp, asked: Option<Timestamp>) -> Result<Timestamp, NotAnEnd> {
    let within = |days: i64| -> Result<Timestamp, NotAnEnd> {
        let span: Span = (days * 24).hours();
        now.checked_add(span).map_err(|_| NotAnEnd)
    };
    let latest = within(5 * 366)?;
    match asked {
        None => within(365),
        Some(end) if end > now && end <= latest => Ok(end),
        Some(_) => Err(NotAnEnd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lasts_a_year_unless_told_and_never_more_than_five() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let at = |text: &str| Some(text.parse().unwrap());
        assert_eq!(end(now, None).unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert!(end(now, at("2026-01-01T00:00:01Z")).is_ok());
        assert!(end(now, at("2031-01-01T00:00:00Z")).is_ok());
        for bad in [
            "2026-01-01T00:00:00Z",
            "2025-12-31T00:00:00Z",
            "2031-02-01T00:00:00Z",
        ] {
            assert_eq!(end(now, at(bad)), Err(NotAnEnd), "{bad}");
        }
    }

    #[test]
    fn names_are_bounded_and_plain() {
        assert!(
            " till 3 "
                .parse::<KeyName>()
                .is_ok_and(|name| name.as_str() == "till 3")
        );
        for bad in ["", "  ", "a\u{7}", &"x".repeat(101)] {
            assert_eq!(bad.parse::<KeyName>(), Err(NotAKeyName));
        }
    }
}
