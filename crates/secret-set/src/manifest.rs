//! The list beside the files: which generation this is and what each file holds.
//!
//! Owns [`Manifest`]. It carries kids, dates and SHA-256 digests, never a value; it stays on the
//! tmpfs all the same, since a digest of a short password can be searched for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Generation, KeyName, Kid, Slot};

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The generation that every file belongs to.
    pub generation: Generation,
    /// One entry a file.
    pub files: Vec<ManifestEntry>,
}

/// One file of the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestEntry {
    /// File name within the set's directory.
    pub file: String,
    /// Which key.
    pub key: KeyName,
    /// Which version.
    pub slot: Slot,
    /// Its kid.
    pub kid: Kid,
    /// When the value was made.
    pub created_at: Timestamp,
    /// When it stops being accepted, if that is known.
    pub not_after: Option<Timestamp>,
    /// SHA-256 of the file's bytes, in lower-case hexadecimal.
    pub sha256: String,
}
