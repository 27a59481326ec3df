//! A secret that lies in a file of its own, on one line.
//!
//! Owns [`read`]. What is read is in no error (I-04); the caller says which file it was.

use std::io::Read as _;
use std::path::Path;

use erpgo_secret_set::Secret;

/// More than any password, URL or verifier has.
const MAX_BYTES: u64 = 4096;

/// Reads the file's one line.
pub(crate) fn read(path: &Path) -> std::io::Result<Secret> {
    // Exact capacity: growing would leave copies of the value behind.
    let mut text = String::with_capacity(4096);
    std::fs::File::open(path)?
        .take(MAX_BYTES)
        .read_to_string(&mut text)?;
    // An editor ends a file with a line break; no password does.
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(Secret::new(text))
}
