//! Pods that refuse the secret set which the operator finds valid: what is told, and what waits for it.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use std::time::Duration;

use erpgo_crds::{ConditionType, ErpGo};
use erpgo_operator::reconcile::observed::{Observed, PodFacts, SecretSetState};
use erpgo_operator::reconcile::requeue::Requeue;
use erpgo_operator::rotation::{Edit, Record, Step};
use erpgo_secret_set::KeyName;
use serde_json::{Value, json};
use situation::{condition, degraded, planned, serving, two_pods, version, write};

const THEN: &str = "1970-01-01T00:00:00Z";

/// A shop that serves with generation 3; of its key jwt this is there.
fn shop(jwt: &Value) -> (ErpGo, Observed) {
    let mut erpgo = two_pods();
    erpgo.spec.redis = None;
    erpgo.spec.database.rotation = None;
    let document = json!({"generation": 3, "keys": {"jwt": jwt}});
    let seen = Observed {
        secret_set: SecretSetState::Present { generation: 3 },
        document: Some(serde_json::from_value(document).unwrap()),
        pods: vec![pod("shop-a", Some(3), None), pod("shop-b", Some(3), None)],
        ..serving(&erpgo)
    };
    (erpgo, seen)
}

fn at_rest() -> (ErpGo, Observed) {
    shop(&json!({"current": version("jwt-1")}))
}

/// A pod that holds this generation and accepts both versions of jwt; `class` says why it read no other.
fn pod(name: &str, held: Option<u64>, class: Option<&str>) -> PodFacts {
    let key = |kid: &str| json!({"key": "jwt", "kid": kid});
    let acked = held.map(|held| {
        json!({"generation": held, "verdict": "ack",
            "accepted": [key("jwt-1"), key("jwt-2")], "in_use": [key("jwt-1")]})
    });
    let state = json!({"rendered_generation": held, "acked": acked, "backend": {
        "healthy": class.is_none(), "last_read_age_seconds": 1, "stale_since": null, "error_class": class}});
    PodFacts {
        name: name.into(),
        ip: Some("10.0.0.1".parse().unwrap()),
        ready: held.is_some(),
        secrets: Some(serde_json::from_value(state).unwrap()),
        ..PodFacts::default()
    }
}

fn told(erpgo: &ErpGo, seen: &Observed, type_: ConditionType) -> [String; 2] {
    let found = condition(erpgo, seen, type_);
    [found.status, found.reason]
}

#[test]
fn what_was_altered_under_its_generation_is_told_and_begins_no_rotation() {
    let (mut erpgo, mut seen) = at_rest();
    let annotations = erpgo.metadata.annotations.get_or_insert_default();
    annotations.insert("erpgo.io/rotate".into(), "jwt=drill".into());
    let begins = planned(&erpgo, &seen).rotation.unwrap().record;
    assert_eq!(begins.active.unwrap().reason, "drill");
    let well = ["True", "SecretSetPresent"];
    assert_eq!(told(&erpgo, &seen, ConditionType::SecretsReady), well);
    let degraded_is = told(&erpgo, &seen, ConditionType::Degraded);
    assert_eq!(degraded_is[0], "False");

    seen.pods[1] = pod("shop-b", Some(3), Some("malformed"));
    let waits = planned(&erpgo, &seen).rotation.unwrap().record;
    assert_eq!(waits.active, None);
    assert_eq!(waits.handled_rotate, None, "it would be forgotten");
    let words = [
        "1 pods refuse generation 3",
        ": shop-b;",
        "or no answer that they can read",
        "kubectl logs POD -c secrets",
        "put back what was there",
        "above 3",
    ];
    degraded(&erpgo, &seen, "SecretSetInvalid", &words);
    let refused = ["False", "SecretSetInvalid"];
    assert_eq!(told(&erpgo, &seen, ConditionType::SecretsReady), refused);
    let serves = ["True", "Serving"];
    assert_eq!(told(&erpgo, &seen, ConditionType::Ready), serves);
}

