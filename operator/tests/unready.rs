//! What keeps pods from being ready and no pod's status says.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use erpgo_crds::{ConditionType, ErpGo};
use erpgo_operator::reconcile::observed::{
    JobFacts, JobState, Observed, PodComponent, PodFacts, SecretSource,
};
use erpgo_operator::reconcile::phase::Waiting;
use erpgo_operator::reconcile::plan::plan;
use erpgo_operator::rotation::LoginKey;
use jiff::Timestamp;
use serde_json::{Value, json};
use situation::{condition, config, degraded, prepared, serving, two_pods};

/// One of two pods is there.
fn rolling(erpgo: &ErpGo) -> Observed {
    let mut seen = serving(erpgo);
    seen.deployment.as_mut().unwrap().available = 1;
    seen
}

fn told(erpgo: &ErpGo, seen: &Observed, type_: ConditionType) -> [String; 2] {
    let found = condition(erpgo, seen, type_);
    [found.status, found.reason]
}

/// What is waited on so many seconds after the epoch.
fn waiting(erpgo: &ErpGo, seen: &Observed, second: i64) -> Option<Waiting> {
    let now = Timestamp::from_second(second).unwrap();
    plan(erpgo, seen, &config(), now).waiting
}

#[test]
fn a_missing_secret_for_mail_is_named_while_pods_wait_for_it() {
    let erpgo = two_pods();
    let mut seen = rolling(&erpgo);
    let starts = ["False", "RollingOut"];
    for looked in [None, Some(SecretSource::Present)] {
        seen.mail_secret = looked;
        assert_eq!(told(&erpgo, &seen, ConditionType::Ready), starts);
        assert_eq!(told(&erpgo, &seen, ConditionType::Degraded)[0], "False");
    }
    seen.mail_secret = Some(SecretSource::Missing);
    let words = [
        "shop-mail",
        "spec.mail.credentialsSecretRef",
        "create it with the key username and password",
    ];
    degraded(&erpgo, &seen, "SecretMissing", &words);
    // However long it lasts.
    seen.deployment.as_mut().unwrap().deadline_exceeded = true;
    degraded(&erpgo, &seen, "SecretMissing", &words);

    seen.mail_secret = Some(SecretSource::KeyMissing {
        key: "password".into(),
    });
    let way_out = ["has no key password; add the key password"];
    degraded(&erpgo, &seen, "SecretMissing", &way_out);
    let message = condition(&erpgo, &seen, ConditionType::Degraded).message;
    assert!(
        message.ends_with("add the key password"),
        "there is no other: {message}"
    );
}

#[test]
fn a_secret_for_mail_that_no_pod_waits_for_is_told_by_nobody() {
    let erpgo = two_pods();
    let mut seen = serving(&erpgo);
    seen.mail_secret = Some(SecretSource::Missing);
    assert_eq!(told(&erpgo, &seen, ConditionType::Ready)[0], "True");
    assert_eq!(told(&erpgo, &seen, ConditionType::Degraded)[0], "False");

    let mut without = two_pods();
    without.spec.mail = None;
    let mut seen = rolling(&without);
    seen.mail_secret = Some(SecretSource::Missing);
    assert_eq!(told(&without, &seen, ConditionType::Degraded)[0], "False");
}

#[test]
fn a_secret_without_which_no_password_can_be_changed_is_named() {
    let erpgo = two_pods();
    for (key, name, field) in [
        (
            LoginKey::Database,
            "shop-database-admin",
            "spec.database.rotation.adminSecretRef",
        ),
        (
            LoginKey::Redis,
            "shop-redis-admin",
            "spec.redis.rotation.adminSecretRef",
        ),
    ] {
        let mut seen = serving(&erpgo);
        seen.login_admins.insert(key, SecretSource::Missing);
        let words = [name, field, "create it with the key url"];
        degraded(&erpgo, &seen, "SecretMissing", &words);
        assert_eq!(told(&erpgo, &seen, ConditionType::Ready)[0], "True");
        seen.login_admins.insert(key, SecretSource::Present);
        assert_eq!(told(&erpgo, &seen, ConditionType::Degraded)[0], "False");
    }
}

