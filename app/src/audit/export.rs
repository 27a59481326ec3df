//! GET /audit/export.
//!
//! Owns the lines: one JSON object each, so that neither side ever holds the whole of it.

use axum::extract::State;
use axum::response::Response;
use futures::StreamExt as _;

use super::query::{Filter, FilterParams};
use super::wire::EventOut;
use super::{Action, AuditRead, Event, read, record};
use crate::attachment::attachment;
use crate::auth::Authorized;
use crate::error::{Error, Result};
use crate::extract::{ApiQuery, Origin};
use crate::state::AppState;

/// Export the audit log as NDJSON, newest first: one event a line. The export is itself noted.
#[utoipa::path(get, path = "/audit/export", tag = "audit", params(FilterParams),
    security(("bearer" = ["audit.read"])),
    responses((status = 200, description = "One event a line", body = EventOut,
        content_type = "application/x-ndjson")))]
pub(super) async fn export_events(
    caller: Authorized<AuditRead>,
    origin: Origin,
    State(state): State<AppState>,
    ApiQuery(mut filter): ApiQuery<Filter>,
) -> Result<Response> {
    let event = Event::of(Action::AuditExported, &origin)
        .by(caller.principal.user)
        .with(filter.describe());
    let after = record::noted_alone(&state.database, &event).await?;
    // What is written from now on is not part of it.
    filter.to = Some(filter.to.unwrap_or(after));
    let lines = read::stream(state.database.clone(), filter).map(|part| lines(&part?));
    let disposition = "attachment; filename=\"audit.ndjson\"";
    Ok(attachment("application/x-ndjson", disposition, lines))
}

fn lines(events: &[EventOut]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for event in events {
        serde_json::to_writer(&mut text, event)
            .map_err(|error| Error::internal("write an event as JSON", error))?;
        text.push(b'\n');
    }
    Ok(text)
}
