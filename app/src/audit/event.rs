//! One event, before it is written.
//!
//! Owns [`Event`] and [`Personal`]. What tells of a person goes into [`Personal`] and nowhere else:
//! the rest is kept in clear for a year, and nobody can take it back.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Action, Outcome};
use crate::extract::Origin;
use crate::subjects::Subject;
use crate::users::UserId;

/// What tells of a person; it is sealed under that person's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Personal {
    /// The e-mail that was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ann@example.org")]
    pub email: Option<String>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "192.0.2.7")]
    pub ip: Option<String>,
    /// What the client called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0")]
    pub agent: Option<String>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    pub(super) action: Action,
    pub(super) outcome: Outcome,
    pub(super) actor: Option<UserId>,
    pub(super) target: Option<String>,
    pub(super) detail: Value,
    pub(super) request_id: Option<String>,
    pub(super) subject: Option<Subject>,
    pub(super) personal: Personal,
}

impl Event {
    /// `action` took place at the request of somebody at `origin` who is not known yet.
    #[must_use]
    pub fn of(action: Action, origin: &Origin) -> Self {
        Self {
            action,
            outcome: Outcome::Success,
            actor: None,
            target: None,
            detail: Value::Object(serde_json::Map::new()),
            request_id: origin.request_id.clone(),
            subject: None,
            personal: Personal {
                email: None,
                ip: Some(origin.ip.to_string()),
                agent: origin.agent.clone(),
            },
        }
    }

    /// `action` is the program's own: it has neither an address nor anything else of a person.
    #[must_use]
    pub fn of_program(action: Action) -> Self {
        Self::of(action, &Origin::program()).without_personal()
    }

    /// Who did it; what is personal is theirs.
    #[must_use]
    pub fn by(mut self, actor: UserId) -> Self {
        self.actor = Some(actor);
        self.subject = Some(actor.into());
        self
    }

    /// What it was done to, such as `user` and an id.
    #[must_use]
    pub fn on(mut self, kind: &str, id: impl std::fmt::Display) -> Self {
        self.target = Some(format!("{kind}:{id}"));
        self
    }

    /// What else is to be known; nothing personal, and nothing secret.
    #[must_use]
    pub fn with(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// It was refused.
    #[must_use]
    pub fn refused(mut self) -> Self {
        self.outcome = Outcome::Refused;
        self
    }

    /// Nobody has proved who they are: `typed` is the e-mail given, `owner` whose it is, if anybody's.
    #[must_use]
    pub fn claimed(mut self, typed: &str, owner: Option<UserId>) -> Self {
        self.personal.email = Some(typed.chars().take(254).collect());
        self.subject = owner.map(Subject::from);
        if let Some(owner) = owner {
            self = self.on("user", owner);
        }
        self
    }

    /// Leaves out what is personal: for the event of an erasure, which must outlive the key.
    #[must_use]
    pub fn without_personal(mut self) -> Self {
        self.personal = Personal::default();
        self.subject = None;
        self
    }

    /// Whose personal data it holds, if any.
    pub(super) fn subject(&self, today: Date) -> Option<Subject> {
        let empty = self.personal == Personal::default();
        (!empty).then(|| self.subject.unwrap_or_else(|| nobody(today)))
    }
}

/// Whose key seals what belongs to no user: one a month, destroyed with that month's events.
pub(super) fn nobody(day: Date) -> Subject {
    let name = format!("erpgo audit nobody {:04}-{:02}", day.year(), day.month());
    let digest = Sha256::digest(name);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Subject(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// A new event's id.
pub(super) fn id() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn what_belongs_to_nobody_has_one_key_a_month() {
        assert_eq!(nobody(date(2026, 11, 1)), nobody(date(2026, 11, 30)));
        assert_ne!(nobody(date(2026, 11, 1)), nobody(date(2026, 12, 1)));
        assert_ne!(nobody(date(2026, 11, 1)), nobody(date(2025, 11, 1)));
    }

    #[test]
    fn personal_data_is_the_actors_or_the_claimed_owners() {
        let day = date(2026, 11, 1);
        let (ann, origin) = (UserId::new(), Origin::program());
        let event = Event::of(Action::SignedIn, &origin).by(ann);
        assert_eq!(event.subject(day), Some(ann.into()));
        let failed = Event::of(Action::SignInFailed, &origin).claimed("x@example.org", None);
        assert_eq!(failed.subject(day), Some(nobody(day)));
        let erased = Event::of(Action::UserErased, &origin)
            .by(ann)
            .without_personal();
        assert_eq!((erased.subject(day), erased.actor), (None, Some(ann)));
    }
}
