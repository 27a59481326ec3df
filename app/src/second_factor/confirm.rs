//! POST /auth/second-factor/confirm.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use sqlx::PgConnection;

use super::wire::{Confirmation, RecoveryCodes};
use super::{recovery, store, totp};
use crate::audit::{self, Action, Event};
use crate::auth::InPerson;
use crate::error::{Code, Error, FieldError, Result};
use crate::extract::{ApiJson, Origin};
use crate::mail::{self, Message, To};
use crate::state::AppState;
use crate::tx::{self, Work};
use crate::users::{UserId, store as users};

/// Switch your second factor on with a code that the app shows. The recovery codes are shown this once.
#[utoipa::path(post, path = "/auth/second-factor/confirm", tag = "second-factor",
    request_body = Confirmation, security(("bearer" = [])),
    responses((status = 200, description = "It is on; keep the recovery codes", body = RecoveryCodes)))]
pub(super) async fn confirm_second_factor(
    caller: InPerson,
    origin: Origin,
    State(state): State<AppState>,
    ApiJson(body): ApiJson<Confirmation>,
) -> Result<Json<RecoveryCodes>> {
    let user = caller.principal.user;
    let recovery_codes =
        recovery::draw().map_err(|error| Error::internal("draw recovery codes", error))?;
    let work = Confirm {
        user,
        code: body.code.expose_secret(),
        recovery: recovery_codes
            .iter()
            .filter_map(|code| recovery::digest(code))
            .collect(),
        origin: &origin,
    };
    tx::transaction(&state.database, "confirm a second factor", work).await?;
    tracing::info!(user_id = %user, "a second factor was switched on");
    Ok(Json(RecoveryCodes { recovery_codes }))
}

struct Confirm<'a> {
    user: UserId,
    code: &'a str,
    recovery: Vec<[u8; 32]>,
    origin: &'a Origin,
}

impl Work<()> for Confirm<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        let factor = store::lock(connection, self.user).await?;
        let factor = factor.filter(|factor| !factor.confirmed).ok_or_else(|| {
            Error::refused(Code::Conflict, "there is nothing to confirm; enrol first")
        })?;
        let step = totp::matching_step(&factor.secret, self.code, Timestamp::now())?;
        let step = step.ok_or_else(|| {
            Error::invalid(vec![FieldError::new(
                "#/code",
                "invalid_code",
                "is not the code that the app shows now; check the clock of its device",
            )])
        })?;
        store::confirm(connection, self.user, step, &self.recovery).await?;
        tell(connection, self.user, self.origin, true).await
    }
}

/// Notes that the factor was switched on or off, and writes so to the owner.
pub(super) async fn tell(
    connection: &mut PgConnection,
    user: UserId,
    origin: &Origin,
    enabled: bool,
) -> Result<()> {
    let event = Event::of(Action::SecondFactorChanged, origin)
        .by(user)
        .on("user", user)
        .with(serde_json::json!({"enabled": enabled}));
    audit::record(connection, &event).await?;
    let contact = users::contact(connection, user).await?;
    let contact = contact.ok_or_else(|| Error::not_found("user"))?;
    let to = To::User(user, &contact.email);
    mail::enqueue(connection, to, &Message::SecondFactor { enabled }).await
}
