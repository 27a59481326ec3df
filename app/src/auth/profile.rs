//! GET and PUT /profile.
//!
//! Owns the tag of the account, which covers what the caller may do: that is shown, too, and follows from more than
//! the account's row.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderName, header};
use serde_json::json;
use sqlx::PgConnection;

use super::wire::{Profile, UpdateProfile};
use super::{Authenticated, InPerson, Principal};
use crate::audit::{self, Action, Event};
use crate::error::{Error, Problem, Result};
use crate::extract::etag::{
    ETag, IfNoneMatch, IfNoneMatchParam, OptionalIfMatch, OptionalIfMatchParam,
};
use crate::extract::{ApiJson, Origin};
use crate::roles::permission::Permission;
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::domain::{PersonName, field};
use crate::users::store::{self, Renamed};
use crate::users::update::differing;

/// Read your own account.
#[utoipa::path(get, path = "/profile", tag = "auth",
    params(IfNoneMatchParam),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Your account", body = Profile,
            headers(("etag" = String, description = "Version of account and permissions, for if-match and if-none-match"))),
        (status = 304, description = "You have this version")))]
pub(super) async fn read_profile(
    Authenticated(caller): Authenticated,
    State(state): State<AppState>,
    known: IfNoneMatch,
) -> Result<Response> {
    let mut connection = state.database.acquire().await?;
    let (tag, profile) = profile(&mut connection, &caller).await?;
    connection.done();
    Ok(known.answer(tag, profile))
}

/// Change your own account. Without If-Match the last write stands, whatever it undoes.
#[utoipa::path(put, path = "/profile", tag = "auth", request_body = UpdateProfile,
    params(OptionalIfMatchParam),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Your account", body = Profile,
            headers(("etag" = String, description = "Version of account and permissions, for if-match"))),
        (status = 412, body = Problem, content_type = "application/problem+json",
            description = "`PRECONDITION_FAILED`: The resource has changed")))]
pub(super) async fn update_profile(
    InPerson {
        principal: caller, ..
    }: InPerson,
    origin: Origin,
    State(state): State<AppState>,
    expected: OptionalIfMatch,
    ApiJson(body): ApiJson<UpdateProfile>,
) -> Result<([(HeaderName, String); 1], Json<Profile>)> {
    let mut faults = Vec::new();
    let first_name = field(&mut faults, "#/first_name", &body.first_name);
    let last_name = field(&mut faults, "#/last_name", &body.last_name);
    let (Some(first_name), Some(last_name)) = (first_name, last_name) else {
        return Err(Error::invalid(faults));
    };
    let work = Rename {
        caller: &caller,
        origin: &origin,
        expected: &expected,
        first_name,
        last_name,
    };
    let (tag, profile) = tx::transaction(&state.database, "change a profile", work).await?;
    Ok(([(header::ETAG, tag.into())], Json(profile)))
}

struct Rename<'a> {
    caller: &'a Principal,
    origin: &'a Origin,
    expected: &'a OptionalIfMatch,
    first_name: PersonName,
    last_name: PersonName,
}

impl Work<(ETag, Profile)> for Rename<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<(ETag, Profile)> {
        let (first_name, last_name) = (&self.first_name, &self.last_name);
        let user = self.caller.user;
        // One statement locks, writes and tells what was there; what must not be replaced is rolled back.
        let replaced = store::rename(connection, user, first_name, last_name).await?;
        self.expected.check(&tag(replaced.version, self.caller))?;
        self.note(connection, &replaced).await?;
        profile(connection, self.caller).await
    }
}

impl Rename<'_> {
    /// As a change by somebody else is noted: the names of the fields alone.
    async fn note(&self, connection: &mut PgConnection, replaced: &Renamed) -> Result<()> {
        let user = self.caller.user;
        let changed = differing([
            ("first_name", replaced.first_name),
            ("last_name", replaced.last_name),
        ]);
        let event = Event::of(Action::UserChanged, self.origin)
            .by(user)
            .on("user", user)
            .with(json!({"changed": changed}));
        audit::record(connection, &event).await
    }
}

fn tag(version: i64, caller: &Principal) -> ETag {
    let permissions = caller.permissions().iter();
    ETag::beside(version, permissions.map(Permission::as_str))
}

async fn profile(connection: &mut PgConnection, caller: &Principal) -> Result<(ETag, Profile)> {
    let user = store::find(connection, caller.user)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let tag = tag(user.version, caller);
    let profile = Profile {
        user: user.into(),
        permissions: caller
            .permissions()
            .iter()
            .map(ToString::to_string)
            .collect(),
    };
    Ok((tag, profile))
}