/// A pod whose sidecar has run since the epoch and has read nothing.
fn pod(component: PodComponent, image: &str, rendered: &Value, class: Option<&str>) -> PodFacts {
    let state = json!({"rendered_generation": rendered, "acked": null, "backend": {
        "healthy": false, "last_read_age_seconds": null, "stale_since": null, "error_class": class}});
    PodFacts {
        name: "shop-x".into(),
        component,
        image: image.into(),
        sidecar_started_at: Some(Timestamp::UNIX_EPOCH),
        secrets: Some(serde_json::from_value(state).unwrap()),
        ..PodFacts::default()
    }
}

/// The migrations run, or the pods are replaced.
fn on_its_way(erpgo: &ErpGo, component: PodComponent) -> (Observed, &'static str) {
    let migrating = || Observed {
        migration_job: Some(JobFacts {
            state: JobState::Running,
            attempt: 1,
            ..JobFacts::default()
        }),
        ..prepared(erpgo)
    };
    match component {
        PodComponent::Api => (rolling(erpgo), "RollingOut"),
        PodComponent::Migration => (migrating(), "Migrating"),
    }
}

#[test]
fn a_sidecar_that_gets_no_set_is_named_with_its_class_after_ten_seconds() {
    let erpgo = two_pods();
    for component in [PodComponent::Api, PodComponent::Migration] {
        let (mut seen, usual) = on_its_way(&erpgo, component);
        let image = &erpgo.spec.image;
        seen.pods = vec![pod(component, image, &Value::Null, Some("denied"))];
        let before = waiting(&erpgo, &seen, 9).unwrap();
        assert_eq!((before.reason, before.fault), (usual, false));

        let found = waiting(&erpgo, &seen, 10).unwrap();
        assert!(found.fault && found.reason == "BackendUnreachable");
        let message = found.message();
        for words in ["pod shop-x", "(denied)", "policy", "logs shop-x -c secrets"] {
            assert!(message.contains(words), "{words}: {message}");
        }
        // Time alone is no news.
        assert_eq!(waiting(&erpgo, &seen, 100).unwrap(), found);
        // It was started anew, and has tried once.
        seen.pods[0].sidecar_started_at = Some(Timestamp::from_second(91).unwrap());
        assert_eq!(waiting(&erpgo, &seen, 100).unwrap(), before);
    }
}

#[test]
fn a_sidecar_of_another_version_is_told_of_by_its_own_word() {
    let erpgo = two_pods();
    let (mut seen, _) = on_its_way(&erpgo, PodComponent::Api);
    for (class, way_out) in [
        ("not_found", "the same place"),
        ("sealed", "by itself"),
        ("expired", "by itself"),
    ] {
        let image = &erpgo.spec.image;
        seen.pods = vec![pod(PodComponent::Api, image, &Value::Null, Some(class))];
        let message = waiting(&erpgo, &seen, 10).unwrap().message();
        let word = format!("({class})");
        for words in [word.as_str(), way_out] {
            assert!(message.contains(words), "{words}: {message}");
        }
    }
}

#[test]
fn a_sidecar_that_reads_that_has_a_set_or_says_nothing_is_not_to_blame() {
    let erpgo = two_pods();
    for component in [PodComponent::Api, PodComponent::Migration] {
        let (mut seen, usual) = on_its_way(&erpgo, component);
        let image = erpgo.spec.image.clone();
        let denied =
            |image: &str, rendered: Value| pod(component, image, &rendered, Some("denied"));
        let mut silent = denied(&image, Value::Null);
        silent.secrets = None;
        let mut ready = denied(&image, Value::Null);
        ready.ready = true;
        seen.pods = vec![
            pod(component, &image, &Value::Null, None),
            denied(&image, json!(1)),
            denied("another", Value::Null),
            silent,
            ready,
        ];
        let found = waiting(&erpgo, &seen, 100).unwrap();
        assert_eq!((found.reason, found.fault), (usual, false));
    }
}
