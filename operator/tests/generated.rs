//! The fixtures of Argo CD's health check are what the operator publishes.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use erpgo_crds::{ConditionType, ErpGo};
use erpgo_operator::reconcile::observed::{
    ApiPresence, Complaint, Dependency, JobFacts, JobState, MigrationOutcome, MigrationReport,
    Observed, SecretSetState, SecretSource,
};
use erpgo_operator::reconcile::plan::plan;
use erpgo_operator::reconcile::status::status;
use erpgo_operator::rotation::DocumentView;
use erpgo_secret_set::KeyName;
use jiff::Timestamp;
use serde_json::{Value, json};
use situation::{config, prepared};

const HEADER: &str = "# Generated from the operator's own status; `make generate` writes it.\n";
const NOW: &str = "2026-11-24T20:00:00Z";
const NEXT_IMAGE: &str = "registry.example.com/erpgo:0.2.0";

/// `manifests/examples/minimal.yaml`, applied.
fn applied() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/examples/minimal.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut object: Value = serde_saphyr::from_str(&text).unwrap();
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.insert("namespace".into(), json!("market"));
    metadata.insert("generation".into(), json!(1));
    metadata.insert("uid".into(), json!("5f0c6a52-7f5a-4a0e-9f5e-2d1c3b4a5968"));
    object
}

/// With a field of the spec set by a person.
fn edited(mut object: Value, field: &str, value: Value) -> Value {
    object["spec"][field] = value;
    let generation = object["metadata"]["generation"].as_i64().unwrap();
    object["metadata"]["generation"] = json!(generation + 1);
    object
}

/// With the status that the operator publishes when it sees `seen`.
fn published(mut object: Value, seen: impl FnOnce(&ErpGo) -> Observed) -> Value {
    let erpgo: ErpGo = serde_json::from_value(object.clone()).unwrap();
    let (seen, now): (Observed, Timestamp) = (seen(&erpgo), NOW.parse().unwrap());
    let plan = plan(&erpgo, &seen, &config(), now);
    let (status, _) = status(&erpgo, &plan, &seen, now);
    object["status"] = serde_json::to_value(status).unwrap();
    object
}

fn settled() -> Value {
    published(applied(), serving)
}

/// Another image is wanted of one that serves.
fn upgraded(seen: impl FnOnce(&ErpGo) -> Observed) -> Value {
    upgraded_to(NEXT_IMAGE, seen)
}

fn upgraded_to(image: &str, seen: impl FnOnce(&ErpGo) -> Observed) -> Value {
    published(edited(settled(), "image", json!(image)), seen)
}

fn serving(erpgo: &ErpGo) -> Observed {
    holding(1, json!({"current": version("jwt-1")}))(erpgo)
}

/// The pods of before serve, whatever is wanted now.
fn before_serves(_: &ErpGo) -> Observed {
    let before: ErpGo = serde_json::from_value(settled()).unwrap();
    Observed {
        migration_job: None,
        ..serving(&before)
    }
}

fn one_of_two_pods(erpgo: &ErpGo) -> Observed {
    let mut seen = serving(erpgo);
    let live = seen.deployment.as_mut().unwrap();
    (live.replicas, live.updated, live.available, live.ready) = (3, 1, 3, 3);
    seen
}

fn without_progress(erpgo: &ErpGo) -> Observed {
    let mut seen = one_of_two_pods(erpgo);
    let live = seen.deployment.as_mut().unwrap();
    (live.available, live.ready, live.deadline_exceeded) = (2, 2, true);
    seen
}

fn migration_failed(erpgo: &ErpGo) -> Observed {
    let report = MigrationReport {
        outcome: MigrationOutcome::Failed,
        applied: Vec::new(),
        migration: Some("0004_prices".into()),
        statement: Some("ALTER TABLE products ADD COLUMN price numeric".into()),
        error: Some("column \"price\" exists already (SQLSTATE 42701)".into()),
        retryable: false,
        connections: None,
    };
    Observed {
        migration_job: Some(JobFacts {
            name: "shop-migrate-1".into(),
            image: erpgo.spec.image.clone(),
            attempt: 1,
            state: JobState::Failed,
            exit_code: Some(65),
            report: Some(report),
            ..JobFacts::default()
        }),
        ..before_serves(erpgo)
    }
}

fn nothing_written_yet(erpgo: &ErpGo) -> Observed {
    Observed {
        secret_set: SecretSetState::Absent,
        ..prepared(erpgo)
    }
}

fn no_database_secret(erpgo: &ErpGo) -> Observed {
    Observed {
        database_secret: SecretSource::Missing,
        ..nothing_written_yet(erpgo)
    }
}

fn redis_away(erpgo: &ErpGo) -> Observed {
    let mut seen = serving(erpgo);
    let redis = json!({"current": version("redis-1")});
    let redis = serde_json::from_value(redis).unwrap();
    let document = seen.document.as_mut().unwrap();
    document.keys.insert(KeyName::Redis, redis);
    seen.complaints = vec![Complaint {
        dependency: Dependency::Redis,
        reason: "redis cannot be reached; the database answers instead".into(),
        pods: 2,
    }];
    seen
}

