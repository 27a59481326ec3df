//! Events as JSON.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::chain::Stored;
use super::event::Personal;
use crate::subjects::{Subject, SubjectKey};

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventOut {
    /// Id.
    pub id: Uuid,
    /// Order of writing; gaps are writes that were rolled back.
    #[schema(example = 4711)]
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What happened.
    #[schema(example = "auth.signed_in")]
    pub action: String,
    /// `success` or `refused`.
    #[schema(example = "success")]
    pub outcome: String,
    /// Who did it.
    pub actor: Option<Uuid>,
    /// What it was done to.
    #[schema(example = "user:018f0000-0000-7000-8000-000000000000")]
    pub target: Option<String>,
    /// What else is to be known.
    #[schema(value_type = HashMap<String, Value>, example = json!({"locked": false}))]
    pub detail: Value,
    /// The request.
    #[schema(example = "0199f0c4-6a51-7d20-9f2b-3c1d5e7f9a0b")]
    pub request_id: Option<String>,
    /// What tells of a person; null when there is nothing, when `erased`, and, in a person's
    /// export, when it is another person's.
    pub personal: Option<Personal>,
    /// Whether the person's data was erased.
    pub erased: bool,
}

impl EventOut {
    pub(super) fn of(event: Stored, keys: &HashMap<Subject, SubjectKey>) -> Self {
        let personal = event.subject.and_then(|subject| {
            let plain = keys
                .get(&Subject(subject))?
                .open(event.id.as_bytes(), event.sealed.as_deref()?)?;
            serde_json::from_slice(&plain).ok()
        });
        Self {
            erased: event.subject.is_some() && personal.is_none(),
            personal,
            id: event.id,
            seq: event.seq,
            at: event.at,
            action: event.action,
            outcome: event.outcome,
            actor: event.actor,
            target: event.target,
            detail: serde_json::from_str(&event.detail).unwrap_or(Value::Null),
            request_id: event.request_id,
        }
    }
}

/// A part of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventList {
    /// The events.
    pub events: Vec<EventOut>,
    /// Where the next part begins; null at the end.
    #[schema(example = "bVJ4d2Vn…")]
    pub next_cursor: Option<String>,
}
