//! What a conditional write of the document is made of.
//!
//! Owns [`Held`], [`Revision`], [`WriteId`] and [`Written`]. A write names the revision that it was
//! made from and an id that is the same each time the same step is tried, so that a step which
//! crashed in the middle can be tried again without being done twice (I-10).

use erpgo_secret_set::Document;
use sha2::{Digest as _, Sha256};

/// A valid document and where it was in the backend's history.
pub struct Held {
    /// The document.
    pub document: Document,
    /// The write that it came from.
    pub revision: Revision,
}

/// One write of the document, in the backend's own words; compared, never interpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(pub(super) String);

/// Names one write, however often it is tried: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteId(String);

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The document under this revision is from this write or an earlier try of it. Where values are
    /// drawn anew at each try, read it again to know which of them lie there.
    Done(Revision),
    /// Another write came first, or the document is gone: nothing was changed; read again.
    Conflict,
}

impl WriteId {
    /// The id of one step of one rotation.
    #[must_use]
    pub fn derive(rotation: &str, step: &str) -> Self {
        let mut hash = Sha256::new();
        // Each part with its length, so that no two pairs read the same.
        for part in ["erpgo write", rotation, step] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let mut text = hex::encode(hash.finalize());
        text.truncate(32);
        Self(text)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_same_step_has_the_same_id_and_another_has_another(
            rotation in "[a-z0-9-]{0,20}", step in "[a-z]{0,10}", other in "[a-z]{0,10}",
        ) {
            let id = WriteId::derive(&rotation, &step);
            prop_assert_eq!(&id, &WriteId::derive(&rotation, &step));
            prop_assert_eq!(id.as_str().len(), 32);
            if step != other {
                prop_assert_ne!(&id, &WriteId::derive(&rotation, &other));
            }
            let shifted = format!("{rotation}{step}");
            if !step.is_empty() {
                prop_assert_ne!(&id, &WriteId::derive(&shifted, ""));
            }
        }
    }
}
