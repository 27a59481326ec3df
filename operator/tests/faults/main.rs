//! Every fault leads to a condition that names its cause and the way out, and what serves goes on.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod migration;
mod monitoring;
mod pods;
#[path = "../situation/mod.rs"]
mod situation;

use erpgo_crds::{ConditionType, ErpGoStatus, RotatingKeyStatus, RotationStatus};
use erpgo_operator::reconcile::observed::{Observed, SecretSetState, SecretSource};
use erpgo_operator::reconcile::plan::Effect;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use situation::{condition, degraded, planned, prepared, serving, two_pods};

#[test]
fn all_is_well_when_all_is_well() {
    let erpgo = two_pods();
    let seen = serving(&erpgo);
    let ready = condition(&erpgo, &seen, ConditionType::Ready);
    assert_eq!(ready.status, "True", "{ready:?}");
    let degraded = condition(&erpgo, &seen, ConditionType::Degraded);
    assert_eq!(degraded.status, "False", "{degraded:?}");
}

#[test]
fn a_missing_secret_is_named_with_its_field() {
    let erpgo = two_pods();
    let seen = Observed {
        database_secret: SecretSource::Missing,
        secret_set: SecretSetState::Absent,
        ..prepared(&erpgo)
    };
    let name = erpgo.spec.database.secret_ref.name.clone();
    degraded(
        &erpgo,
        &seen,
        "SecretMissing",
        &[&name, "spec.database.secretRef", "create it with the key"],
    );
}

#[test]
fn a_secret_without_a_url_is_told_while_pods_go_on_with_the_one_that_they_have() {
    let mut erpgo = two_pods();
    // Where logins take turns, nobody looks at it any more.
    erpgo.spec.database.rotation = None;
    erpgo.spec.redis.as_mut().unwrap().rotation = None;
    let name = erpgo.spec.database.secret_ref.name.clone();
    let wrong = SecretSource::Invalid {
        reason: "the value is not a URL".into(),
    };
    let seen = Observed {
        database_secret: wrong.clone(),
        ..serving(&erpgo)
    };
    let words = [name.as_str(), "the value is not a URL", "pods keep the URL"];
    degraded(&erpgo, &seen, "SecretMissing", &words);
    let of_redis = Observed {
        redis_secret: Some(wrong),
        ..serving(&erpgo)
    };
    let words = ["spec.redis.secretRef", "pods keep the URL"];
    degraded(&erpgo, &of_redis, "SecretMissing", &words);
    for seen in [&seen, &of_redis] {
        let ready = condition(&erpgo, seen, ConditionType::Ready);
        assert_eq!(ready.status, "True", "{ready:?}");
    }
    // The set in use needs it no more.
    let gone = Observed {
        database_secret: SecretSource::Missing,
        ..serving(&erpgo)
    };
    let calm = condition(&erpgo, &gone, ConditionType::Degraded);
    assert_eq!(calm.status, "False", "{calm:?}");
}

#[test]
fn an_invalid_secret_set_takes_nothing_from_what_serves() {
    let erpgo = two_pods();
    let seen = Observed {
        secret_set: SecretSetState::Invalid {
            reasons: vec!["jwt.current: too short".into()],
        },
        ..serving(&erpgo)
    };
    degraded(
        &erpgo,
        &seen,
        "SecretSetInvalid",
        &["jwt.current: too short", "write a valid document"],
    );
    assert!(planned(&erpgo, &seen).desired.unwrap().deployment.is_some());
}

#[test]
fn a_secret_set_that_pods_use_is_not_replaced_when_it_is_lost() {
    let mut erpgo = two_pods();
    let seen = Observed {
        secret_set: SecretSetState::Absent,
        ..serving(&erpgo)
    };
    let first = Effect::EnsureFirstGeneration;
    assert!(planned(&erpgo, &seen).effects.contains(&first));

    erpgo.status = Some(ErpGoStatus {
        rotation: Some(known()),
        ..ErpGoStatus::default()
    });
    degraded(
        &erpgo,
        &seen,
        "SecretSetLost",
        &["restore it from a backup", "last good set"],
    );
    let plan = planned(&erpgo, &seen);
    assert!(!plan.effects.contains(&first));
    assert!(plan.desired.unwrap().deployment.is_some());
}

/// One key was seen.
fn known() -> RotationStatus {
    RotationStatus {
        keys: vec![RotatingKeyStatus {
            key: "jwt".into(),
            kid: "jwt-1".into(),
            created_at: Time(Timestamp::UNIX_EPOCH),
            next: None,
            previous: None,
            switched_at: None,
        }],
        ..RotationStatus::default()
    }
}
