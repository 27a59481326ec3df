//! What a secret must be before anything uses it (R1.2–R1.4, P1, P2).
//!
//! Owns [`validate`] and [`Fault`]. A fault names key, slot and rule, and never shows the value.

use std::fmt;

use crate::{KeyName, Keys, Kid, Secret, Slot, estimated_bits};

/// Smallest signing key in bytes.
pub const MIN_KEY_BYTES: usize = 32;
/// Smallest estimated entropy of a signing key in bits.
pub const MIN_KEY_BITS: f64 = 256.0;
/// Smallest pepper in bytes.
pub const MIN_PEPPER_BYTES: usize = 16;

// Compared without case and separators. The first is the original system's built-in default.
const KNOWN_PEPPERS: [&str; 12] = [
    "defaultpepperchangeinproduction",
    "erpgodefaultpepperchangeinproduction",
    "erpgosecretpepper",
    "changemeinproduction",
    "changethisinproduction",
    "pleasechangethispepper",
    "passwordpepperpasswordpepper",
    "yourpepperhere",
    "yoursecretpepperhere",
    "yourpasswordpepperhere",
    "developmentpepper",
    "supersecretpepper",
];

/// One thing that is wrong with one version of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Shorter than it must be.
    TooShort {
        /// Which key.
        key: KeyName,
        /// Which version.
        slot: Slot,
        /// Least length in bytes.
        least: usize,
    },
    /// Long enough, but easy to guess.
    Guessable {
        /// Which key.
        key: KeyName,
        /// Which version.
        slot: Slot,
    },
    /// A value that is published as a default.
    KnownDefault {
        /// Which key.
        key: KeyName,
        /// Which version.
        slot: Slot,
    },
    /// Not a URL of the scheme that is needed.
    NotUrl {
        /// Which key.
        key: KeyName,
        /// Which version.
        slot: Slot,
        /// What it must look like.
        expected: &'static str,
    },
    /// Two versions, of one key or of several, share a kid.
    DuplicateKid {
        /// The kid.
        kid: Kid,
    },
    /// Two versions, of one key or of several, share a value.
    SharedValue {
        /// Which key.
        key: KeyName,
        /// The other key.
        other: KeyName,
    },
    /// A required key is not there.
    Missing {
        /// Which key.
        key: KeyName,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { key, slot, least } => write!(
                f,
                "{key} ({slot}) is too short: use at least {least} random bytes"
            ),
            Self::Guessable { key, slot } => write!(
                f,
                "{key} ({slot}) is easy to guess: use a generated value of at least 256 bits"
            ),
            Self::KnownDefault { key, slot } => write!(
                f,
                "{key} ({slot}) is a published default: generate a value of your own"
            ),
            Self::NotUrl {
                key,
                slot,
                expected,
            } => {
                write!(f, "{key} ({slot}) is not a URL of the form {expected}")
            }
            Self::DuplicateKid { kid } => {
                write!(f, "kid {kid} is used twice: every version needs its own")
            }
            Self::SharedValue { key, other } => write!(
                f,
                "{key} and {other} share a value: generate one for each version of each key"
            ),
            Self::Missing { key } => write!(f, "{key} is missing"),
        }
    }
}

/// Checks every version of every key and returns all faults, in document order.
#[must_use]
pub fn validate(keys: &Keys) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, slot, version) in keys.versions() {
        check_value(key, slot, &version.value, &mut faults);
    }
    check_distinct(keys, &mut faults);
    faults
}

/// Whether `value` alone could be a version of `key`.
#[must_use]
pub fn is_valid(key: KeyName, value: &Secret) -> bool {
    let mut faults = Vec::new();
    check_value(key, Slot::Current, value, &mut faults);
    faults.is_empty()
}

fn check_value(key: KeyName, slot: Slot, value: &Secret, faults: &mut Vec<Fault>) {
    match key {
        KeyName::Jwt | KeyName::Refresh => faults.extend(signing_key_fault(key, slot, value)),
        KeyName::Pepper => faults.extend(pepper_fault(slot, value)),
        KeyName::Database => {
            let form = "postgres://user:password@host:5432/database";
            let schemes = ["postgres", "postgresql"];
            faults.extend(url_fault(value, &schemes).then_some(Fault::NotUrl {
                key,
                slot,
                expected: form,
            }));
        }
        KeyName::Redis => {
            let form = "redis://:password@host:6379/0";
            let schemes = ["redis", "rediss"];
            faults.extend(url_fault(value, &schemes).then_some(Fault::NotUrl {
                key,
                slot,
                expected: form,
            }));
        }
    }
}

