//! Small files that others mount for us.
//!
//! Owns the one way to read them: bounded, and never quoted in an error.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use erpgo_secret_set::Secret;
use zeroize::Zeroizing;

/// The largest token, role id or secret id.
pub(crate) const MAX_CREDENTIAL_BYTES: usize = 16 * 1024;

/// Why a file gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be opened or read.
    #[error("cannot read {}: check the mount and its mode", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than anything of its kind.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// It is empty or not text.
    #[error("{} must hold one line of text", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
    },
}

/// Reads at most `limit` bytes.
///
/// # Errors
/// [`FileError`] when there is no such file or it is larger.
pub(crate) fn read_bounded(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let failed = |source| FileError::Io {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    // One more than the limit tells a file at the limit from one over it.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

/// Reads a token or id: one line, without the white space around it.
///
/// # Errors
/// [`FileError`] when there is no such file, it is larger, or empty, or not printable ASCII.
pub(crate) fn read_credential(path: &Path) -> Result<Secret, FileError> {
    let bytes = read_bounded(path, MAX_CREDENTIAL_BYTES)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(FileError::NotText {
            path: path.to_owned(),
        });
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_one_line_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "abc.def\n").unwrap();
        let secret = read_credential(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(secret.expose_secret(), "abc.def");
    }

    #[test]
    fn what_is_no_credential_is_refused_without_being_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let big = "canary".repeat(MAX_CREDENTIAL_BYTES);
        for content in ["", " \n", "canary\ncanary", "canary canary", &big] {
            std::fs::write(&file, content).unwrap();
            let Err(error) = read_credential(&file) else {
                panic!("accepted {} bytes", content.len());
            };
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
