//! An autoscaler that scales nothing is told of.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use std::time::Duration;

use erpgo_crds::{ConditionType, ErpGo};
use erpgo_operator::reconcile::observed::{Blindness, HpaFacts, Observed};
use erpgo_operator::reconcile::requeue::Requeue;
use jiff::Timestamp;
use situation::{condition, degraded, example, planned, serving};

/// A shop that serves, whose autoscaler has seen no load for so many seconds.
fn blind_for(seconds: i64) -> (ErpGo, Observed) {
    let erpgo = example("production");
    let since = Timestamp::from_second(-seconds).unwrap();
    let seen = Observed {
        hpa: Some(HpaFacts {
            current: 3,
            desired: 3,
            blind: Some(Blindness {
                since: Some(since),
                message:
                    "the server could not find the requested resource (get pods.metrics.k8s.io)"
                        .into(),
            }),
        }),
        ..serving(&erpgo)
    };
    (erpgo, seen)
}

fn state(erpgo: &ErpGo, seen: &Observed, type_: ConditionType) -> String {
    condition(erpgo, seen, type_).status
}

#[test]
fn one_that_sees_no_load_for_three_minutes_is_told_with_its_cause_and_pods_stay_ready() {
    let (erpgo, seen) = blind_for(180);
    let words = ["shop", "get pods.metrics.k8s.io", "metrics-server"];
    degraded(&erpgo, &seen, "AutoscalerBlind", &words);
    assert_eq!(state(&erpgo, &seen, ConditionType::Ready), "True");

    let (erpgo, seen) = blind_for(179);
    assert_eq!(state(&erpgo, &seen, ConditionType::Degraded), "False");
    let (erpgo, mut seen) = blind_for(180);
    seen.hpa.as_mut().unwrap().blind = None;
    assert_eq!(state(&erpgo, &seen, ConditionType::Degraded), "False");
}

#[test]
fn one_that_stays_blind_is_looked_at_as_one_at_rest_and_hides_no_other_fault() {
    let (erpgo, seen) = blind_for(180);
    let mut sees = seen.clone();
    sees.hpa.as_mut().unwrap().blind = None;
    let at_rest = planned(&erpgo, &sees);
    assert_eq!(at_rest.waiting, None);
    let blind = planned(&erpgo, &seen);
    assert_eq!(blind.waiting.unwrap().reason, "AutoscalerBlind");
    assert_eq!(blind.requeue, at_rest.requeue);
    assert_eq!(blind.requeue, Requeue::AwaitChange);

    let refused = Observed {
        quota_denied: Some("exceeded quota".into()),
        ..seen
    };
    let plan = planned(&erpgo, &refused);
    assert_eq!(plan.waiting.unwrap().reason, "WriteRefused");
    assert_eq!(plan.requeue, Requeue::After(Duration::from_secs(10)));
}

#[test]
fn one_whose_pods_begin_and_one_that_goes_are_not_told_of() {
    let (erpgo, mut seen) = blind_for(600);
    seen.deployment.as_mut().unwrap().available = 1;
    assert_eq!(state(&erpgo, &seen, ConditionType::Degraded), "False");
    let progressing = condition(&erpgo, &seen, ConditionType::Progressing);
    assert_eq!(progressing.reason, "RollingOut");

    let (mut erpgo, with) = blind_for(600);
    erpgo.spec.autoscaling = None;
    erpgo.spec.replicas = Some(2);
    let going = Observed {
        hpa: with.hpa,
        ..serving(&erpgo)
    };
    assert_eq!(state(&erpgo, &going, ConditionType::Degraded), "False");
}