fn signing_key_fault(key: KeyName, slot: Slot, value: &Secret) -> Option<Fault> {
    if value.len() < MIN_KEY_BYTES {
        return Some(Fault::TooShort {
            key,
            slot,
            least: MIN_KEY_BYTES,
        });
    }
    let weak = estimated_bits(value.expose_secret()) < MIN_KEY_BITS;
    weak.then_some(Fault::Guessable { key, slot })
}

fn pepper_fault(slot: Slot, value: &Secret) -> Option<Fault> {
    let key = KeyName::Pepper;
    let plain: String = value
        .expose_secret()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if KNOWN_PEPPERS.contains(&plain.as_str()) {
        return Some(Fault::KnownDefault { key, slot });
    }
    let short = value.len() < MIN_PEPPER_BYTES;
    short.then_some(Fault::TooShort {
        key,
        slot,
        least: MIN_PEPPER_BYTES,
    })
}

fn url_fault(value: &Secret, schemes: &[&str]) -> bool {
    let Ok(url) = url::Url::parse(value.expose_secret()) else {
        return true;
    };
    !schemes.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty)
}

fn check_distinct(keys: &Keys, faults: &mut Vec<Fault>) {
    let versions: Vec<_> = keys.versions().collect();
    for (index, (key, _, version)) in versions.iter().enumerate() {
        for (other_key, _, other) in &versions[..index] {
            if other.kid == version.kid {
                faults.push(Fault::DuplicateKid {
                    kid: version.kid.clone(),
                });
            }
            if other.value.ct_eq(version.value.expose_secret().as_bytes()) {
                faults.push(Fault::SharedValue {
                    key: *key,
                    other: *other_key,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;
    use crate::document::tests::EXAMPLE;

    fn faults(from: &str, to: &str) -> Vec<Fault> {
        let text = EXAMPLE.replacen(from, to, 1);
        assert_ne!(text, EXAMPLE, "the edit changes nothing");
        validate(&Document::parse(text.as_bytes()).unwrap().keys)
    }

    #[test]
    fn p01_a_good_document_has_no_fault() {
        assert_eq!(
            validate(&Document::parse(EXAMPLE.as_bytes()).unwrap().keys),
            []
        );
    }

    #[test]
    fn r01_2_each_weak_value_is_its_own_fault() {
        let key = KeyName::Jwt;
        let slot = Slot::Current;
        let jwt = "mU3xQ9vT1zL7pW5kR2nB8cD4fG6hJ0sYaEoIuXtVrNq";
        assert_eq!(
            faults(jwt, "short"),
            [Fault::TooShort {
                key,
                slot,
                least: 32
            }]
        );
        assert_eq!(
            faults(jwt, &"ab".repeat(40)),
            [Fault::Guessable { key, slot }]
        );
        assert_eq!(
            faults("postgres://erp", "mysql://erp"),
            [Fault::NotUrl {
                key: KeyName::Database,
                slot,
                expected: "postgres://user:password@host:5432/database"
            }]
        );
        assert_eq!(
            faults("jwt-a", "jwt-b"),
            [Fault::DuplicateKid {
                kid: Kid::try_from("jwt-b".to_owned()).unwrap()
            }]
        );
    }

    #[test]
    fn r01_4_known_peppers_are_refused_in_any_spelling() {
        for spelling in [
            "default_pepper_change_in_production",
            "Default-Pepper-Change-In-Production",
            "DEFAULT PEPPER CHANGE IN PRODUCTION",
        ] {
            assert_eq!(
                faults("b7VhK2sXw9RfTq4Lm1Zc", spelling),
                [Fault::KnownDefault {
                    key: KeyName::Pepper,
                    slot: Slot::Current
                }],
                "{spelling}"
            );
        }
    }

    #[test]
    fn one_value_for_two_keys_is_refused() {
        let found = faults(
            "Zk4uP0yH8wC2mS6bF1xJ5vN9tR3dL7gQaTeYiWoUzXp",
            "mU3xQ9vT1zL7pW5kR2nB8cD4fG6hJ0sYaEoIuXtVrNq",
        );
        assert_eq!(
            found,
            [Fault::SharedValue {
                key: KeyName::Refresh,
                other: KeyName::Jwt
            }]
        );
    }

    #[test]
    fn no_fault_shows_the_value() {
        for fault in faults("b7VhK2sXw9RfTq4Lm1Zc", "canary") {
            assert!(!format!("{fault} {fault:?}").contains("canary"));
        }
    }
}
