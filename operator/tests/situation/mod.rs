//! Examples and observations that the tests of the pure half share.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::Path;

use erpgo_crds::{ConditionType, ErpGo};
use erpgo_operator::reconcile::config::Config;
use erpgo_operator::reconcile::inputs;
use erpgo_operator::reconcile::names::SPEC_HASH;
use erpgo_operator::reconcile::observed::{DeploymentFacts, JobFacts, JobState, Observed};
use erpgo_operator::reconcile::plan::{Effect, JobDeletion, Plan, plan};
use erpgo_operator::reconcile::status::status;
use erpgo_operator::rotation::Edit;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

/// `manifests/examples/<name>.yaml`, as the API server would give it.
pub(crate) fn example(name: &str) -> ErpGo {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../manifests/examples/{name}.yaml"));
    let mut erpgo: ErpGo = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    erpgo.metadata.namespace = Some("market".into());
    erpgo.metadata.uid = Some("5f0c6a52-7f5a-4a0e-9f5e-2d1c3b4a5968".into());
    erpgo.metadata.generation = Some(1);
    erpgo
}

pub(crate) fn config() -> Config {
    Config {
        sidecar_image: "registry.example.com/sidecar-secrets:0.1.0".into(),
        operator_namespace: "erpgo-system".into(),
    }
}

pub(crate) fn planned(erpgo: &ErpGo, seen: &Observed) -> Plan {
    plan(erpgo, seen, &config(), Timestamp::UNIX_EPOCH)
}

/// Why it deletes migration Jobs, for each.
pub(crate) fn deletions(plan: &Plan) -> Vec<JobDeletion> {
    let because = |effect: &Effect| match effect {
        Effect::DeleteMigrationJob { because, .. } => Some(*because),
        _ => None,
    };
    plan.effects.iter().filter_map(because).collect()
}

/// How it changes the secret set.
pub(crate) fn write(plan: &Plan) -> Option<Edit> {
    plan.effects.iter().find_map(|effect| match effect {
        Effect::WriteSecrets { write, .. } => Some(write.edit.clone()),
        _ => None,
    })
}

/// A version in the view of a document.
pub(crate) fn version(kid: &str) -> Value {
    json!({"kid": kid, "created_at": "1970-01-01T00:00:00Z"})
}

/// What is told of it in this condition.
pub(crate) fn condition(erpgo: &ErpGo, seen: &Observed, type_: ConditionType) -> Condition {
    let plan = planned(erpgo, seen);
    let (status, _) = status(erpgo, &plan, seen, Timestamp::UNIX_EPOCH);
    let mut all = status.conditions.into_iter();
    all.find(|c| c.type_ == type_.as_str()).unwrap()
}

/// It is degraded for this reason, and the message has these words.
pub(crate) fn degraded(erpgo: &ErpGo, seen: &Observed, reason: &str, words: &[&str]) {
    let found = condition(erpgo, seen, ConditionType::Degraded);
    assert_eq!(found.status, "True", "{found:?}");
    assert_eq!(found.reason, reason, "{found:?}");
    for word in words {
        assert!(found.message.contains(word), "{word}: {}", found.message);
    }
}

/// The next reconcile remembers what `plan` meant of rotations.
pub(crate) fn remember(erpgo: &mut ErpGo, plan: &Plan) {
    let record = &plan.rotation.as_ref().unwrap().record;
    erpgo.status.get_or_insert_default().rotation = Some(record.to_status());
}

/// The example `production` with two pods, whatever their load.
pub(crate) fn two_pods() -> ErpGo {
    let mut erpgo = example("production");
    erpgo.spec.autoscaling = None;
    erpgo.spec.replicas = Some(2);
    erpgo
}

/// All inputs are there; nothing has run yet.
pub(crate) fn prepared(erpgo: &ErpGo) -> Observed {
    inputs::present(erpgo)
}

/// And the migrations have succeeded.
pub(crate) fn succeeded(erpgo: &ErpGo) -> Observed {
    Observed {
        migration_job: Some(JobFacts {
            state: JobState::Succeeded,
            image: erpgo.spec.image.clone(),
            attempt: 1,
            ..JobFacts::default()
        }),
        ..prepared(erpgo)
    }
}

/// And two pods serve it.
pub(crate) fn serving(erpgo: &ErpGo) -> Observed {
    let mut seen = succeeded(erpgo);
    let wanted = planned(erpgo, &seen).desired.unwrap().deployment.unwrap();
    seen.deployment = Some(DeploymentFacts {
        image: erpgo.spec.image.clone(),
        wanted: 2,
        replicas: 2,
        updated: 2,
        ready: 2,
        available: 2,
        spec_hash: wanted.metadata.annotations.unwrap().remove(SPEC_HASH),
        ..DeploymentFacts::default()
    });
    seen
}
