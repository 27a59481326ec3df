//! Logins that take turns.
//!
//! Owns [`LoginKey`], the keys whose values are logins at a server, and [`Logins`]: which of two the
//! versions in the document log in as. It knows names and never a password (I-04).

use std::collections::BTreeMap;
use std::fmt;

use erpgo_secret_set::{KeyName, Kid};
use serde::{Deserialize, Serialize};

/// A key whose value is a URL with a login in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginKey {
    /// A role of PostgreSQL.
    Database,
    /// A user of Redis' access list.
    Redis,
}

impl LoginKey {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Database, Self::Redis];

    /// `key`, if its value is a login.
    #[must_use]
    pub const fn of(key: KeyName) -> Option<Self> {
        match key {
            KeyName::Database => Some(Self::Database),
            KeyName::Redis => Some(Self::Redis),
            KeyName::Jwt | KeyName::Refresh | KeyName::Pepper => None,
        }
    }

    /// The key in the document.
    #[must_use]
    pub const fn key(self) -> KeyName {
        match self {
            Self::Database => KeyName::Database,
            Self::Redis => KeyName::Redis,
        }
    }

    /// What its logins are called where they are told to people.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Database => "database role",
            Self::Redis => "Redis user",
        }
    }
}

impl fmt::Display for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key().as_str())
    }
}

/// Two logins that take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logins {
    /// The two.
    pub pair: [String; 2],
    /// As which of them the versions in the document log in; one that logs in as somebody else is not
    /// here.
    pub of: BTreeMap<Kid, String>,
}

impl Logins {
    /// The login that no version in the document uses.
    #[must_use]
    pub fn idle(&self) -> Option<&String> {
        let used = |login: &String| self.of.values().any(|of| of == login);
        self.pair.iter().find(|login| !used(login))
    }

    /// The login of `kid`, if no other version uses it.
    pub(super) fn alone(&self, kid: &Kid) -> Option<&String> {
        let login = self.of.get(kid)?;
        let sharing = self.of.values().filter(|of| *of == login).count();
        (sharing == 1).then_some(login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kid(text: &str) -> Kid {
        Kid::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn i03_a_login_that_another_version_uses_is_neither_idle_nor_alone() {
        let of = |pairs: &[(&str, &str)]| Logins {
            pair: ["erp_a".into(), "erp_b".into()],
            of: pairs
                .iter()
                .map(|(name, login)| (kid(name), (*login).to_owned()))
                .collect(),
        };
        let first = of(&[]);
        assert_eq!(first.idle().unwrap(), "erp_a");
        let turned = of(&[("database-2", "erp_b"), ("database-1", "erp_a")]);
        assert_eq!(turned.idle(), None);
        assert_eq!(turned.alone(&kid("database-1")).unwrap(), "erp_a");
        let shared = of(&[("database-2", "erp_a"), ("database-1", "erp_a")]);
        assert_eq!(shared.idle().unwrap(), "erp_b");
        assert_eq!(shared.alone(&kid("database-1")), None);
    }

    #[test]
    fn every_login_is_of_its_own_key() {
        for login in LoginKey::ALL {
            assert_eq!(LoginKey::of(login.key()), Some(login));
        }
        assert_eq!(LoginKey::of(KeyName::Pepper), None);
    }
}
