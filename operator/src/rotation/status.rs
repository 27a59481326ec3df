//! The record as the resource's status has it.
//!
//! Owns the two directions. A status that somebody garbled is taken for none: what is under way is
//! then taken up again from the document.

use erpgo_crds::RotationStatus;

use super::record::Record;

impl Record {
    /// What the status remembers.
    #[must_use]
    pub fn of(status: Option<&RotationStatus>) -> Self {
        let read = status.and_then(|status| serde_json::to_value(status).ok());
        let read = read.and_then(|json| serde_json::from_value(json).ok());
        read.unwrap_or_default()
    }

    /// What the status is to remember.
    #[must_use]
    pub fn to_status(&self) -> RotationStatus {
        // The two have the same fields, as the test below shows.
        let json = serde_json::to_value(self).unwrap_or_default();
        serde_json::from_value(json).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::{Active, Finished, KeyRecord, Missing, Outcome, Removed, Step, Turn};
    use erpgo_secret_set::{Generation, KeyName, Kid};
    use jiff::Timestamp;

    #[test]
    fn a_record_survives_the_status_and_the_wire() {
        let kid = |text: &str| Kid::try_from(text.to_owned()).unwrap();
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let record = Record {
            keys: vec![KeyRecord {
                key: KeyName::Jwt,
                kid: kid("jwt-2"),
                created_at: at,
                next: Some(kid("jwt-3")),
                previous: Some(kid("jwt-1")),
                switched_at: Some(at),
            }],
            active: Some(Active {
                id: "r3-1".into(),
                reason: "test".into(),
                keys: vec![
                    Turn {
                        key: KeyName::Jwt,
                        from: Some(kid("jwt-2")),
                    },
                    Turn {
                        key: KeyName::Redis,
                        from: None,
                    },
                ],
                step: Step::Promote,
                begun_at: at,
                since: at,
                revoke: true,
                trouble: Some("none".into()),
                acknowledged: 1,
                total: 2,
                missing: vec![Missing {
                    pod: "p".into(),
                    reason: "r".into(),
                }],
            }),
            removed: vec![Removed {
                key: KeyName::Redis,
                kid: kid("redis-1"),
                generation: Generation(7),
                at,
                refused_at: Some(at),
            }],
            last: Some(Finished {
                id: "r2-1".into(),
                outcome: Outcome::Aborted,
                reason: "x".into(),
                keys: vec![KeyName::Pepper],
                at,
            }),
            handled_rotate: Some("jwt".into()),
            handled_revoke: Some("jwt/jwt-1".into()),
        };
        let status = record.to_status();
        assert_eq!(Record::of(Some(&status)), record);
        let wire: RotationStatus =
            serde_json::from_str(&serde_json::to_string(&status).unwrap()).unwrap();
        assert_eq!(wire, status);
        assert_eq!(Record::of(None), Record::default());
    }
}
