//! From the files of one generation to a set that may be used.
//!
//! Owns [`load`] and [`SecretSet`]: what an app holds after it has read the directory. Whoever has
//! one knows that every file matches the manifest and that every value passed [`validate`].

use std::collections::BTreeMap;
use std::fmt;

use crate::render::digest;
use crate::{
    AcceptedKid, Ack, Fault, Generation, KeyName, Keys, Manifest, ManifestEntry, RotatingKey,
    Secret, Slot, Verdict, Version, validate,
};

/// A whole, validated generation.
pub struct SecretSet {
    /// Which generation.
    pub generation: Generation,
    /// The keys.
    pub keys: Keys,
}

impl SecretSet {
    /// Checks `keys` and makes a set of them; for sources without a manifest (the environment).
    ///
    /// # Errors
    /// Every fault found.
    pub fn new(generation: Generation, keys: Keys) -> Result<Self, LoadError> {
        let faults = validate(&keys);
        if faults.is_empty() {
            Ok(Self { generation, keys })
        } else {
            Err(LoadError {
                problems: faults.iter().map(ToString::to_string).collect(),
            })
        }
    }

    /// The acknowledgement that says this set is in use, and nothing of before it.
    #[must_use]
    pub fn ack(&self) -> Ack {
        Ack {
            generation: self.generation,
            verdict: Verdict::Ack {
                accepted: self.named(|_| true),
                in_use: self.named(|slot| slot == Slot::Current),
                draining: Vec::new(),
                pepper_hashes: Vec::new(),
            },
        }
    }

    fn named(&self, wanted: impl Fn(Slot) -> bool) -> Vec<AcceptedKid> {
        self.keys
            .versions()
            .filter(|(_, slot, _)| wanted(*slot))
            .map(|(key, _, version)| AcceptedKid {
                key,
                kid: version.kid.clone(),
            })
            .collect()
    }
}

/// Everything that is wrong with the files of a set, free of values.
#[derive(Debug, PartialEq, Eq)]
pub struct LoadError {
    /// One sentence a fault; never empty.
    pub problems: Vec<String>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the secret set cannot be used: {}",
            self.problems.join("; ")
        )
    }
}

impl std::error::Error for LoadError {}

impl From<Vec<String>> for LoadError {
    fn from(problems: Vec<String>) -> Self {
        Self { problems }
    }
}

/// Puts a set together from its manifest and its files' contents.
///
/// # Errors
/// Every fault at once: a missing file, a digest that differs, a key without a current version,
/// and each [`Fault`].
pub fn load(
    manifest: &Manifest,
    mut files: BTreeMap<String, Secret>,
) -> Result<SecretSet, LoadError> {
    let mut problems = Vec::new();
    let mut slots = BTreeMap::new();
    for entry in &manifest.files {
        match take(entry, &mut files) {
            Ok(version) => {
                slots.insert((entry.key, entry.slot), version);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let keys = assemble(&mut slots, &mut problems);
    match keys {
        Some(keys) if problems.is_empty() => SecretSet::new(manifest.generation, keys),
        _ => Err(LoadError { problems }),
    }
}

fn take(entry: &ManifestEntry, files: &mut BTreeMap<String, Secret>) -> Result<Version, String> {
    let value = files.remove(&entry.file).ok_or_else(|| {
        format!(
            "file {} is in the manifest and not in the directory",
            entry.file
        )
    })?;
    if digest(&value) != entry.sha256 {
        return Err(format!(
            "file {} does not match its digest in the manifest",
            entry.file
        ));
    }
    Ok(Version {
        kid: entry.kid.clone(),
        created_at: entry.created_at,
        not_after: entry.not_after,
        value,
    })
}

fn assemble(
    slots: &mut BTreeMap<(KeyName, Slot), Version>,
    problems: &mut Vec<String>,
) -> Option<Keys> {
    let mut required = |name| {
        let key = rotating(name, slots);
        if key.is_none() {
            problems.push(Fault::Missing { key: name }.to_string());
        }
        key
    };
    let jwt = required(KeyName::Jwt);
    let refresh = required(KeyName::Refresh);
    let pepper = required(KeyName::Pepper);
    let database = required(KeyName::Database);
    let redis = rotating(KeyName::Redis, slots);
    Some(Keys {
        jwt: jwt?,
        refresh: refresh?,
        pepper: pepper?,
        database: database?,
        redis,
    })
}

fn rotating(name: KeyName, slots: &mut BTreeMap<(KeyName, Slot), Version>) -> Option<RotatingKey> {
    Some(RotatingKey {
        current: slots.remove(&(name, Slot::Current))?,
        next: slots.remove(&(name, Slot::Next)),
        previous: slots.remove(&(name, Slot::Previous)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::EXAMPLE;
    use crate::{Document, render};

    fn rendered() -> (Manifest, BTreeMap<String, Secret>) {
        let set = render(&Document::parse(EXAMPLE.as_bytes()).unwrap());
        (set.manifest, set.files.into_iter().collect())
    }

    #[test]
    fn what_was_rendered_loads_whole() {
        let (manifest, files) = rendered();
        let set = load(&manifest, files).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(set.generation, Generation(7));
        assert_eq!(
            set.keys.jwt.previous.as_ref().unwrap().kid.as_str(),
            "jwt-a"
        );
        let Verdict::Ack {
            accepted, in_use, ..
        } = set.ack().verdict
        else {
            panic!("not an ack");
        };
        assert_eq!(accepted.len(), 6);
        let used: Vec<_> = in_use.iter().map(|used| used.kid.as_str()).collect();
        assert_eq!(
            used,
            ["jwt-b", "refresh-a", "pepper-a", "database-a", "redis-a"]
        );
    }

    #[test]
    fn r15_3_every_fault_is_listed_at_once_and_none_shows_a_value() {
        let (mut manifest, mut files) = rendered();
        files.insert("jwt.current".into(), Secret::new("canary-value".into()));
        files.remove("pepper.current");
        manifest.files.retain(|entry| entry.key != KeyName::Refresh);
        let Err(error) = load(&manifest, files) else {
            panic!("loaded a broken set");
        };
        assert_eq!(
            error.problems,
            [
                "file jwt.current does not match its digest in the manifest",
                "file pepper.current is in the manifest and not in the directory",
                "jwt is missing",
                "refresh is missing",
                "pepper is missing",
            ]
        );
        assert!(!error.to_string().contains("canary"));
    }
}
