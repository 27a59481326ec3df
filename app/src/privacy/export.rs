//! GET /profile/export and GET /users/{id}/export.

use axum::extract::State;
use axum::response::Response;
use futures::{StreamExt as _, stream};
use sqlx::PgConnection;

use super::UsersExport;
use super::wire::PersonOut;
use crate::api_keys;
use crate::attachment::attachment;
use crate::audit::read::stream as events;
use crate::audit::wire::EventOut;
use crate::audit::{self, Action, Event, Filter};
use crate::auth::{Authorized, InPerson};
use crate::error::{Error, Result};
use crate::extract::{ApiPath, Origin};
use crate::mail;
use crate::second_factor;
use crate::sessions;
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::{UserId, store as users};

/// Export everything that is known of you.
#[utoipa::path(get, path = "/profile/export", tag = "auth",
    security(("bearer" = [])),
    responses((status = 200, description = "Your data", body = PersonOut)))]
pub(super) async fn export_profile(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
) -> Result<Response> {
    let event = Event::of(Action::UserExported, &origin).by(caller.principal.user);
    export(&state, caller.principal.user, event).await
}

/// Export everything that is known of a user.
#[utoipa::path(get, path = "/users/{id}/export", tag = "users",
    params(("id" = UserId, Path, description = "Id of the user")),
    security(("bearer" = ["users.export"])),
    responses((status = 200, description = "The user's data", body = PersonOut)))]
pub(super) async fn export_user(
    caller: Authorized<UsersExport>,
    origin: Origin,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<Response> {
    let event = Event::of(Action::UserExported, &origin).by(caller.principal.user);
    export(&state, id, event).await
}

async fn export(state: &AppState, user: UserId, event: Event) -> Result<Response> {
    let work = Export {
        user,
        event: event.on("user", user),
    };
    let head = tx::transaction(&state.database, "export a person's data", work).await?;
    let filter = Filter {
        about: Some(user),
        // The events end with the one of this export.
        to: Some(head.exported_at),
        ..Filter::default()
    };
    let opening = opening(&head)?;
    let mut first = true;
    let parts = events(state.database.clone(), filter).map(move |part| {
        let text = elements(&part?, std::mem::take(&mut first))?;
        Ok::<_, Error>(text)
    });
    let body = stream::once(async { Ok(opening) })
        .chain(parts)
        .chain(stream::once(async { Ok(b"]}".to_vec()) }));
    let disposition = "attachment; filename=\"personal-data.json\"";
    Ok(attachment("application/json", disposition, body))
}

struct Export {
    user: UserId,
    event: Event,
}

/// All but the events, which are too many for one answer in memory; and the note of it.
impl Work<PersonOut> for Export {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<PersonOut> {
        let user = self.user;
        let account = users::find(connection, user).await?;
        let account = account.ok_or_else(|| Error::not_found("user"))?;
        let second_factor = second_factor::state(connection, user).await?;
        let sessions = sessions::export::everything(connection, user).await?;
        let api_keys = api_keys::export::everything(connection, user).await?;
        let mails = mail::export::mails(connection, user).await?;
        let email_tokens = mail::export::tokens(connection, user).await?;
        Ok(PersonOut {
            exported_at: audit::noted(connection, &self.event).await?,
            account: account.into(),
            second_factor,
            sessions,
            api_keys,
            mails,
            email_tokens,
            events: Vec::new(),
        })
    }
}

/// The document up to its first event: `events` is the last field, and empty.
fn opening(head: &PersonOut) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(head)
        .map_err(|error| Error::internal("write a person's data as JSON", error))?;
    text.truncate(text.len().saturating_sub(2));
    Ok(text)
}

fn elements(events: &[EventOut], mut first: bool) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for event in events {
        if !std::mem::take(&mut first) {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, event)
            .map_err(|error| Error::internal("write an event as JSON", error))?;
    }
    Ok(text)
}
