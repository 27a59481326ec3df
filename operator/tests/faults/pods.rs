//! Pods of the API that are refused, and pods that miss what they need.

use erpgo_crds::{ConditionType, ErpGo};
use erpgo_operator::reconcile::observed::{
    Complaint, Dependency, MigrationOutcome, MigrationReport, Observed,
};
use erpgo_operator::reconcile::status::status;
use jiff::Timestamp;

use crate::situation::{condition, degraded, planned, serving, two_pods};

#[test]
fn a_quota_that_refuses_the_pods_of_the_api_is_named() {
    let erpgo = two_pods();
    let mut seen = serving(&erpgo);
    let live = seen.deployment.as_mut().unwrap();
    (live.available, live.replica_failure) = (1, Some("exceeded quota: small".into()));
    degraded(&erpgo, &seen, "WriteRefused", &["exceeded quota: small"]);
}

#[test]
fn r07_4_pods_without_redis_stay_ready_and_say_so() {
    let erpgo = two_pods();
    let mut seen = serving(&erpgo);
    seen.complaints = vec![Complaint {
        dependency: Dependency::Redis,
        reason: "redis cannot be reached; the database answers instead".into(),
        pods: 2,
    }];
    let name = erpgo.spec.redis.as_ref().unwrap().secret_ref.name.clone();
    degraded(
        &erpgo,
        &seen,
        "RedisUnavailable",
        &["2 pods", "redis cannot be reached", &name, "by themselves"],
    );
    let ready = condition(&erpgo, &seen, ConditionType::Ready);
    assert_eq!(ready.status, "True", "{ready:?}");
}

/// Two pods with a pool of 15, which hold one connection more each, on a server that has `connections`.
fn with_connections(connections: Option<i32>) -> (ErpGo, Observed) {
    let mut erpgo = two_pods();
    erpgo.spec.database.pool.max_connections = 15;
    let mut seen = serving(&erpgo);
    seen.migration_job.as_mut().unwrap().report = Some(MigrationReport {
        outcome: MigrationOutcome::Unchanged,
        applied: Vec::new(),
        migration: None,
        statement: None,
        error: None,
        retryable: false,
        connections,
    });
    (erpgo, seen)
}

#[test]
fn a_database_with_too_few_connections_is_told_once_and_degrades_nothing() {
    let warned = |erpgo: &ErpGo, seen: &Observed| {
        let (status, events) = status(erpgo, &planned(erpgo, seen), seen, Timestamp::UNIX_EPOCH);
        let all = events
            .into_iter()
            .filter(|event| event.reason == "TooFewConnections");
        (status, all.collect::<Vec<_>>())
    };
    let (mut erpgo, seen) = with_connections(Some(31));
    let ready = condition(&erpgo, &seen, ConditionType::Ready);
    assert_eq!(ready.status, "True", "{ready:?}");
    let words = ["2 pods", "32 connections", "has 31", "maxConnections"];
    for word in words {
        assert!(ready.message.contains(word), "{word}: {}", ready.message);
    }
    let degraded = condition(&erpgo, &seen, ConditionType::Degraded);
    assert_eq!(degraded.status, "False", "{degraded:?}");
    let (told, events) = warned(&erpgo, &seen);
    assert!(events.len() == 1 && events[0].warning, "{events:?}");
    erpgo.status = Some(told.clone());
    let (again, events) = warned(&erpgo, &seen);
    assert_eq!((again, events.len()), (told, 0));

    for enough in [Some(32), None] {
        let (erpgo, seen) = with_connections(enough);
        let ready = condition(&erpgo, &seen, ConditionType::Ready);
        assert!(ready.message.ends_with("all its pods"), "{ready:?}");
        assert_eq!(warned(&erpgo, &seen).1, []);
    }
}

#[test]
fn pods_without_their_database_are_not_called_starting() {
    let erpgo = two_pods();
    let mut seen = serving(&erpgo);
    let live = seen.deployment.as_mut().unwrap();
    (live.ready, live.available) = (0, 0);
    seen.complaints = vec![Complaint {
        dependency: Dependency::Database,
        reason: "the database refuses or cannot be reached".into(),
        pods: 2,
    }];
    let name = erpgo.spec.database.secret_ref.name.clone();
    degraded(&erpgo, &seen, "DatabaseUnavailable", &["2 pods", &name]);
    let ready = condition(&erpgo, &seen, ConditionType::Ready);
    assert_eq!(ready.status, "False", "{ready:?}");
    let progressing = condition(&erpgo, &seen, ConditionType::Progressing);
    assert_eq!(progressing.status, "False", "{progressing:?}");
}
