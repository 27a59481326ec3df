//! What is told of pods whose own sidecar cannot read the secret set, which the operator can.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use std::time::Duration;

use erpgo_crds::{ConditionType, ErpGo, ErpGoStatus};
use erpgo_operator::reconcile::observed::{AckFacts, Observed, PodFacts, SecretSetState};
use erpgo_operator::reconcile::plan::plan;
use erpgo_operator::reconcile::requeue::Requeue;
use erpgo_operator::reconcile::status::{EventNote, status};
use erpgo_secret_set::{BackendState, ErrorClass, PodState, ToldClass};
use jiff::Timestamp;
use situation::{config, example, serving};

/// A pod that serves and whose sidecar cannot read since the epoch, if there is a class for why.
fn pod(name: &str, class: Option<ErrorClass>) -> PodFacts {
    PodFacts {
        name: name.into(),
        ready: true,
        secrets: Some(PodState {
            backend: BackendState {
                healthy: class.is_none(),
                stale_since: class.map(|_| Timestamp::UNIX_EPOCH),
                error_class: class.map(ToldClass::Known),
                ..BackendState::default()
            },
            ..PodState::default()
        }),
        ..PodFacts::default()
    }
}

/// Two pods serve, and their sidecars fail as told.
fn with_pods(classes: [Option<ErrorClass>; 2]) -> (ErpGo, Observed) {
    let mut erpgo = example("minimal");
    let mut seen = serving(&erpgo);
    let names = ["shop-a", "shop-b"].into_iter();
    seen.pods = names
        .zip(classes)
        .map(|(name, class)| pod(name, class))
        .collect();
    erpgo.status = Some(told(&erpgo, &seen, 0).0);
    (erpgo, seen)
}

/// So many seconds after the epoch.
fn told(erpgo: &ErpGo, seen: &Observed, second: i64) -> (ErpGoStatus, Vec<EventNote>) {
    let now = Timestamp::from_second(second).unwrap();
    let plan = plan(erpgo, seen, &config(), now);
    status(erpgo, &plan, seen, now)
}

fn condition(status: &ErpGoStatus, type_: ConditionType) -> [&str; 3] {
    let mut all = status.conditions.iter();
    let found = all.find(|c| c.type_ == type_.as_str()).unwrap();
    [&found.status, &found.reason, &found.message].map(String::as_str)
}

#[test]
fn a_sidecar_that_alone_cannot_read_is_told_of_once_and_the_pods_stay_ready() {
    let (mut erpgo, seen) = with_pods([None, Some(ErrorClass::Denied)]);
    let before = erpgo.status.clone().unwrap();
    assert_eq!(condition(&before, ConditionType::Degraded)[0], "False");
    // Nothing is written of what passes by itself.
    assert_eq!(told(&erpgo, &seen, 100), (before, Vec::new()));

    let (now, events) = told(&erpgo, &seen, 200);
    let [degraded, reason, message] = condition(&now, ConditionType::Degraded);
    assert_eq!([degraded, reason], ["True", "SecretsStale"]);
    for words in ["1 of 2 pods", "shop-b (denied)", "logs POD -c secrets"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert!(!message.contains("shop-a"), "{message}");
    assert_eq!(condition(&now, ConditionType::Ready)[0], "True");
    let events: Vec<_> = events.iter().map(|e| (e.warning, e.reason)).collect();
    assert_eq!(events, [(true, "SecretsStale")]);

    // I-05: as long as it lasts, nothing is written.
    erpgo.status = Some(now.clone());
    assert_eq!(told(&erpgo, &seen, 90_000), (now, Vec::new()));
}

#[test]
fn a_sidecar_that_cannot_read_is_asked_each_minute_and_is_well_when_it_has_read() {
    let (mut erpgo, mut seen) = with_pods([Some(ErrorClass::Unreachable), None]);
    let now = Timestamp::from_second(200).unwrap();
    // It acknowledges nothing either.
    let behind = AckFacts {
        acknowledged: 1,
        total: 2,
    };
    for acks in [None, Some(behind)] {
        seen.acks = acks;
        let asked = plan(&erpgo, &seen, &config(), now).requeue;
        assert_eq!(asked, Requeue::After(Duration::from_secs(60)));
    }
    seen.acks = None;
    // Another fault is looked at as soon as without it.
    let mut two = seen.clone();
    two.quota_denied = Some("exceeded quota".into());
    let asked = plan(&erpgo, &two, &config(), now).requeue;
    assert_eq!(asked, Requeue::After(Duration::from_secs(10)));
    erpgo.status = Some(told(&erpgo, &seen, 200).0);
    let (_, healed) = with_pods([None, None]);
    let (now, events) = told(&erpgo, &healed, 210);
    assert_eq!(condition(&now, ConditionType::Degraded)[0], "False");
    assert_eq!(events, []);
}

#[test]
fn a_sidecar_that_cannot_read_hides_neither_a_rollout_nor_a_backend_that_nobody_reads() {
    let (erpgo, seen) = with_pods([Some(ErrorClass::Denied); 2]);
    let mut rolling = seen.clone();
    let live = rolling.deployment.as_mut().unwrap();
    (live.replicas, live.updated, live.available) = (3, 1, 3);
    let (now, _) = told(&erpgo, &rolling, 200);
    assert_eq!(condition(&now, ConditionType::Degraded)[0], "False");
    assert_eq!(condition(&now, ConditionType::Progressing)[1], "RollingOut");

    let away = Observed {
        secret_set: SecretSetState::Unreachable {
            class: "sealed".into(),
            message: "Vault is sealed".into(),
        },
        ..seen
    };
    let (now, _) = told(&erpgo, &away, 200);
    let degraded = condition(&now, ConditionType::Degraded);
    assert_eq!(degraded[..2], ["True", "BackendUnreachable"]);
}
