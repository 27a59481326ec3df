//! Conditions that a look knows nothing of stand as they were told.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use erpgo_crds::{ConditionType, ErpGo};
use erpgo_operator::reconcile::observed::{JobFacts, JobState, Observed, SecretSetState};
use erpgo_operator::reconcile::status::status;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::json;
use situation::{condition, example, planned, prepared, serving, version};

const NEXT_IMAGE: &str = "registry.example.com/erpgo:0.2.0";

/// A shop that serves, of which this is told while it turns jwt.
fn rotating() -> (ErpGo, Observed) {
    let mut erpgo = example("minimal");
    let jwt = json!({"current": version("jwt-1"), "next": version("jwt-2")});
    let document = json!({"generation": 2, "keys": {"jwt": jwt}});
    let seen = Observed {
        secret_set: SecretSetState::Present { generation: 2 },
        document: Some(serde_json::from_value(document).unwrap()),
        ..serving(&erpgo)
    };
    publish(&mut erpgo, &seen);
    (erpgo, seen)
}

fn publish(erpgo: &mut ErpGo, seen: &Observed) {
    let plan = planned(erpgo, seen);
    erpgo.status = Some(status(erpgo, &plan, seen, Timestamp::UNIX_EPOCH).0);
}

fn before(erpgo: &ErpGo, type_: ConditionType) -> Condition {
    let mut all = erpgo.status.iter().flat_map(|status| &status.conditions);
    all.find(|c| c.type_ == type_.as_str()).unwrap().clone()
}

fn sealed(seen: &Observed) -> Observed {
    Observed {
        secret_set: SecretSetState::Unreachable {
            class: "sealed".into(),
            message: "Vault is sealed: unseal it".into(),
        },
        document: None,
        ..seen.clone()
    }
}

fn told(erpgo: &ErpGo, seen: &Observed, type_: ConditionType) -> [String; 2] {
    let found = condition(erpgo, seen, type_);
    [found.status, found.message]
}

#[test]
fn a_rotation_is_not_called_over_while_its_backend_is_away() {
    let (erpgo, seen) = rotating();
    let type_ = ConditionType::RotationInProgress;
    let under_way = before(&erpgo, type_);
    assert_eq!(under_way.status, "True", "{under_way:?}");
    let away = sealed(&seen);
    assert_eq!(condition(&erpgo, &away, type_), under_way);
    let plan = planned(&erpgo, &away);
    let (after, events) = status(&erpgo, &plan, &away, Timestamp::UNIX_EPOCH);
    assert_eq!(after.conditions.len(), ConditionType::ALL.len());
    let events: Vec<_> = events.iter().map(|event| event.reason).collect();
    assert_eq!(events, ["BackendUnreachable"]);
    // What is known is told: the backend's own condition is another one.
    let secrets = told(&erpgo, &away, ConditionType::SecretsReady);
    assert!(secrets[0] == "False" && secrets[1].contains("sealed"));
    // And when it is back, as it is then.
    let over = json!({"generation": 3, "keys": {"jwt": {"current": version("jwt-1")}}});
    let over = Observed {
        document: Some(serde_json::from_value(over).unwrap()),
        ..seen
    };
    assert_ne!(condition(&erpgo, &over, type_), under_way);
}

#[test]
fn a_refused_spec_says_nothing_of_the_image_that_serves() {
    let (mut erpgo, seen) = rotating();
    erpgo.metadata.generation = Some(2);
    erpgo.spec.resources.cpu_request = Quantity("much".into());
    for seen in [&seen, &sealed(&seen)] {
        for type_ in [
            ConditionType::MigrationsApplied,
            ConditionType::RotationInProgress,
        ] {
            let found = condition(&erpgo, seen, type_);
            assert_eq!(found, before(&erpgo, type_));
            assert_eq!(found.observed_generation, Some(1));
        }
        let degraded = condition(&erpgo, seen, ConditionType::Degraded);
        assert_eq!(degraded.reason, "InvalidSpec");
        assert_eq!(degraded.observed_generation, Some(2));
    }
    let secrets = condition(&erpgo, &sealed(&seen), ConditionType::SecretsReady);
    assert_eq!(secrets, before(&erpgo, ConditionType::SecretsReady));

    // Of another image it says that it has not come to it.
    erpgo.spec.image = NEXT_IMAGE.into();
    let other = Observed {
        migration_job: None,
        ..seen
    };
    let [holds, message] = told(&erpgo, &other, ConditionType::MigrationsApplied);
    assert_eq!(holds, "False");
    assert!(message.contains(NEXT_IMAGE) && message.contains("have not begun"));
}

#[test]
fn a_migration_that_has_begun_is_not_said_not_to_have() {
    let mut erpgo = example("minimal");
    let type_ = ConditionType::MigrationsApplied;
    let nothing = sealed(&prepared(&erpgo));
    let [_, message] = told(&erpgo, &nothing, type_);
    assert!(message.contains("have not begun"), "{message}");
    publish(&mut erpgo, &nothing);
    assert_eq!(told(&erpgo, &nothing, type_)[1], message);

    let running = Observed {
        migration_job: Some(JobFacts {
            state: JobState::Running,
            attempt: 1,
            ..JobFacts::default()
        }),
        ..prepared(&erpgo)
    };
    publish(&mut erpgo, &running);
    let runs = before(&erpgo, type_);
    assert_eq!(runs.reason, "Migrating", "{runs:?}");
    assert_eq!(condition(&erpgo, &sealed(&running), type_), runs);
}

#[test]
fn what_was_never_told_is_told() {
    let erpgo = example("minimal");
    let seen = sealed(&prepared(&erpgo));
    let [holds, message] = told(&erpgo, &seen, ConditionType::RotationInProgress);
    assert_eq!(holds, "False");
    assert_eq!(message, "no rotation has begun");
}