#[test]
fn one_that_was_put_back_from_before_needs_more_than_pods_hold() {
    let (erpgo, mut seen) = at_rest();
    seen.pods = vec![
        pod("shop-a", Some(5), Some("malformed")),
        pod("shop-b", Some(7), Some("malformed")),
    ];
    let words = [
        "2 pods refuse generation 3",
        "which has generation 7",
        "above 7",
    ];
    degraded(&erpgo, &seen, "SecretSetInvalid", &words);
}

#[test]
fn other_failures_and_pods_that_go_refuse_nothing() {
    let (erpgo, mut seen) = at_rest();
    let mut going = pod("shop-a", Some(3), Some("malformed"));
    going.terminating = true;
    let mut gone = pod("shop-c", Some(3), Some("malformed"));
    gone.ended = true;
    let mut silent = pod("shop-d", Some(3), Some("malformed"));
    silent.secrets = None;
    seen.pods = vec![going, gone, silent, pod("shop-b", Some(3), Some("denied"))];
    assert_eq!(
        told(&erpgo, &seen, ConditionType::SecretsReady),
        ["True", "SecretSetPresent"]
    );
    assert_eq!(told(&erpgo, &seen, ConditionType::Degraded)[0], "False");
}

/// A rotation of jwt that every pod accepts.
fn staged(revoke: bool) -> (ErpGo, Observed) {
    let (mut erpgo, seen) = shop(&json!({"current": version("jwt-1"), "next": version("jwt-2")}));
    let record: Record = serde_json::from_value(json!({"keys": [], "active": {
        "id": "r3-1", "reason": "test", "keys": [{"key": "jwt", "from": "jwt-1"}],
        "step": "Stage", "begunAt": THEN, "since": THEN, "revoke": revoke}}))
    .unwrap();
    erpgo.status.get_or_insert_default().rotation = Some(record.to_status());
    (erpgo, seen)
}

#[test]
fn what_was_altered_reaches_no_pod_by_the_next_step_of_a_rotation() {
    let (erpgo, mut seen) = staged(false);
    let promote = Some(Edit::Promote(vec![KeyName::Jwt]));
    assert_eq!(write(&planned(&erpgo, &seen)), promote);

    seen.pods[1] = pod("shop-b", Some(3), Some("malformed"));
    let waits = planned(&erpgo, &seen);
    assert_eq!(write(&waits), None);
    assert_eq!(waits.requeue, Requeue::After(Duration::from_secs(10)));
    let decided = waits.rotation.unwrap();
    assert!(decided.wait.unwrap().fault);
    assert!(decided.record.active.is_some(), "it is given up");

    // One that has nothing may refuse for reasons of its own: the others go on.
    seen.pods[1] = pod("shop-b", None, Some("malformed"));
    degraded(
        &erpgo,
        &seen,
        "SecretSetInvalid",
        &["shop-b", "kubectl logs"],
    );
    assert_eq!(write(&planned(&erpgo, &seen)), promote);
}

#[test]
fn a_revocation_waits_for_no_edit() {
    let (erpgo, mut seen) = staged(true);
    seen.pods[1] = pod("shop-b", Some(3), Some("malformed"));
    let kid = "jwt-1".to_owned().try_into().unwrap();
    let revoke = Some(Edit::Revoke(KeyName::Jwt, kid));
    assert_eq!(write(&planned(&erpgo, &seen)), revoke);
}

#[test]
fn what_makes_room_for_a_revocation_waits_for_no_edit_either() {
    let (mut erpgo, mut seen) = staged(false);
    seen.pods[1] = pod("shop-b", Some(3), Some("malformed"));
    let annotations = erpgo.metadata.annotations.get_or_insert_default();
    annotations.insert("erpgo.io/revoke".into(), "jwt/jwt-1".into());
    let meant = planned(&erpgo, &seen).rotation.unwrap().record;
    assert_eq!(meant.active.as_ref().unwrap().step, Step::Abort);
    erpgo.status.get_or_insert_default().rotation = Some(meant.to_status());
    let abort = Some(Edit::Abort(vec![KeyName::Jwt]));
    assert_eq!(write(&planned(&erpgo, &seen)), abort);

    // Nobody wants anything revoked any more: it waits as any other step does.
    let annotations = erpgo.metadata.annotations.get_or_insert_default();
    annotations.remove("erpgo.io/revoke");
    assert_eq!(write(&planned(&erpgo, &seen)), None);
}
