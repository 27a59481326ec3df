//! A pair of tokens for one session.
//!
//! Owns what login and refresh have in common: claims, signatures and the answer.

use erpgo_secret_set::SecretSet;
use jiff::Timestamp;
use sqlx::PgConnection;

use super::hash::StoredHash;
use super::token::{self, Claims, Issued, Kind, Subject};
use super::wire::SignedIn;
use super::{revoke, store};
use crate::audit::{self, Action, Event};
use crate::config::AuthSettings;
use crate::error::{Error, Result};
use crate::extract::{Device, Origin};
use crate::users::{SessionId, UserId, store as users};

/// Sessions a user may have at once; the oldest ends when another begins.
const MAX_SESSIONS: i64 = 20;

/// Who asks for a session: the device that holds it, and the origin that the audit log notes.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) device: &'a Device,
    pub(super) origin: &'a Origin,
}

/// Whose session it is to be.
#[derive(Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) user: UserId,
    /// The hash that their password was right for, if it was asked for just now.
    pub(super) verified: Option<&'a StoredHash>,
}

/// Opens a session for the holder, and notes the sign-in; the caller commits. None when they may no longer
/// sign in, or no longer with this password.
pub(super) async fn session(
    connection: &mut PgConnection,
    set: &SecretSet,
    settings: &AuthSettings,
    holder: Holder<'_>,
    client: Client<'_>,
) -> Result<Option<SignedIn>> {
    let user = holder.user;
    let subject = Subject {
        user,
        session: SessionId::new(),
    };
    let refresh = refresh(set, settings, subject)?;
    let opened = store::open(connection, &refresh.claims, client.device, holder.verified);
    if !opened.await? {
        return Ok(None);
    }
    store::keep(connection, &refresh, None).await?;
    revoke::excess(connection, user, MAX_SESSIONS).await?;
    let event = Event::of(Action::SignedIn, client.origin)
        .by(user)
        .on("session", subject.session);
    audit::record(connection, &event).await?;
    answer(connection, set, settings, refresh).await.map(Some)
}

/// A refresh token for `subject`, not stored yet.
pub(super) fn refresh(
    set: &SecretSet,
    settings: &AuthSettings,
    subject: Subject,
) -> Result<Issued> {
    let now = Timestamp::now();
    let claims = Claims::new(
        Kind::Refresh,
        &settings.issuer,
        subject,
        now,
        settings.refresh_ttl,
    );
    token::issue(Kind::Refresh, set, claims)
}

/// The answer to whoever holds `refresh` from now on.
pub(super) async fn answer(
    connection: &mut PgConnection,
    set: &SecretSet,
    settings: &AuthSettings,
    refresh: Issued,
) -> Result<SignedIn> {
    let subject = Subject {
        user: refresh.claims.sub,
        session: refresh.claims.sid,
    };
    let now = Timestamp::now();
    let claims = Claims::new(
        Kind::Access,
        &settings.issuer,
        subject,
        now,
        settings.access_ttl,
    );
    let access = token::issue(Kind::Access, set, claims)?;
    let user = users::find(connection, subject.user)
        .await?
        .ok_or_else(|| Error::internal("read the signed-in user", "it is not there"))?;
    let expires_at = Timestamp::from_second(access.claims.exp)
        .map_err(|error| Error::internal("read a token's time", error))?;
    Ok(SignedIn {
        access_token: access.token,
        refresh_token: refresh.token,
        token_type: "Bearer",
        expires_at,
        user: user.into(),
    })
}
