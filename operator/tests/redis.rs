//! `spec.redis` that is added or removed while pods serve: what is done, and what is told until it is so.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use erpgo_crds::{ConditionType, ErpGo, FinishedRotation, RotationStatus};
use erpgo_operator::reconcile::effects::around_apply;
use erpgo_operator::reconcile::observed::{Complaint, Dependency, Observed, SecretSource};
use erpgo_operator::reconcile::plan::Effect;
use erpgo_operator::rotation::Edit;
use erpgo_secret_set::KeyName;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};
use situation::{condition, planned, remember, serving, two_pods, write};

/// A shop that serves with a set of these keys.
fn shop(keys: &[&str]) -> (ErpGo, Observed) {
    let erpgo = two_pods();
    let version = |key: &str| json!({"current": {"kid": format!("{key}-1"), "created_at": "1970-01-01T00:00:00Z"}});
    let keys: serde_json::Map<String, Value> = keys
        .iter()
        .map(|key| ((*key).to_owned(), version(key)))
        .collect();
    let mut seen = serving(&erpgo);
    let document = json!({"generation": 1, "keys": keys});
    seen.document = Some(serde_json::from_value(document).unwrap());
    (erpgo, seen)
}

fn told(erpgo: &ErpGo, seen: &Observed) -> [String; 2] {
    let told = |type_| {
        let Condition {
            status,
            reason,
            message,
            ..
        } = condition(erpgo, seen, type_);
        format!("{status} {reason} {message}")
    };
    [ConditionType::Ready, ConditionType::Degraded].map(told)
}

#[test]
fn one_that_is_added_is_meant_first_and_written_then_and_changes_no_object() {
    let (mut erpgo, seen) = shop(&["jwt"]);
    let meant = planned(&erpgo, &seen);
    assert_eq!(write(&meant), None);
    let active = meant.rotation.as_ref().unwrap().record.active.as_ref();
    assert!(active.unwrap().joins());
    let [ready, degraded] = told(&erpgo, &seen);
    assert!(
        ready.starts_with("True Serving redis joins the secret set"),
        "{ready}"
    );
    assert!(degraded.starts_with("False"), "{degraded}");
    remember(&mut erpgo, &meant);
    assert_eq!(write(&planned(&erpgo, &seen)), Some(Edit::Join));

    let (_, with) = shop(&["jwt", "redis"]);
    let joined = planned(&erpgo, &with);
    assert_eq!(joined.desired, meant.desired);
}

#[test]
fn one_that_is_removed_leaves_and_is_missed_by_nobody() {
    let (mut erpgo, mut seen) = shop(&["jwt", "redis"]);
    assert_eq!(write(&planned(&erpgo, &seen)), None);
    let with = planned(&erpgo, &seen).desired.unwrap().deployment;
    erpgo.spec.redis = None;
    seen.redis_secret = None;
    seen.complaints = vec![Complaint {
        dependency: Dependency::Redis,
        reason: "redis cannot be reached; the database answers instead".into(),
        pods: 2,
    }];
    let plan = planned(&erpgo, &seen);
    assert_eq!(write(&plan), Some(Edit::Leave));
    // Objects need the one and must not wait for the other.
    let (before, after) = around_apply(&plan.effects);
    assert_eq!(before, [Effect::EnsureControlToken]);
    assert!(matches!(after, [Effect::WriteSecrets { .. }]), "{after:?}");
    assert_eq!(plan.desired.unwrap().deployment, with);
    let [ready, degraded] = told(&erpgo, &seen);
    assert!(ready.starts_with("True Serving redis leaves"), "{ready}");
    assert!(degraded.starts_with("False"), "{degraded}");
}

#[test]
fn one_without_its_secret_is_told_and_waited_for() {
    let (erpgo, mut seen) = shop(&["jwt"]);
    seen.redis_secret = Some(SecretSource::Missing);
    let plan = planned(&erpgo, &seen);
    assert!(plan.rotation.unwrap().record.active.is_none());
    let [ready, degraded] = told(&erpgo, &seen);
    assert!(ready.starts_with("True Serving"), "{ready}");
    for words in [
        "True SecretMissing",
        "shop-redis",
        "spec.redis.secretRef",
        "create it",
    ] {
        assert!(degraded.contains(words), "{words}: {degraded}");
    }
}

#[test]
fn one_that_pods_refused_is_told_with_the_way_out() {
    let (mut erpgo, seen) = shop(&["jwt"]);
    let reason = "pod-1 refused it: redis (current): redis cannot be reached";
    erpgo.status.get_or_insert_default().rotation = Some(RotationStatus {
        last: Some(FinishedRotation {
            id: "r2-0".into(),
            outcome: "Aborted".into(),
            reason: reason.into(),
            keys: vec![KeyName::Redis.to_string()],
            at: Time(Timestamp::UNIX_EPOCH),
        }),
        ..RotationStatus::default()
    });
    let [ready, degraded] = told(&erpgo, &seen);
    assert!(ready.starts_with("True Serving"), "{ready}");
    for words in [
        "True RedisUnavailable",
        reason,
        "shop-redis",
        "erpgo.io/rotate: redis=",
    ] {
        assert!(degraded.contains(words), "{words}: {degraded}");
    }
    // Asked for, it is tried again before the hour is over.
    let annotations = erpgo.metadata.annotations.get_or_insert_default();
    annotations.insert("erpgo.io/rotate".into(), "redis=mended".into());
    let again = planned(&erpgo, &seen).rotation.unwrap().record.active;
    assert_eq!(again.unwrap().reason, "mended");
}

#[test]
fn while_rotations_are_paused_it_is_told_why_nothing_happens() {
    for (keys, wanted) in [(&["jwt"][..], true), (&["jwt", "redis"][..], false)] {
        let (mut erpgo, mut seen) = shop(keys);
        erpgo.spec.secrets.rotation.paused = true;
        if !wanted {
            erpgo.spec.redis = None;
            seen.redis_secret = None;
        }
        let plan = planned(&erpgo, &seen);
        assert_eq!(write(&plan), None);
        assert!(plan.rotation.unwrap().record.active.is_none());
        let [ready, degraded] = told(&erpgo, &seen);
        assert!(
            ready.contains("spec.secrets.rotation.paused is set"),
            "{ready}"
        );
        assert!(degraded.starts_with("False"), "{degraded}");
    }
}
