//! Where a set is read from.
//!
//! Owns [`Source`]: the sidecar's directory, read as one generation, or the environment, for
//! development. Every read is bounded; no error carries a value (I-04).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use erpgo_secret_set::{
    Document, Generation, KeyName, Keys, LoadError, MANIFEST_FILE, Manifest, RotatingKey, Secret,
    SecretSet, Version, load,
};

/// The link that the sidecar flips from one whole generation to the next.
const DATA_LINK: &str = "..data";
/// No key is longer; the whole document may have 64 KiB.
const MAX_FILE_BYTES: u64 = Document::MAX_BYTES as u64;
/// Five keys in three slots.
const MAX_FILES: usize = 15;

/// Where the set comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The directory that the sidecar renders into.
    Directory(PathBuf),
    /// JWT_SECRET, REFRESH_SECRET, PASSWORD_PEPPER, DATABASE_URL and REDIS_URL.
    Environment,
}

/// Why no set could be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing has been rendered yet.
    #[error("{0} holds no secret set yet; is the sidecar running, or ERPGO_SECRETS_DIR right?")]
    Absent(PathBuf),
    /// A generation is there and is not whole or not valid.
    #[error("the secret set is not valid")]
    Invalid {
        /// Which generation, if the manifest could be read.
        generation: Option<Generation>,
        /// One sentence a fault, free of values.
        faults: Vec<String>,
    },
}

impl SourceError {
    /// One sentence a fault.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        match self {
            Self::Absent(_) => vec![self.to_string()],
            Self::Invalid { faults, .. } => faults.clone(),
        }
    }

    fn unreadable(what: &str, error: &std::io::Error) -> Self {
        Self::Invalid {
            generation: None,
            faults: vec![format!("{what} cannot be read: {}", error.kind())],
        }
    }
}

impl Source {
    /// The environment if `ERPGO_DEV_SECRETS=env`, else the directory.
    #[must_use]
    pub fn choose(directory: &Path) -> Self {
        match std::env::var("ERPGO_DEV_SECRETS").as_deref() {
            Ok("env") => Self::Environment,
            _ => Self::Directory(directory.to_owned()),
        }
    }

    /// Reads one whole generation.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(&self) -> Result<SecretSet, SourceError> {
        match self {
            Self::Directory(directory) => read_directory(directory),
            Self::Environment => read_environment(|name| std::env::var(name).ok()),
        }
    }

    /// What changes when another generation is there; nothing for the environment.
    #[must_use]
    pub fn mark(&self) -> Option<PathBuf> {
        match self {
            Self::Directory(directory) => std::fs::read_link(directory.join(DATA_LINK)).ok(),
            Self::Environment => None,
        }
    }
}

fn read_directory(directory: &Path) -> Result<SecretSet, SourceError> {
    let absent = || SourceError::Absent(directory.to_owned());
    // Resolved once: every file below comes from the same generation even if the link flips now.
    let target = match std::fs::read_link(directory.join(DATA_LINK)) {
        Ok(target) => directory.join(target),
        // A plain directory without the link serves for development.
        Err(_) if directory.join(MANIFEST_FILE).is_file() => directory.to_owned(),
        Err(_) => return Err(absent()),
    };
    let text = read_bounded(&target.join(MANIFEST_FILE))
        .map_err(|error| SourceError::unreadable(MANIFEST_FILE, &error))?;
    let manifest: Manifest =
        serde_json::from_str(text.expose_secret()).map_err(|_| SourceError::Invalid {
            generation: None,
            faults: vec![format!("{MANIFEST_FILE} is not a manifest")],
        })?;
    let files = read_files(&target, &manifest);
    load(&manifest, files).map_err(|error| SourceError::Invalid {
        generation: Some(manifest.generation),
        faults: error.problems,
    })
}

// A file that cannot be read is left out: `load` then names it among all other faults.
fn read_files(target: &Path, manifest: &Manifest) -> BTreeMap<String, Secret> {
    manifest
        .files
        .iter()
        .take(MAX_FILES)
        .filter(|entry| !entry.file.contains('/'))
        .filter_map(|entry| {
            let value = read_bounded(&target.join(&entry.file)).ok()?;
            Some((entry.file.clone(), value))
        })
        .collect()
}

fn read_bounded(path: &Path) -> std::io::Result<Secret> {
    let file = std::fs::File::open(path)?;
    let length = usize::try_from(file.metadata()?.len().min(MAX_FILE_BYTES)).unwrap_or(0);
    // Exact capacity: growing would leave copies of the value behind.
    let mut text = String::with_capacity(length + 1);
    file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(Secret::new(text))
}

/// The development set: one version a key, kids that say where they come from.
pub(super) fn read_environment(
    get: impl Fn(&str) -> Option<String>,
) -> Result<SecretSet, SourceError> {
    let mut faults = Vec::new();
    let mut key = |variable: &str, name: KeyName| {
        let value = get(variable).unwrap_or_else(|| {
            faults.push(format!("{variable} is not set"));
            String::new()
        });
        version(name, value)
    };
    let keys = Keys {
        jwt: key("JWT_SECRET", KeyName::Jwt)?,
        refresh: key("REFRESH_SECRET", KeyName::Refresh)?,
        pepper: key("PASSWORD_PEPPER", KeyName::Pepper)?,
        database: key("DATABASE_URL", KeyName::Database)?,
        redis: get("REDIS_URL")
            .map(|value| version(KeyName::Redis, value))
            .transpose()?,
    };
    match SecretSet::new(Generation::FIRST, keys) {
        Ok(set) if faults.is_empty() => Ok(set),
        Ok(_) => Err(invalid(faults)),
        Err(LoadError { problems }) => Err(invalid(faults.into_iter().chain(problems).collect())),
    }
}

fn invalid(faults: Vec<String>) -> SourceError {
    SourceError::Invalid {
        generation: None,
        faults,
    }
}

fn version(name: KeyName, value: String) -> Result<RotatingKey, SourceError> {
    let kid = format!("dev-{name}")
        .try_into()
        .map_err(|_| invalid(vec!["a kid is not valid".into()]))?;
    Ok(RotatingKey {
        current: Version {
            kid,
            created_at: jiff::Timestamp::now(),
            not_after: None,
            value: Secret::new(value),
        },
        next: None,
        previous: None,
    })
}
