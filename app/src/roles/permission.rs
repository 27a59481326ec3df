//! What a caller may be allowed to do.
//!
//! Owns [`Permission`] (`resource.action`, `resource.*` or `*`), [`PermissionSet`] and the types that
//! name what a route requires. A set allows nothing that is not in it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The permission that allows everything, which administrators hold.
pub const EVERYTHING: &str = "*";

/// `resource.action`, `resource.*` or `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "products.read",
    pattern = r"^(\*|[a-z0-9_]{1,40}\.(\*|[a-z0-9_]{1,40}))$")]
pub struct Permission(String);

/// The text is not a permission.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a permission is resource.action, resource.* or *, in a-z, 0-9 and _")]
pub struct NotAPermission;

impl Permission {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Permission {
    type Err = NotAPermission;

    fn from_str(text: &str) -> Result<Self, NotAPermission> {
        let word = |s: &str| {
            (1..=40).contains(&s.len())
                && s.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let valid = match text.split_once('.') {
            None => text == EVERYTHING,
            Some((resource, action)) => word(resource) && (action == "*" || word(action)),
        };
        valid.then(|| Self(text.to_owned())).ok_or(NotAPermission)
    }
}

impl TryFrom<String> for Permission {
    type Error = NotAPermission;

    fn try_from(text: String) -> Result<Self, NotAPermission> {
        text.parse()
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.0
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that one caller may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PermissionSet(BTreeSet<Permission>);

impl PermissionSet {
    /// Whether the set allows `wanted`, which may itself be a wildcard: one is allowed only by an
    /// equal or a wider one.
    #[must_use]
    pub fn allows(&self, wanted: &str) -> bool {
        let has = |text: &str| self.0.iter().any(|held| held.as_str() == text);
        let resource = wanted.split_once('.').map(|(resource, _)| resource);
        has(EVERYTHING)
            || has(wanted)
            || resource.is_some_and(|resource| has(&format!("{resource}.*")))
    }

    /// Those of `wanted` that the set does not allow.
    pub fn lacking<'a>(
        &self,
        wanted: impl IntoIterator<Item = &'a Permission>,
    ) -> Vec<&'a Permission> {
        wanted
            .into_iter()
            .filter(|permission| !self.allows(permission.as_str()))
            .collect()
    }

    /// What both sets allow: of two that overlap, the narrower one.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let narrower = |a: &Self, b: &Self| -> Vec<Permission> {
            let inside = |permission: &&Permission| b.allows(permission.as_str());
            a.0.iter().filter(inside).cloned().collect()
        };
        let both = [narrower(self, other), narrower(other, self)];
        both.into_iter().flatten().collect()
    }

    /// Each permission as text.
    pub fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.0.iter()
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().collect())
    }
}

/// What a route requires, as a type: `Authorized<UsersRead>` in a handler's parameters.
pub trait Required: Send + Sync + 'static {
    /// The permission.
    const NAME: &'static str;
}

/// Declares types that name the permission a route requires.
#[macro_export]
macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $crate::roles::permission::Required for $name {
            const NAME: &'static str = $text;
        }
    )*};
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(texts: &[&str]) -> PermissionSet {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn wildcards_widen_and_never_narrow() {
        let products = set(&["products.*", "users.read"]);
        for (wanted, expected) in [
            ("products.read", true),
            ("products.*", true),
            ("users.read", true),
            ("users.update", false),
            ("users.*", false),
            ("*", false),
            ("product.read", false),
        ] {
            assert_eq!(products.allows(wanted), expected, "{wanted}");
        }
        assert!(set(&["*"]).allows("anything.at_all"));
        assert!(set(&["*"]).allows("*"));
        assert!(!set(&[]).allows("users.read"));
    }

    #[test]
    fn malformed_permissions_are_refused() {
        for bad in [
            "",
            "users",
            "users.",
            ".read",
            "*.read",
            "users.read.all",
            "Users.read",
            "**",
        ] {
            assert_eq!(bad.parse::<Permission>(), Err(NotAPermission), "{bad}");
        }
    }

    #[test]
    fn two_sets_allow_together_what_each_of_them_allows() {
        let table = [
            (&["*"][..], &["users.read"][..], &["users.read"][..]),
            (&["users.*"], &["users.read", "roles.read"], &["users.read"]),
            (&["users.read"], &["users.*"], &["users.read"]),
            (
                &["users.*", "users.read"],
                &["users.*"],
                &["users.*", "users.read"],
            ),
            (&["users.read"], &["roles.read"], &[]),
            (&["users.*"], &["roles.*"], &[]),
            (&["*"], &["*"], &["*"]),
        ];
        for (a, b, expected) in table {
            assert_eq!(set(a).within(&set(b)), set(expected), "{a:?} {b:?}");
            assert_eq!(set(b).within(&set(a)), set(expected), "{b:?} {a:?}");
        }
    }

    fn few() -> impl Strategy<Value = PermissionSet> {
        let one = prop_oneof![
            Just("*"),
            Just("a.*"),
            Just("b.*"),
            Just("a.x"),
            Just("a.y"),
            Just("b.x")
        ];
        proptest::collection::vec(one, 0..4).prop_map(|texts| set(&texts))
    }

    proptest! {
        #[test]
        fn two_sets_allow_together_no_more_and_no_less(a in few(), b in few()) {
            let both = a.within(&b);
            for wanted in ["*", "a.*", "b.*", "a.x", "a.y", "b.x", "c.x"] {
                prop_assert_eq!(both.allows(wanted), a.allows(wanted) && b.allows(wanted), "{}", wanted);
            }
        }

        #[test]
        fn an_empty_set_allows_nothing(wanted in ".{0,30}") {
            prop_assert!(!PermissionSet::default().allows(&wanted));
        }
    }
}
