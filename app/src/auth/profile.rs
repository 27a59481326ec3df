//! GET and PUT /profile.

use axum::Json;
use axum::extract::State;

use super::wire::{Profile, UpdateProfile};
use super::{Authenticated, InPerson, Principal};
use crate::error::{Error, Result};
use crate::extract::ApiJson;
use crate::state::AppState;
use crate::users::domain::field;
use crate::users::store;

/// Read your own account.
#[utoipa::path(get, path = "/profile", tag = "auth",
    security(("bearer" = [])),
    responses((status = 200, description = "Your account", body = Profile)))]
pub(super) async fn read_profile(
    Authenticated(caller): Authenticated,
    State(state): State<AppState>,
) -> Result<Json<Profile>> {
    let mut connection = state.database.acquire().await?;
    let profile = profile(&mut connection, &caller).await?;
    connection.done();
    Ok(Json(profile))
}

/// Change your own account.
#[utoipa::path(put, path = "/profile", tag = "auth", request_body = UpdateProfile,
    security(("bearer" = [])),
    responses((status = 200, description = "Your account", body = Profile)))]
pub(super) async fn update_profile(
    InPerson {
        principal: caller, ..
    }: InPerson,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<UpdateProfile>,
) -> Result<Json<Profile>> {
    let mut faults = Vec::new();
    let first_name = field(&mut faults, "#/first_name", &body.first_name);
    let last_name = field(&mut faults, "#/last_name", &body.last_name);
    let (Some(first_name), Some(last_name)) = (first_name, last_name) else {
        return Err(Error::invalid(faults));
    };
    let mut connection = state.database.acquire().await?;
    store::rename(&mut connection, caller.user, &first_name, &last_name).await?;
    profile(&mut connection, &caller).await.map(Json)
}

async fn profile(connection: &mut sqlx::PgConnection, caller: &Principal) -> Result<Profile> {
    let user = store::find(connection, caller.user)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    Ok(Profile {
        user: user.into(),
        permissions: caller
            .permissions()
            .iter()
            .map(ToString::to_string)
            .collect(),
    })
}
