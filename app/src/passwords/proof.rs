//! That somebody knows their password.
//!
//! Owns [`Proven`]. What a password was asked for is done only while it still is the password: between the proof and
//! the write there is time for its owner to change it, and to end the session that asked.

use sqlx::PgConnection;

use crate::auth::hash::StoredHash;
use crate::error::{Code, Error, Result};
use crate::users::domain::User;
use crate::users::{UserId, hashes, store as users};

/// Who has shown that they know their password, and the hash that it was right for.
pub(crate) struct Proven {
    pub(crate) user: User,
    pub(super) hash: StoredHash,
}

impl Proven {
    /// Refuses when the password is another one by now, or the user barred or gone; neither comes to pass from here
    /// to the end of the transaction.
    pub(crate) async fn hold(&self, connection: &mut PgConnection) -> Result<()> {
        let user = self.user.id;
        if hashes::hold(connection, user, &self.hash).await? {
            return Ok(());
        }
        overtaken(connection, user).await
    }
}

/// What is told when the hash of `user` is not the one that was verified: TOKEN_REVOKED to whoever may not sign in
/// any more. Not a wrong password: a better hash may have taken the place of the same one, too.
pub(super) async fn overtaken(connection: &mut PgConnection, user: UserId) -> Result<()> {
    users::hold(connection, user).await?;
    Err(Error::refused(
        Code::Conflict,
        "your password was stored anew meanwhile, and nothing was done; try again with the one that you have now",
    ))
}
