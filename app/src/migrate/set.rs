//! The migrations of this build, in order.
//!
//! Owns [`MigrationSet`] and [`embedded`]. The list below is the folder `migrations/`: a test compares
//! the two. Features add what the end-to-end journeys need of a second image.

use std::collections::BTreeMap;

use super::file::{FileError, Migration};

macro_rules! files {
    ($($(#[$condition:meta])* $file:literal),* $(,)?) => {
        &[$($(#[$condition])* ($file, include_str!(concat!("../../migrations/", $file))),)*]
    };
}

const EMBEDDED: &[(&str, &str)] = files![
    "0001_identity.sql",
    "0002_products.sql",
    "0003_idempotency.sql",
    "0010_subject_keys.sql",
    "0011_api_keys.sql",
    "0012_session_details.sql",
    "0013_mail.sql",
    "0014_second_factor.sql",
    "0020_audit.sql",
    "0021_auth_changes.sql",
    "0022_user_lists.sql",
    "0023_product_lists.sql",
    "0024_endings.sql",
    "0025_email_changed.sql",
    "0026_audit_details.sql",
    "0027_sealed_answers.sql",
    "0028_answers_about.sql",
    "0029_doubles.sql",
];

// What a second release would bring. Which one it is, an image of the journeys says in this file.
#[cfg(feature = "e2e")]
const VARIANT: &str = "/e2e-variant";
#[cfg(feature = "e2e")]
const VARIANTS: &[(&str, &str)] = files![
    "e2e/9001_e2e_v2.sql",
    "e2e/9002_e2e_broken.sql",
    "e2e/9003_e2e_destructive.sql",
];

/// Migrations by version, each once.
#[derive(Clone, Debug, Default)]
pub struct MigrationSet(Vec<Migration>);

/// Why files are no set of migrations.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// One of them is none.
    #[error("a migration of this program cannot be used")]
    File(#[source] FileError),
    /// Two have one number.
    #[error("{0} and {1} have the same number")]
    Twice(String, String),
}

impl MigrationSet {
    /// Understands `files`, each a name and its content.
    ///
    /// # Errors
    /// The first file that is no migration, or two of one number.
    pub fn parse<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SetError> {
        let mut set = BTreeMap::new();
        for (file, sql) in files {
            let file = file.rsplit_once('/').map_or(file, |(_, name)| name);
            let migration = Migration::parse(file, sql).map_err(SetError::File)?;
            let name = migration.name.clone();
            if let Some(other) = set.insert(migration.version, migration) {
                return Err(SetError::Twice(other.name, name));
            }
        }
        Ok(Self(set.into_values().collect()))
    }

    /// In order of version.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Migration> {
        self.0.iter()
    }

    /// The one with this number.
    #[must_use]
    pub fn get(&self, version: i32) -> Option<&Migration> {
        self.0.iter().find(|migration| migration.version == version)
    }
}

/// The migrations of this build.
///
/// # Errors
/// When a file that was compiled in is no migration, which the tests rule out.
pub fn embedded() -> Result<MigrationSet, SetError> {
    MigrationSet::parse(EMBEDDED.iter().chain(variant()).copied())
}

#[cfg(not(feature = "e2e"))]
fn variant() -> [&'static (&'static str, &'static str); 0] {
    []
}

#[cfg(feature = "e2e")]
fn variant() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let wanted = std::fs::read_to_string(VARIANT).unwrap_or_default();
    VARIANTS
        .iter()
        .filter(move |(file, _)| !wanted.trim().is_empty() && file.contains(wanted.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r19_1_every_file_of_the_folder_is_compiled_in_and_can_be_taken_back() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sql"))
            .collect();
        files.sort();
        let listed: Vec<_> = EMBEDDED
            .iter()
            .map(|(file, _)| *file)
            .filter(|file| !file.contains('/'))
            .collect();
        assert_eq!(files, listed);
        let set = embedded().unwrap();
        // The first one makes the schema: what takes it back is dropping the database.
        let without: Vec<_> = set
            .iter()
            .skip(1)
            .filter(|m| m.down.is_empty())
            .map(|m| &*m.name)
            .collect();
        assert!(without.is_empty(), "no way back from {without:?}");
    }

    #[test]
    fn two_files_of_one_number_are_refused() {
        let files = [("0001_a.sql", "SELECT 1"), ("0001_b.sql", "SELECT 1")];
        let expected = SetError::Twice("0001_a".into(), "0001_b".into());
        assert_eq!(MigrationSet::parse(files).unwrap_err(), expected);
    }
}