fn no_prometheus(erpgo: &ErpGo) -> Observed {
    Observed {
        available_apis: ApiPresence::default(),
        ..serving(erpgo)
    }
}

/// With these versions of one key in this generation.
fn holding(generation: u64, jwt: Value) -> impl FnOnce(&ErpGo) -> Observed {
    let document = json!({"generation": generation, "keys": {"jwt": jwt}});
    let document: DocumentView = serde_json::from_value(document).unwrap();
    move |erpgo| Observed {
        document: Some(document),
        secret_set: SecretSetState::Present { generation },
        ..situation::serving(erpgo)
    }
}

fn version(kid: &str) -> Value {
    json!({"kid": kid, "created_at": NOW})
}

fn rolled_back() -> Value {
    let mut object = settled();
    object["status"]["rotation"] = json!({"last": {
        "id": "r1-1", "outcome": "Aborted", "keys": ["jwt"], "at": NOW,
        "reason": "accepted in time by only 1 of 2 pods",
    }});
    published(object, holding(3, json!({"current": version("jwt-1")})))
}

fn being_deleted() -> Value {
    let mut object = settled();
    object["metadata"]["deletionTimestamp"] = json!(NOW);
    object["metadata"]["finalizers"] = json!(["erpgo.io/cleanup"]);
    object
}

/// As no release of the operator leaves it, and a later one might.
fn conditions_of_before(object: Value) -> Value {
    let mut object = edited(object, "replicas", json!(2));
    object["status"]["observedGeneration"] = object["metadata"]["generation"].clone();
    object
}

fn no_conditions() -> Value {
    let mut object = conditions_of_before(settled());
    object["status"]["conditions"] = json!([]);
    object
}

/// Every fixture by the name of its file.
fn fixtures() -> Vec<(&'static str, Value)> {
    let paused = |object| published(edited(object, "paused", json!(true)), before_serves);
    let with_redis = edited(
        applied(),
        "redis",
        json!({"secretRef": {"name": "shop-redis"}}),
    );
    let turning = json!({"current": version("jwt-1"), "next": version("jwt-2")});
    let in_grace = json!({"current": version("jwt-2"), "previous": version("jwt-1")});
    vec![
        ("no-status", applied()),
        ("first-start", published(applied(), nothing_written_yet)),
        ("secret-missing", published(applied(), no_database_secret)),
        ("ready", settled()),
        ("without-prometheus", published(applied(), no_prometheus)),
        ("not-observed", edited(settled(), "replicas", json!(2))),
        ("migrating", upgraded(before_serves)),
        ("migration-failed", upgraded(migration_failed)),
        ("rolling-out", upgraded(one_of_two_pods)),
        ("rollout-stuck", upgraded(without_progress)),
        ("spec-refused", upgraded_to("no image", before_serves)),
        ("redis-away", published(with_redis, redis_away)),
        ("rotating", published(settled(), holding(2, turning))),
        ("in-grace", published(settled(), holding(3, in_grace))),
        ("rotation-rolled-back", rolled_back()),
        ("paused", paused(settled())),
        ("paused-degraded", paused(upgraded(migration_failed))),
        ("deleting", being_deleted()),
        ("ready-before", conditions_of_before(settled())),
        (
            "degraded-before",
            conditions_of_before(upgraded(migration_failed)),
        ),
        ("no-conditions", no_conditions()),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/argocd/fixtures")
}

fn names() -> BTreeSet<String> {
    let fixtures = fixtures().into_iter();
    fixtures.map(|(name, _)| format!("{name}.yaml")).collect()
}

fn committed() -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| name(entry.unwrap())).collect()
}

#[test]
fn the_committed_fixtures_are_what_the_operator_publishes() {
    for (name, object) in fixtures() {
        let file = folder().join(format!("{name}.yaml"));
        let generated = format!("{HEADER}{}", serde_saphyr::to_string(&object).unwrap());
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&file, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == generated,
            "manifests/argocd/fixtures/{name}.yaml is not current: run `make generate`, see that \
             health.lua still tells the truth, and commit the result\n{generated}"
        );
    }
    assert_eq!(committed(), names(), "none is written by hand");
}

#[test]
fn each_condition_holds_in_one_fixture_and_does_not_in_another() {
    let fixtures = fixtures();
    for type_ in ConditionType::ALL.map(ConditionType::as_str) {
        for status in ["True", "False"] {
            let found = fixtures.iter().any(|(_, object)| {
                let conditions = object["status"]["conditions"].as_array();
                let mut conditions = conditions.into_iter().flatten();
                conditions.any(|c| c["type"] == type_ && c["status"] == status)
            });
            assert!(found, "{type_} is {status} in no fixture");
        }
    }
}
