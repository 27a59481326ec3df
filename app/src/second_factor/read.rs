//! GET /auth/second-factor.

use axum::Json;
use axum::extract::State;

use super::store;
use super::wire::SecondFactor;
use crate::auth::InPerson;
use crate::error::Result;
use crate::state::AppState;

/// Whether your sign-in asks for a second factor.
#[utoipa::path(get, path = "/auth/second-factor", tag = "second-factor",
    security(("bearer" = [])),
    responses((status = 200, description = "Your second factor", body = SecondFactor)))]
pub(super) async fn read_second_factor(
    caller: InPerson,
    State(state): State<AppState>,
) -> Result<Json<SecondFactor>> {
    let mut connection = state.database.acquire().await?;
    store::state(&mut connection, caller.principal.user)
        .await
        .map(Json)
}
