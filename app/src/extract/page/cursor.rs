//! Where a list goes on.
//!
//! Owns [`encode`], [`decode`] and, for the document, [`Cursor`]. A cursor is opaque to clients: base64 of a
//! checksum and a position. The checksum also covers sort and filter, so that a cursor of another list is
//! refused and not obeyed. It is no signature: a position grants nothing that the list itself does not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

/// Where a list goes on, as the answer before told.
#[derive(ToSchema)]
#[schema(value_type = String, max_length = 2048, pattern = "^[A-Za-z0-9_-]+$")]
#[expect(dead_code, reason = "describes what decode reads")]
pub struct Cursor(String);

/// Longest cursor that is read.
const MAX_LENGTH: usize = 2048;

const TAG: usize = 8;

/// The cursor after `position` in the list that `list` describes.
#[must_use]
pub fn encode(list: &str, position: &[String]) -> String {
    let payload = serde_json::to_vec(position).unwrap_or_default();
    let mut bytes = tag(list, &payload).to_vec();
    bytes.extend(payload);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position that `cursor` names, if it was made by [`encode`] for the same list.
#[must_use]
pub fn decode(list: &str, cursor: &str) -> Option<Vec<String>> {
    if cursor.len() > MAX_LENGTH {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (checked, payload) = bytes.split_at_checked(TAG)?;
    if checked != tag(list, payload) {
        return None;
    }
    serde_json::from_slice(payload).ok()
}

fn tag(list: &str, payload: &[u8]) -> [u8; TAG] {
    let digest = Sha256::new()
        .chain_update("erpgo cursor 1\0")
        .chain_update(list)
        .chain_update([0])
        .chain_update(payload)
        .finalize();
    let mut tag = [0; TAG];
    tag.copy_from_slice(&digest[..TAG]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn p03_a_cursor_that_was_changed_is_refused(
            list in "[a-z=&]{0,20}",
            position in proptest::collection::vec(".{0,20}", 0..3),
            at in any::<proptest::sample::Index>(),
            to in proptest::sample::select(b"ABCDEFxyz019-_=+".to_vec()),
        ) {
            let cursor = encode(&list, &position);
            prop_assert_eq!(decode(&list, &cursor), Some(position));
            prop_assert_eq!(decode(&format!("{list}x"), &cursor), None);
            let mut changed = cursor.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] = to;
            let changed = String::from_utf8(changed).unwrap();
            if changed != cursor {
                prop_assert_eq!(decode(&list, &changed), None);
            }
            prop_assert_eq!(decode(&list, &cursor[..at]), None);
        }

        #[test]
        fn p03_no_text_makes_it_panic(text in ".{0,100}") {
            prop_assert_eq!(decode("", &text), None);
        }
    }
}
