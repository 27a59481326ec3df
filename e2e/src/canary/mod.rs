//! The search for secret values where none may be (I-04).
//!
//! Owns what is looked for: each value as it is and in base64. [`places`] and [`pods`] own where. A value
//! that is found is told by its name and the place, never by itself.

mod places;
mod pods;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub use places::Since;

// A shorter value would be found by chance.
const SHORTEST: usize = 12;

/// Values by name.
#[derive(Default)]
pub struct Canaries(Vec<Canary>);

struct Canary {
    name: String,
    // As it is first, then in base64 at each of the three places where it may begin.
    forms: [String; 4],
}

/// What came of a search.
#[derive(Debug, Default)]
pub struct Found {
    /// Which value lies where.
    pub hits: BTreeSet<String>,
    /// Places that were searched, with their sizes.
    pub searched: Vec<(String, usize)>,
}

impl Canaries {
    /// Adds a value.
    ///
    /// # Errors
    /// When it is too short to be told from chance.
    pub fn add(&mut self, name: &str, value: &str) -> Result<()> {
        ensure!(value.len() >= SHORTEST, "{name} is too short to search for");
        if self.0.iter().any(|canary| canary.forms[0] == value) {
            return Ok(());
        }
        let [first, second, third] = [0, 1, 2].map(|before| coded(value, before));
        self.0.push(Canary {
            name: name.to_owned(),
            forms: [value.to_owned(), first, second, third],
        });
        Ok(())
    }

    /// Adds every value of a document; of a URL its password.
    ///
    /// # Errors
    /// When one is too short to be told from chance.
    pub fn add_document(&mut self, document: &Value) -> Result<()> {
        let keys = document["keys"].as_object().into_iter().flatten();
        for (key, slots) in keys {
            for version in slots.as_object().into_iter().flatten().map(|(_, v)| v) {
                let text = |field: &str| version[field].as_str().unwrap_or_default();
                let value = text("value");
                let secret = password(value).unwrap_or(value);
                self.add(&format!("{key}/{}", text("kid")), secret)?;
            }
        }
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn look(&self, found: &mut Found, place: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let hits = self
            .names_in(&text)
            .map(|name| format!("{name} in {place}"));
        found.hits.extend(hits);
        found.searched.push((place.to_owned(), bytes.len()));
    }

    fn names_in<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let lies = |canary: &&Canary| canary.forms.iter().any(|form| text.contains(form));
        self.0
            .iter()
            .filter(lies)
            .map(|canary| canary.name.as_str())
    }
}

// What of the base64 of a longer text is the value's alone when so many bytes precede it in a group.
fn coded(value: &str, before: usize) -> String {
    let text = STANDARD.encode([&[0; 2][..before], value.as_bytes()].concat());
    let first = (before * 8).div_ceil(6);
    text[first..text.len() - 4].to_owned()
}

// scheme://user:password@host
fn password(url: &str) -> Option<&str> {
    let (login, _) = url.split_once("://")?.1.split_once('@')?;
    Some(login.split_once(':')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_found_as_it_is_and_in_base64_and_told_by_name_alone() {
        let document = json!({"keys": {
            "jwt": {"current": {"kid": "jwt-1", "value": "a-value-of-some-length"}},
            "database": {"current": {"kid": "database-1", "value": "postgres://u:a-password-there@h/d"}},
        }});
        let mut canaries = Canaries::default();
        canaries.add_document(&document).unwrap();
        let mut found = Found::default();
        canaries.look(
            &mut found,
            "a clean log",
            b"nothing of note, postgres://u@h/d",
        );
        assert!(found.hits.is_empty());
        canaries.look(&mut found, "a log", b"key=a-value-of-some-length");
        for before in ["", "a", "ab"] {
            let coded = STANDARD.encode(format!("{before}a-password-there, and more"));
            let object = format!("an object {before}");
            canaries.look(&mut found, &object, coded.as_bytes());
            assert!(
                found
                    .hits
                    .contains(&format!("database/database-1 in {object}"))
            );
        }
        assert!(found.hits.contains("jwt/jwt-1 in a log"));
        assert_eq!(found.hits.len(), 4);
        assert!(canaries.add("short", "hunter2").is_err());
    }
}
