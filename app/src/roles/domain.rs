//! What a role is made of.

use std::str::FromStr;

use jiff::Timestamp;

use super::permission::Permission;
use crate::users::RoleId;

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) id: RoleId,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) permissions: Vec<Permission>,
    pub(super) is_system: bool,
    pub(super) version: i64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// Name of a role: 1 to 64 letters, digits, spaces, `-`, `_` or `.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoleName(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must have 1 to 64 letters, digits, spaces, '-', '_' or '.'")]
pub(super) struct NotARoleName;

impl RoleName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoleName {
    type Err = NotARoleName;

    fn from_str(text: &str) -> Result<Self, NotARoleName> {
        let text = text.trim();
        let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.');
        let good = (1..=64).contains(&text.chars().count()) && text.chars().all(plain);
        good.then(|| Self(text.to_owned())).ok_or(NotARoleName)
    }
}

/// What is written of a role.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) name: RoleName,
    pub(super) description: String,
    pub(super) permissions: Vec<Permission>,
}
