//! What is hashed, and how.
//!
//! Owns [`leaf`] and [`link`]: pure. Every field is preceded by its length, so that no two events have
//! one encoding. The personal part is hashed as it was sealed: destroying its key changes no hash.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A SHA-256.
pub type Hash = [u8; 32];

/// What stands before the first link.
pub const GENESIS: Hash = [0; 32];

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Order of writing; gaps are writes that were rolled back.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Id.
    pub id: Uuid,
    /// What happened.
    pub action: String,
    /// How it ended.
    pub outcome: String,
    /// Who did it.
    pub actor: Option<Uuid>,
    /// What it was done to.
    pub target: Option<String>,
    /// What else is to be known, as JSON.
    pub detail: String,
    /// The request.
    pub request_id: Option<String>,
    /// Whose key seals the personal part.
    pub subject: Option<Uuid>,
    /// The personal part, sealed.
    pub sealed: Option<Vec<u8>>,
}

/// The hash of one event.
#[must_use]
pub fn leaf(event: &Stored) -> Hash {
    let mut digest = Sha256::new_with_prefix(b"erpgo audit event 1\0");
    let fields: [Option<&[u8]>; 11] = [
        Some(&event.seq.to_be_bytes()),
        Some(&event.at.as_microsecond().to_be_bytes()),
        Some(event.id.as_bytes()),
        Some(event.action.as_bytes()),
        Some(event.outcome.as_bytes()),
        event.actor.as_ref().map(|id| &id.as_bytes()[..]),
        event.target.as_deref().map(str::as_bytes),
        Some(event.detail.as_bytes()),
        event.request_id.as_deref().map(str::as_bytes),
        event.subject.as_ref().map(|id| &id.as_bytes()[..]),
        event.sealed.as_deref(),
    ];
    for field in fields {
        match field {
            // No field is this long.
            None => digest.update(u64::MAX.to_be_bytes()),
            Some(bytes) => {
                digest.update((bytes.len() as u64).to_be_bytes());
                digest.update(bytes);
            }
        }
    }
    digest.finalize().into()
}

/// The hash of the link at `position`, which seals all links before it.
#[must_use]
pub fn link(previous: &Hash, position: i64, leaf: &Hash) -> Hash {
    Sha256::new_with_prefix(b"erpgo audit link 1\0")
        .chain_update(previous)
        .chain_update(position.to_be_bytes())
        .chain_update(leaf)
        .finalize()
        .into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::audit) fn stored() -> impl Strategy<Value = Stored> {
        (
            (any::<i64>(), 0i64..4_000_000_000_000_000, any::<u128>()),
            ("[a-z.]{1,12}", "success|refused", "\\PC{0,20}"),
            (
                proptest::option::of(any::<u128>()),
                proptest::option::of("[a-z:]{0,8}"),
                proptest::option::of("[a-z:]{0,8}"),
                proptest::option::of((
                    any::<u128>(),
                    proptest::collection::vec(any::<u8>(), 0..20),
                )),
            ),
        )
            .prop_map(
                |(
                    (seq, at, id),
                    (action, outcome, detail),
                    (actor, target, request_id, sealed),
                )| Stored {
                    seq,
                    at: Timestamp::from_microsecond(at).unwrap(),
                    id: Uuid::from_u128(id),
                    action,
                    outcome,
                    actor: actor.map(Uuid::from_u128),
                    target,
                    detail,
                    request_id,
                    subject: sealed.as_ref().map(|(id, _)| Uuid::from_u128(*id)),
                    sealed: sealed.map(|(_, bytes)| bytes),
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn p16_different_events_have_different_leaves(a in stored(), b in stored()) {
            prop_assert_eq!(a == b, leaf(&a) == leaf(&b));
            // Text that moves from one field to the next is another event.
            let mut moved = a.clone();
            moved.target = a.request_id.clone();
            moved.request_id = a.target.clone();
            prop_assert_eq!(moved == a, leaf(&moved) == leaf(&a));
        }

        #[test]
        fn p16_a_link_depends_on_everything_before_it(a in any::<Hash>(), b in any::<Hash>(), n in 1i64..1000) {
            prop_assert_eq!(a == b, link(&a, n, &GENESIS) == link(&b, n, &GENESIS));
            prop_assert_eq!(a == b, link(&GENESIS, n, &a) == link(&GENESIS, n, &b));
            prop_assert_ne!(link(&a, n, &b), link(&a, n + 1, &b));
        }
    }
}
