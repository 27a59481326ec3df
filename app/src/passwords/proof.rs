//! That somebody knows their password.
//!
//! Owns [`Proven`]. What a password was asked for is done only while it still is the password: between the proof and
//! the write there is time for its owner to change it, and to end the session that asked.

use sqlx::PgConnection;

use crate::auth::hash::StoredHash;
use crate::error::{Code, Error, Result};
use crate::users::domain::User;
use crate::users::hashes;

/// Who has shown that they know their password, and the hash that it was right for.
pub(crate) struct Proven {
    pub(crate) user: User,
    pub(super) hash: StoredHash,
}

impl Proven {
    /// Refuses when the password is another one by now, or the user barred; neither comes to pass from here to the
    /// end of the transaction.
    pub(crate) async fn hold(&self, connection: &mut PgConnection) -> Result<()> {
        if hashes::hold(connection, self.user.id, &self.hash).await? {
            Ok(())
        } else {
            Err(overtaken())
        }
    }
}

/// Not a wrong password: a better hash may have taken the place of the same one, too.
pub(super) fn overtaken() -> Error {
    Error::refused(
        Code::Conflict,
        "your password was stored anew meanwhile, and nothing was done; try again with the one that you have now",
    )
}
