//! From the document to the files of one generation.
//!
//! Owns [`render`]: pure; whoever calls it writes the files.

use sha2::{Digest, Sha256};

use crate::{Document, KeyName, Manifest, ManifestEntry, Secret, Slot, Version};

/// Name of the manifest within the set's directory.
pub const MANIFEST_FILE: &str = "manifest.json";

/// One whole generation, ready to be written.
pub struct RenderedSet {
    /// What the files are.
    pub manifest: Manifest,
    /// File names and contents, without the manifest.
    pub files: Vec<(String, Secret)>,
}

impl RenderedSet {
    /// The manifest's bytes.
    #[must_use]
    pub fn manifest_json(&self) -> String {
        // Serialising strings and numbers into memory has no failing case.
        serde_json::to_string(&self.manifest).unwrap_or_default()
    }
}

/// The file that holds one version of one key.
#[must_use]
pub fn file_name(key: KeyName, slot: Slot) -> String {
    format!("{key}.{slot}")
}

/// Renders every version of every key.
#[must_use]
pub fn render(document: &Document) -> RenderedSet {
    let (entries, files) = document
        .keys
        .versions()
        .map(|(key, slot, version)| {
            let entry = entry(key, slot, version);
            let file = (entry.file.clone(), version.value.duplicate());
            (entry, file)
        })
        .unzip();
    RenderedSet {
        manifest: Manifest {
            generation: document.generation,
            files: entries,
        },
        files,
    }
}

fn entry(key: KeyName, slot: Slot, version: &Version) -> ManifestEntry {
    ManifestEntry {
        file: file_name(key, slot),
        key,
        slot,
        kid: version.kid.clone(),
        created_at: version.created_at,
        not_after: version.not_after,
        sha256: digest(&version.value),
    }
}

pub(crate) fn digest(value: &Secret) -> String {
    hex::encode(Sha256::digest(value.expose_secret().as_bytes()))
}
