//! What is measured of the secrets of an `ErpGo`.
//!
//! Owns [`measure`]: the age of each key, how far a rotation is, and whether it waits for a person. Where the
//! plan decides on no rotation, it goes by what the status remembers: keys grow old while the backend is away,
//! and what was waited for goes on to be late.

use erpgo_crds::ErpGo;
use erpgo_secret_set::KeyName;
use jiff::{SignedDuration, Timestamp};

use super::plan::Plan;
use crate::rotation::{ACCEPTANCE, Record};
use crate::runtime::metrics::Metrics;
use crate::runtime::progress::Key;

/// Sets the series of `key` as they are at `now`.
pub(super) fn measure(metrics: &Metrics, key: &Key, erpgo: &ErpGo, plan: &Plan, now: Timestamp) {
    let status = erpgo.status.as_ref();
    let before = status.and_then(|status| status.rotation.as_ref());
    let (record, fault) = match &plan.rotation {
        Some(decided) => {
            let wait = decided.wait.as_ref();
            (decided.record.clone(), wait.is_some_and(|wait| wait.fault))
        }
        None if before.is_none() => return,
        None => {
            let record = Record::of(before);
            let fault = is_late(&record, now);
            (record, fault)
        }
    };
    ages(metrics, key, &record, now);
    let active = record.active.as_ref();
    let step = active.map_or(0, |active| active.step.number());
    metrics.set_rotation_step(&key.namespace, &key.name, step);
    metrics.set_rotation_fault(&key.namespace, &key.name, fault);
    let before = before.and_then(|status| status.active.as_ref());
    if let (Some(before), Some(last), None) = (before, &record.last, active)
        && before.id == last.id
        && last.ran_its_course(&before.reason)
    {
        let took = last.at.duration_since(before.begun_at.0);
        metrics.rotated(took.unsigned_abs());
    }
}

fn ages(metrics: &Metrics, key: &Key, record: &Record, now: Timestamp) {
    for version in &record.keys {
        let age = now.duration_since(version.created_at).as_secs().max(0);
        metrics.set_secret_age(&key.namespace, &key.name, version.key.as_str(), age);
    }
    let is_gone = |name: &KeyName| record.key(*name).is_none();
    for name in KeyName::ALL.into_iter().filter(is_gone) {
        metrics.forget_secret_age(&key.namespace, &key.name, name.as_str());
    }
}

// As a decision would have it, if nothing came of what is waited for.
fn is_late(record: &Record, now: Timestamp) -> bool {
    let long_ago = |at: Timestamp| {
        let patience = SignedDuration::try_from(ACCEPTANCE).unwrap_or(SignedDuration::MAX);
        now.duration_since(at) >= patience
    };
    let active = record.active.as_ref();
    let mut unproven = record
        .removed
        .iter()
        .filter(|gone| gone.refused_at.is_none());
    active.is_some_and(|active| long_ago(active.since)) || unproven.any(|gone| long_ago(gone.at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::config::Config;
    use crate::reconcile::observed::Observed;
    use crate::reconcile::plan::plan;
    use serde_json::{Value, json};

    const DAY: i64 = 86_400;

    /// What is reported of a shop that is paused, so that its plan decides on no rotation.
    fn report(rotation: &Value, second: i64) -> Vec<String> {
        let erpgo: ErpGo = serde_json::from_value(json!({
            "apiVersion": "erpgo.io/v1alpha1", "kind": "ErpGo", "metadata": {"name": "shop"},
            "spec": {"image": "i", "paused": true, "database": {"secretRef": {"name": "d"}}},
            "status": {"rotation": rotation},
        }))
        .unwrap();
        let config = Config {
            sidecar_image: "s".into(),
            operator_namespace: "o".into(),
        };
        let now = Timestamp::from_second(second).unwrap();
        let plan = plan(&erpgo, &Observed::default(), &config, now);
        assert_eq!(plan.rotation, None);
        let key = Key {
            namespace: "n".into(),
            name: "shop".into(),
        };
        let metrics = Metrics::new().unwrap();
        measure(&metrics, &key, &erpgo, &plan, now);
        let text = metrics.text();
        let lines = text.lines().filter(|line| line.contains("shop"));
        lines.map(str::to_owned).collect()
    }

    fn remembered(active: &Value, removed: &Value) -> Value {
        json!({
            "keys": [{"key": "jwt", "kid": "jwt-1", "createdAt": "1970-01-01T00:00:00Z"}],
            "active": active, "removed": removed,
        })
    }

    fn fault(rotation: &Value, second: i64) -> bool {
        let lines = report(rotation, second);
        let fault = "erpgo_rotation_fault{erpgo=\"shop\",namespace=\"n\"} 1";
        lines.iter().any(|line| line == fault)
    }

    #[test]
    fn keys_grow_old_while_no_rotation_is_decided_on() {
        let rotation = remembered(&Value::Null, &json!([]));
        let age = |days: i64| {
            format!(
                "erpgo_secret_age_seconds{{erpgo=\"shop\",key=\"jwt\",namespace=\"n\"}} {}",
                days * DAY
            )
        };
        for days in [1, 93] {
            let lines = report(&rotation, days * DAY);
            assert!(lines.contains(&age(days)), "{lines:?}");
        }
        assert!(!fault(&rotation, 93 * DAY));
        assert_eq!(report(&Value::Null, DAY), Vec::<String>::new());
    }

    #[test]
    fn what_is_waited_for_and_cannot_be_seen_is_late_after_five_minutes() {
        let active = json!({
            "id": "r2-0", "reason": "test", "keys": [{"key": "jwt", "from": "jwt-1"}], "step": "Promote",
            "begunAt": "1970-01-01T00:00:00Z", "since": "1970-01-01T00:00:00Z", "acknowledged": 1, "total": 2,
        });
        let gone = json!({
            "key": "jwt", "kid": "jwt-0", "generation": 2, "at": "1970-01-01T00:00:00Z",
        });
        let under_way = remembered(&active, &json!([]));
        let unproven = remembered(&Value::Null, &json!([gone]));
        for rotation in [&under_way, &unproven] {
            assert!(!fault(rotation, 299));
            assert!(fault(rotation, 300));
        }
        let step = "erpgo_rotation_step{erpgo=\"shop\",namespace=\"n\"} 3".to_owned();
        assert!(report(&under_way, 1).contains(&step));

        let mut proven = gone.clone();
        proven["refusedAt"] = json!("1970-01-01T00:01:00Z");
        let proven = remembered(&Value::Null, &json!([proven]));
        assert!(!fault(&proven, DAY));
    }
}
