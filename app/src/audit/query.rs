//! What is searched for.
//!
//! Owns [`Filter`] and its parameters. A parameter that is unknown or not understood is refused.

use jiff::Timestamp;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::Action;
use crate::extract::page::cursor::{self, Cursor};
use crate::extract::page::limit;
use crate::extract::{FromQuery, Params, moment};
use crate::users::UserId;

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// What happened.
    pub action: Option<Action>,
    /// Who did it.
    pub actor: Option<UserId>,
    /// What it was done to.
    pub target: Option<String>,
    /// Who did it or had it done to them; what is personal is then theirs alone.
    pub about: Option<UserId>,
    /// Not earlier.
    pub from: Option<Timestamp>,
    /// Earlier.
    pub to: Option<Timestamp>,
}

impl Filter {
    /// The filter in words, for the event of its use and for cursors.
    pub(super) fn describe(&self) -> Value {
        json!({
            "action": self.action.map(Action::as_str),
            "actor": self.actor,
            "target": self.target,
            "from": self.from,
            "to": self.to,
        })
    }
}

impl FromQuery for Filter {
    fn read(params: &mut Params) -> Self {
        let target = params.take("target");
        if target.as_ref().is_some_and(|text| !is_target(text)) {
            params.fault(
                "target",
                "invalid_value",
                "must be a kind and an id, such as user:018f…",
            );
        }
        Self {
            action: params.take_parsed::<Action>(
                "action",
                "must be the name of an action, such as auth.signed_in",
            ),
            actor: params.take_parsed("actor", "must be the id of a user"),
            target,
            about: None,
            from: moment::take(params, "from"),
            to: moment::take(params, "to"),
        }
    }
}

fn is_target(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:*".contains(c);
    let named = text.split_once(':');
    let is_whole = named.is_some_and(|(kind, id)| !kind.is_empty() && !id.is_empty());
    is_whole && text.len() <= 128 && text.chars().all(plain)
}

/// Parameters of a search, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what Filter reads")]
pub(super) struct FilterParams {
    /// What happened, such as `auth.signed_in`.
    #[param(inline, example = "auth.sign_in_failed")]
    action: Option<Action>,
    /// Id of the user who did it.
    actor: Option<uuid::Uuid>,
    /// What it was done to: a kind and an id.
    #[param(
        example = "user:018f0000-0000-7000-8000-000000000000",
        max_length = 128,
        pattern = "^[A-Za-z0-9_.*-]+:[A-Za-z0-9_.:*-]+$"
    )]
    target: Option<String>,
    /// Not earlier than this.
    #[param(format = DateTime, example = "2026-01-01T00:00:00Z")]
    from: Option<String>,
    /// Earlier than this.
    #[param(format = DateTime, example = "2027-01-01T00:00:00Z")]
    to: Option<String>,
}

/// Parameters of a part of the list, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what ListQuery reads")]
pub(super) struct PartParams {
    /// `next_cursor` of the part before.
    #[param(inline)]
    cursor: Option<Cursor>,
    /// Events in this part.
    #[param(default = 20, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// One part of the list.
pub(super) struct ListQuery {
    pub(super) filter: Filter,
    pub(super) before: Option<i64>,
    pub(super) limit: u32,
}

impl ListQuery {
    /// The cursor of what comes after the event `seq`.
    pub(super) fn cursor_after(&self, seq: i64) -> String {
        cursor::encode(&list(&self.filter), &[seq.to_string()])
    }
}

fn list(filter: &Filter) -> String {
    format!("audit {}", filter.describe())
}

impl FromQuery for ListQuery {
    fn read(params: &mut Params) -> Self {
        let filter = Filter::read(params);
        let before = params.take("cursor").and_then(|text| {
            let seq = cursor::decode(&list(&filter), &text).and_then(|at| at.first()?.parse().ok());
            if seq.is_none() {
                params.fault(
                    "cursor",
                    "invalid_value",
                    "must be next_cursor of the same search",
                );
            }
            seq
        });
        Self {
            before,
            limit: limit(params),
            filter,
        }
    }
}
