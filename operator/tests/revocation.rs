//! A revocation in haste: who is told of a write, and how long they are waited for.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use erpgo_crds::ErpGo;
use erpgo_operator::audience::Audience;
use erpgo_operator::reconcile::observed::{Observed, PodFacts};
use erpgo_operator::reconcile::plan::Effect;
use erpgo_operator::rotation::{Edit, HASTE};
use erpgo_secret_set::PodState;
use serde_json::json;
use situation::{example, planned, serving, version};

/// A shop that serves with two pods, of which the second does not answer, and a jwt in its grace.
fn shop() -> (ErpGo, Observed) {
    let erpgo = example("minimal");
    let keys = json!({"jwt": {"current": version("jwt-3"), "previous": version("jwt-1")}});
    let state: PodState = serde_json::from_value(json!({
        "rendered_generation": 3,
        "acked": null,
        "backend": {"healthy": true, "last_read_age_seconds": 1, "stale_since": null, "error_class": null},
    }))
    .unwrap();
    let pod = |ip: &str, secrets| PodFacts {
        name: ip.to_owned(),
        ip: Some(ip.parse().unwrap()),
        ready: true,
        secrets,
        ..PodFacts::default()
    };
    let seen = Observed {
        pods: vec![pod("10.0.0.7", Some(state)), pod("10.0.0.8", None)],
        document: Some(serde_json::from_value(json!({"generation": 3, "keys": keys})).unwrap()),
        ..serving(&erpgo)
    };
    (erpgo, seen)
}

fn told(erpgo: &ErpGo, seen: &Observed) -> Option<(Edit, Audience)> {
    let effects = planned(erpgo, seen).effects;
    effects.into_iter().find_map(|effect| match effect {
        Effect::WriteSecrets { write, pods } => Some((write.edit, pods)),
        _ => None,
    })
}

fn ask(erpgo: &mut ErpGo, annotation: &str, text: &str) {
    let annotations = erpgo.metadata.annotations.get_or_insert_default();
    annotations.insert(annotation.into(), text.into());
}

#[test]
fn a_pod_that_is_silent_is_told_and_holds_up_nobody() {
    let (mut erpgo, seen) = shop();
    assert_eq!(told(&erpgo, &seen), None);
    ask(&mut erpgo, "erpgo.io/revoke", "jwt/jwt-1");
    let (edit, pods) = told(&erpgo, &seen).unwrap();
    assert!(matches!(edit, Edit::Revoke(..)), "{edit:?}");
    let expected = Audience {
        heard: vec!["10.0.0.7".parse().unwrap()],
        silent: vec!["10.0.0.8".parse().unwrap()],
        patience: HASTE,
    };
    assert_eq!(pods, expected);
}

#[test]
fn what_is_planned_has_more_patience() {
    let (mut erpgo, mut seen) = shop();
    let document = seen.document.as_mut().unwrap();
    for key in document.keys.values_mut() {
        key.previous = None;
    }
    ask(&mut erpgo, "erpgo.io/rotate", "jwt=drill");
    let meant = planned(&erpgo, &seen).rotation.unwrap();
    erpgo.status.get_or_insert_default().rotation = Some(meant.record.to_status());
    let (edit, pods) = told(&erpgo, &seen).unwrap();
    assert!(matches!(edit, Edit::Stage(_)), "{edit:?}");
    assert!(pods.patience > HASTE, "{pods:?}");
}
