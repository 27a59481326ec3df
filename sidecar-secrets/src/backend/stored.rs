//! What a backend holds.

use erpgo_secret_set::Secret;
use zeroize::Zeroizing;

use super::{Reading, Revision};

/// The document at one revision.
pub(super) struct Stored {
    pub(super) document: Secret,
    pub(super) revision: Revision,
}

impl Stored {
    /// What it is to somebody who accepted `known` last.
    pub(super) fn reading(self, known: Option<&Revision>) -> Reading {
        if known == Some(&self.revision) {
            return Reading::Unchanged;
        }
        Reading::Document {
            bytes: Zeroizing::new(self.document.expose_secret().as_bytes().to_vec()),
            revision: self.revision,
        }
    }
}
