//! Whom a name of nobody looks like.
//!
//! Owns [`place`]. A hash that is compared takes as long as what it was made at, and after that was changed users
//! have theirs at one cost or the other until they sign in again. So each name has a double among the users, the
//! same one on every pod while the pepper stays and nobody comes between, whose cost it has where it is nobody's.
//! Only who knows the pepper can tell which one. A double lends how long it takes and nothing else: it must never be
//! signed in.

use erpgo_secret_set::SecretSet;
use ring::hmac::{Context, HMAC_SHA256, Key};

use crate::limits::Identifier;

/// Tells this from whatever else comes of the pepper.
const PURPOSE: &[u8] = b"erpgo double 1";
/// Bytes of a place: as many as the end of an id has that the users are ordered by for this.
const BYTES: usize = 6;

/// Before whose id's end the double of a name lies, in hexadecimal; as good as drawn.
pub(super) fn place(set: &SecretSet, name: &Identifier) -> String {
    let pepper = &set.keys.pepper.current.value;
    let key = Key::new(HMAC_SHA256, pepper.expose_secret().as_bytes());
    let mut context = Context::with_key(&key);
    context.update(PURPOSE);
    context.update(name.hash().as_bytes());
    hex::encode(&context.sign().as_ref()[..BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::example::set;

    #[test]
    fn the_double_of_a_name_is_the_same_however_it_is_written_and_another_for_each_pepper() {
        let of = |number, name| place(&set(number), &Identifier::of(name));
        let one = of(1, "kim@example.org");
        assert_eq!(one, of(1, " KIM@example.org"));
        assert_ne!(one, of(1, "kin@example.org"));
        assert_ne!(one, of(2, "kim@example.org"));
        assert_eq!(one.len(), 2 * BYTES);
    }
}
