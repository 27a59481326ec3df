//! Keys of persons.
//!
//! Owns the table `subject_keys` and [`SubjectKey`]. What is sealed under a person's key is unreadable
//! for ever once [`destroy`] has removed it, wherever the sealed bytes lie: that is how a record that
//! nobody may change can still forget a person. A tombstone in its place keeps whoever was at work on the
//! person meanwhile from making another one; it goes when no record of them is left ([`bury`]). A key
//! leaves this module only inside of a [`SubjectKey`], which shows nothing of itself (I-04).

mod store;

use uuid::Uuid;

use crate::users::UserId;

pub use crate::cipher::Cipher as SubjectKey;
pub use store::{bury, destroy, discard, key, keys, prepare};

/// Whose key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub Uuid);

impl From<UserId> for Subject {
    fn from(user: UserId) -> Self {
        Self(user.0)
    }
}
