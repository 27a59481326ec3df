//! What a process finds on the tmpfs when it starts.
//!
//! Owns [`restore`]: the set survives a restart of this container, so a backend that is away then
//! costs nothing. A set whose files do not match its manifest counts as none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use erpgo_secret_set::{Ack, MANIFEST_FILE, Manifest, Secret, load};

use jiff::Timestamp;

use super::{ACK, DATA, READ};
use crate::config::files::read_bounded;

// A document is at most 64 KiB, so is each of its values; kids and digests are shorter.
const MAX_FILE_BYTES: usize = 64 * 1024;

/// A whole set, and the app's answer to it.
pub(crate) struct Held {
    pub(crate) manifest: Manifest,
    pub(crate) ack: Option<Ack>,
    /// When the backend was last read, or when the set was rendered.
    pub(crate) read_at: Timestamp,
}

/// Reads the set in `dir`, if there is a whole and valid one.
pub(crate) fn restore(dir: &Path) -> Option<Held> {
    let data = dir.join(fs::read_link(dir.join(DATA)).ok()?);
    let manifest = json::<Manifest>(&data.join(MANIFEST_FILE))?;
    let files: BTreeMap<String, Secret> = manifest
        .files
        .iter()
        .filter_map(|entry| Some((entry.file.clone(), value(&data, &entry.file)?)))
        .collect();
    load(&manifest, files).ok()?;
    let ack = json(&data.join(ACK));
    let read_at = modified(&dir.join(READ)).or_else(|| modified(&data))?;
    Some(Held {
        manifest,
        ack,
        read_at,
    })
}

fn modified(path: &Path) -> Option<Timestamp> {
    let at = fs::metadata(path).ok()?.modified().ok()?;
    Timestamp::try_from(at).ok()
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = read_bounded(path, MAX_FILE_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn value(data: &Path, file: &str) -> Option<Secret> {
    // A manifest that someone else wrote must not lead out of the directory.
    if file.contains('/') {
        return None;
    }
    let bytes = read_bounded(&data.join(file), MAX_FILE_BYTES).ok()?;
    std::str::from_utf8(&bytes)
        .ok()
        .map(|text| Secret::new(text.to_owned()))
}
