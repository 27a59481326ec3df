//! GET /audit.

use axum::Json;
use axum::extract::State;

use super::query::{FilterParams, ListQuery, PartParams};
use super::wire::EventList;
use super::{Action, AuditRead, Event, read, record};
use crate::auth::Authorized;
use crate::error::Result;
use crate::extract::{ApiQuery, Origin, page};
use crate::state::AppState;

/// Search the audit log, newest first. The search is itself noted.
#[utoipa::path(get, path = "/audit", tag = "audit", params(FilterParams, PartParams),
    security(("bearer" = ["audit.read"])),
    responses((status = 200, description = "A part of the audit log", body = EventList)))]
pub(super) async fn list_events(
    caller: Authorized<AuditRead>,
    origin: Origin,
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<EventList>> {
    let event = Event::of(Action::AuditRead, &origin)
        .by(caller.principal.user)
        .with(query.filter.describe());
    let mut connection = state.database.acquire().await?;
    let part = i64::from(query.limit) + 1;
    let mut events = read::part(&mut connection, &query.filter, query.before, part).await?;
    let more = page::cut(&mut events, query.limit);
    record::record(&mut connection, &event).await?;
    let last = events.last().filter(|_| more);
    Ok(Json(EventList {
        next_cursor: last.map(|last| query.cursor_after(last.seq)),
        events,
    }))
}
