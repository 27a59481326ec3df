//! The secret set on the tmpfs.
//!
//! Owns the directory that the app reads. A reader that resolves `..data` once sees one whole
//! generation. Values are written here and nowhere else (I-04).
//!
//! ```text
//! secrets/..data -> ..2026_11_24_10_00_00.000000000_g7     flipped by one rename
//! secrets/..2026_…_g7/{jwt.current, …, manifest.json}      0440, written before the flip
//! secrets/jwt.current -> ..data/jwt.current
//! ```

mod restore;
mod tmpfs;

pub(crate) use restore::restore;
pub(crate) use tmpfs::{SinkError, Tmpfs};

// Names within the directory; all that begin with two dots are ours.
const DATA: &str = "..data";
const DATA_TMP: &str = "..data_tmp";
const LINK_TMP: &str = "..link_tmp";
const ACK: &str = "..ack.json";
const ACK_TMP: &str = "..ack_tmp";
const READ: &str = "..read";
