//! Examples and observations that the tests of the pure half share.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::Path;

use erpgo_crds::{ConditionType, ErpGo};
use erpgo_operator::reconcile::config::Config;
use erpgo_operator::reconcile::names::SPEC_HASH;
use erpgo_operator::reconcile::observed::{
    ApiPresence, DeploymentFacts, JobFacts, JobState, Observed, SecretSetState, SecretSource,
};
use erpgo_operator::reconcile::plan::{Plan, plan};
use erpgo_operator::reconcile::status::status;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

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

/// The condition that is told.
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

/// All inputs are there; nothing has run yet.
pub(crate) fn prepared(erpgo: &ErpGo) -> Observed {
    Observed {
        database_secret: SecretSource::Present,
        redis_secret: erpgo.spec.redis.as_ref().map(|_| SecretSource::Present),
        bootstrap_secret: erpgo
            .spec
            .bootstrap_admin
            .as_ref()
            .map(|_| SecretSource::Present),
        secret_set: SecretSetState::Present { generation: 1 },
        available_apis: ApiPresence {
            service_monitor: true,
            prometheus_rule: true,
            http_route: true,
        },
        ..Observed::default()
    }
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
