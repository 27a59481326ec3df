//! GET /api-keys.

use axum::Json;
use axum::extract::State;

use super::store;
use super::wire::{ApiKeyList, ApiKeyOut};
use crate::auth::InPerson;
use crate::error::Result;
use crate::state::AppState;

/// List your API keys, newest first; the keys themselves are stored nowhere.
#[utoipa::path(get, path = "/api-keys", tag = "api-keys",
    security(("bearer" = [])),
    responses((status = 200, description = "Your keys", body = ApiKeyList)))]
pub(super) async fn list_api_keys(
    caller: InPerson,
    State(state): State<AppState>,
) -> Result<Json<ApiKeyList>> {
    let mut connection = state.database.acquire().await?;
    let keys = store::list(&mut connection, caller.principal.user).await?;
    connection.done();
    Ok(Json(ApiKeyList {
        api_keys: keys.into_iter().map(ApiKeyOut::from).collect(),
    }))
}
