//! POST /auth/change-password.
//!
//! Owns the order: the current password is checked, and its failures counted and told of like those of a
//! sign-in, so that a stolen session is no way to guess it.

use axum::extract::State;
use erpgo_secret_set::Secret;
use http::StatusCode;
use sqlx::PgConnection;

use super::proof::{Proven, overtaken};
use super::wire::{ChangePassword, check};
use crate::audit::{self, Action, Event};
use crate::auth::failure::{Failure, Step};
use crate::auth::hash::{StoredHash, Verdict};
use crate::auth::{InPerson, revoke, unattended};
use crate::error::{Error, Result};
use crate::extract::{ApiJson, Origin};
use crate::limits::Identifier;
use crate::mail::{self, Message, Purpose, To};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::domain::User;
use crate::users::{SessionId, UserId, hashes, store as users};

/// Change your password; every other session of yours ends, and every code to reset it.
#[utoipa::path(post, path = "/auth/change-password", tag = "passwords", request_body = ChangePassword,
    security(("bearer" = [])),
    responses((status = 204, description = "The password is changed")))]
pub(super) async fn change_password(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<ChangePassword>,
) -> Result<StatusCode> {
    let id = caller.principal.user;
    let proven = prove(&state, &origin, id, body.current_password).await?;
    let new = check(&state, body.new_password, &proven.user).await?;
    let set = state.keyring.current();
    let hash = state.hasher.hash(set, new.into_secret()).await?;
    let work = Change {
        user: &proven.user,
        verified: Some(&proven.hash),
        keep: Some(caller.session),
        hash: &hash,
        event: Event::of(Action::PasswordChanged, &origin)
            .by(id)
            .on("user", id),
    };
    tx::transaction(&state.database, "change a password", work).await?;
    state.sessions.changed(&[id]).await;
    tracing::info!(user_id = %id, "the password was changed");
    Ok(StatusCode::NO_CONTENT)
}

/// The user, if `password` is theirs; failures lock like those of a sign-in.
pub(crate) async fn prove(
    state: &AppState,
    origin: &Origin,
    id: UserId,
    password: Secret,
) -> Result<Proven> {
    let (user, stored) = {
        let mut connection = state.database.acquire().await?;
        let user = users::find(&mut connection, id).await?;
        let user = user.ok_or_else(|| Error::not_found("user"))?;
        (user, hashes::password_hash(&mut connection, id).await?)
        // The connection goes back here: nothing waits in the pool for the hash below.
    };
    let work = attempt(state.clone(), origin.clone(), user, stored, password);
    unattended::run(work).await
}

/// All that follows from an attempt at the user's password, from its count on.
async fn attempt(
    state: AppState,
    origin: Origin,
    user: User,
    stored: Option<StoredHash>,
    password: Secret,
) -> Result<Proven> {
    let identifier = Identifier::of(&user.email);
    let attempt = state.logins.attempt(&identifier).await;
    let stored = stored.filter(|_| attempt.allowed);
    let set = state.keyring.current();
    let limit = state.settings.http.request_timeout;
    let verdict = state.hasher.verify(set, password, stored.clone());
    match (unattended::in_time(limit, verdict).await, stored) {
        (Ok(Verdict::Right | Verdict::RightAndStale(_)), Some(hash)) => {
            state.logins.forgive(&identifier).await;
            Ok(Proven { user, hash })
        }
        (Ok(_), _) => {
            let failure = Failure {
                step: Step::Confirmation,
                typed: &user.email,
                owner: Some(user.id),
                attempt,
                origin: &origin,
            };
            failure.tell(&state).await?;
            Err(failure.refusal(
                "the current password is wrong; after too many failures it is not asked until unlock_at",
            ))
        }
        (Err(error), _) => {
            state.logins.release(&identifier, attempt).await;
            Err(error)
        }
    }
}

/// The new hash, the end of codes and sessions, and the notice: all or none.
pub(super) struct Change<'a> {
    pub(super) user: &'a User,
    /// The hash that the password of before was right for, if it was asked for.
    pub(super) verified: Option<&'a StoredHash>,
    pub(super) keep: Option<SessionId>,
    pub(super) hash: &'a StoredHash,
    pub(super) event: Event,
}

impl Work<()> for Change<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        let id = self.user.id;
        // Before the user's row, as a reset locks them: whoever reads a mail of before has no say in it any more.
        mail::spend(connection, Purpose::PasswordReset, id).await?;
        if !hashes::set_password(connection, id, self.hash, self.verified).await? {
            if self.verified.is_some() {
                return overtaken(connection, id).await;
            }
            return Err(Error::not_found("user"));
        }
        revoke::all_but(connection, id, self.keep, revoke::Reason::Password).await?;
        audit::record(connection, &self.event).await?;
        let to = To::User(id, &self.user.email);
        mail::enqueue(connection, to, &Message::PasswordChanged).await
    }
}
