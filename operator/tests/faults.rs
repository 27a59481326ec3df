//! Every fault leads to a condition that names its cause and the way out, and what serves goes on.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use erpgo_crds::{ConditionType, ErpGo, ErpGoStatus, RotatingKeyStatus, RotationStatus};
use erpgo_operator::reconcile::observed::{
    ApiPresence, Complaint, ContainerWaiting, Dependency, JobFacts, JobState, MAX_TAIL_BYTES,
    MigrationOutcome, MigrationReport, Observed, PodComponent, PodFacts, SecretSetState,
    SecretSource,
};
use erpgo_operator::reconcile::plan::Effect;
use erpgo_operator::reconcile::status::status;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use situation::{condition, degraded, example, planned, prepared, serving};

fn shop() -> ErpGo {
    let mut erpgo = example("production");
    erpgo.spec.autoscaling = None;
    erpgo.spec.replicas = Some(2);
    erpgo
}

fn job(state: JobState, exit_code: Option<i32>, report: Option<MigrationReport>) -> JobFacts {
    JobFacts {
        name: "shop-migrate-1".into(),
        attempt: 1,
        state,
        exit_code,
        report,
        made_with: Some("other".into()),
        ..JobFacts::default()
    }
}

fn migrating(job: JobFacts) -> (ErpGo, Observed) {
    let erpgo = shop();
    let seen = Observed {
        migration_job: Some(job),
        ..prepared(&erpgo)
    };
    (erpgo, seen)
}

#[test]
fn all_is_well_when_all_is_well() {
    let erpgo = shop();
    let seen = serving(&erpgo);
    let ready = condition(&erpgo, &seen, ConditionType::Ready);
    assert_eq!(ready.status, "True", "{ready:?}");
    let degraded = condition(&erpgo, &seen, ConditionType::Degraded);
    assert_eq!(degraded.status, "False", "{degraded:?}");
}

#[test]
fn a_missing_secret_is_named_with_its_field() {
    let erpgo = shop();
    let seen = Observed {
        database_secret: SecretSource::Missing,
        secret_set: SecretSetState::Absent,
        ..prepared(&erpgo)
    };
    let name = erpgo.spec.database.secret_ref.name.clone();
    degraded(
        &erpgo,
        &seen,
        "SecretMissing",
        &[&name, "spec.database.secretRef", "create it with the key"],
    );
}

#[test]
fn a_secret_without_a_url_is_told_while_pods_go_on_with_the_one_that_they_have() {
    let mut erpgo = shop();
    // Where logins take turns, nobody looks at it any more.
    erpgo.spec.database.rotation = None;
    erpgo.spec.redis.as_mut().unwrap().rotation = None;
    let name = erpgo.spec.database.secret_ref.name.clone();
    let wrong = SecretSource::Invalid {
        reason: "the value is not a URL".into(),
    };
    let seen = Observed {
        database_secret: wrong.clone(),
        ..serving(&erpgo)
    };
    let words = [name.as_str(), "the value is not a URL", "pods keep the URL"];
    degraded(&erpgo, &seen, "SecretMissing", &words);
    let of_redis = Observed {
        redis_secret: Some(wrong),
        ..serving(&erpgo)
    };
    let words = ["spec.redis.secretRef", "pods keep the URL"];
    degraded(&erpgo, &of_redis, "SecretMissing", &words);
    for seen in [&seen, &of_redis] {
        let ready = condition(&erpgo, seen, ConditionType::Ready);
        assert_eq!(ready.status, "True", "{ready:?}");
    }
    // The set in use needs it no more.
    let gone = Observed {
        database_secret: SecretSource::Missing,
        ..serving(&erpgo)
    };
    let calm = condition(&erpgo, &gone, ConditionType::Degraded);
    assert_eq!(calm.status, "False", "{calm:?}");
}

#[test]
fn an_invalid_secret_set_takes_nothing_from_what_serves() {
    let erpgo = shop();
    let seen = Observed {
        secret_set: SecretSetState::Invalid {
            reasons: vec!["jwt.current: too short".into()],
        },
        ..serving(&erpgo)
    };
    degraded(
        &erpgo,
        &seen,
        "SecretSetInvalid",
        &["jwt.current: too short", "write a valid document"],
    );
    assert!(planned(&erpgo, &seen).desired.unwrap().deployment.is_some());
}

#[test]
fn a_secret_set_that_pods_use_is_not_replaced_when_it_is_lost() {
    let mut erpgo = shop();
    let seen = Observed {
        secret_set: SecretSetState::Absent,
        ..serving(&erpgo)
    };
    let first = Effect::EnsureFirstGeneration;
    assert!(planned(&erpgo, &seen).effects.contains(&first));

    erpgo.status = Some(ErpGoStatus {
        rotation: Some(known()),
        ..ErpGoStatus::default()
    });
    degraded(
        &erpgo,
        &seen,
        "SecretSetLost",
        &["restore it from a backup", "last good set"],
    );
    let plan = planned(&erpgo, &seen);
    assert!(!plan.effects.contains(&first));
    assert!(plan.desired.unwrap().deployment.is_some());
}

/// One key was seen.
fn known() -> RotationStatus {
    RotationStatus {
        keys: vec![RotatingKeyStatus {
            key: "jwt".into(),
            kid: "jwt-1".into(),
            created_at: Time(Timestamp::UNIX_EPOCH),
            next: None,
            previous: None,
            switched_at: None,
        }],
        ..RotationStatus::default()
    }
}

#[test]
fn an_image_that_cannot_be_pulled_is_named() {
    let (erpgo, mut seen) = migrating(job(JobState::Running, None, None));
    seen.pods = vec![PodFacts {
        component: PodComponent::Migration,
        image: erpgo.spec.image.clone(),
        waiting: Some(ContainerWaiting {
            container: "migrate".into(),
            reason: "ErrImagePull".into(),
            message: "not found".into(),
        }),
        ..PodFacts::default()
    }];
    let image = erpgo.spec.image.clone();
    degraded(
        &erpgo,
        &seen,
        "ImageUnavailable",
        &[&image, "correct the image"],
    );
}

#[test]
fn a_quota_that_refuses_the_pods_of_the_migration_is_named() {
    let refused = JobFacts {
        pods_refused: Some("exceeded quota: small, requested: pods=1".into()),
        ..job(JobState::Running, None, None)
    };
    let (erpgo, seen) = migrating(refused);
    degraded(
        &erpgo,
        &seen,
        "WriteRefused",
        &["exceeded quota: small", "raise the quota"],
    );
}

#[test]
fn a_quota_that_refuses_the_pods_of_the_api_is_named() {
    let erpgo = shop();
    let mut seen = serving(&erpgo);
    let live = seen.deployment.as_mut().unwrap();
    (live.available, live.replica_failure) = (1, Some("exceeded quota: small".into()));
    degraded(&erpgo, &seen, "WriteRefused", &["exceeded quota: small"]);
}

#[test]
fn a_wrong_password_is_told_in_the_databases_words_and_tried_again() {
    let report = MigrationReport {
        outcome: MigrationOutcome::Unavailable,
        applied: Vec::new(),
        migration: None,
        statement: None,
        error: Some("password authentication failed for user \"erp\" (SQLSTATE 28P01)".into()),
        retryable: true,
        connections: None,
    };
    let (erpgo, seen) = migrating(job(JobState::Failed, Some(75), Some(report)));
    degraded(
        &erpgo,
        &seen,
        "MigrationRetrying",
        &["password authentication failed", "tried again"],
    );
}

/// A pod of the Job died without a report, and this is how its log ends.
fn died(state: JobState, code: i32, word: &str, tail: &str) -> JobFacts {
    JobFacts {
        end_reason: Some(word.into()),
        tail: Some(tail.into()),
        ..job(state, Some(code), None)
    }
}

#[test]
fn r19_2_a_migration_that_dies_without_a_report_is_told_while_it_is_tried_again() {
    let log = "thread 'main' panicked at app/src/migrate/plan.rs";
    for state in [JobState::Running, JobState::Failed] {
        let (erpgo, seen) = migrating(died(state, 101, "Error", log));
        let words = ["shop-migrate-1", "Error, exit code 101", log, "tried again"];
        degraded(&erpgo, &seen, "MigrationRetrying", &words);
        let told = condition(&erpgo, &seen, ConditionType::Degraded).message;
        assert!(!told.contains("memoryLimit"), "{told}");

        let (erpgo, seen) = migrating(died(state, 137, "OOMKilled", "0002_x begins"));
        let words = [
            "OOMKilled, exit code 137",
            "0002_x begins",
            "raise spec.resources.memoryLimit",
        ];
        degraded(&erpgo, &seen, "MigrationRetrying", &words);
    }
}

#[test]
fn a_migration_whose_pods_have_not_failed_is_not_called_degraded() {
    for code in [None, Some(0)] {
        let (erpgo, seen) = migrating(job(JobState::Running, code, None));
        let degraded = condition(&erpgo, &seen, ConditionType::Degraded);
        assert_eq!(degraded.status, "False", "{degraded:?}");
        let progressing = condition(&erpgo, &seen, ConditionType::Progressing);
        assert_eq!(progressing.reason, "Migrating", "{progressing:?}");
    }
}

#[test]
fn the_end_of_a_log_leaves_room_for_the_way_out() {
    let log = "ä".repeat(MAX_TAIL_BYTES / 2);
    let (erpgo, seen) = migrating(died(JobState::Running, 137, "OOMKilled", &log));
    let words = [log.as_str(), "it is tried again by itself"];
    degraded(&erpgo, &seen, "MigrationRetrying", &words);
}

#[test]
fn r07_4_pods_without_redis_stay_ready_and_say_so() {
    let erpgo = shop();
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
    let mut erpgo = shop();
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
    let erpgo = shop();
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

#[test]
fn a_missing_optional_crd_is_told_and_stops_nothing() {
    let erpgo = shop();
    let seen = Observed {
        available_apis: ApiPresence::default(),
        ..serving(&erpgo)
    };
    let monitoring = condition(&erpgo, &seen, ConditionType::MonitoringReady);
    assert_eq!(
        (monitoring.status.as_str(), monitoring.reason.as_str()),
        ("False", "CRDMissing")
    );
    assert!(monitoring.message.contains("install them"));
    let ready = condition(&erpgo, &seen, ConditionType::Ready);
    assert_eq!(ready.status, "True", "{ready:?}");
}

#[test]
fn monitoring_is_told_as_it_is() {
    let none = ApiPresence::default();
    let one = ApiPresence {
        service_monitor: true,
        ..none
    };
    let all = ApiPresence {
        prometheus_rule: true,
        ..one
    };
    for (enabled, alerts, apis, told, words) in [
        (true, true, all, "True Applied", "are in place"),
        (true, false, all, "True Applied", "no alert rules"),
        (true, false, one, "True Applied", "scraping is in place"),
        (true, true, one, "False CRDMissing", "no alert rules"),
        (true, true, none, "False CRDMissing", "nothing is scraped"),
        (true, false, none, "False CRDMissing", "nothing is scraped"),
        (false, true, all, "True Disabled", "nothing is scraped"),
        (false, true, none, "True Disabled", "nothing is scraped"),
        (false, false, all, "True Disabled", "nothing is scraped"),
    ] {
        let mut erpgo = shop();
        erpgo.spec.monitoring.enabled = enabled;
        erpgo.spec.monitoring.alerts.enabled = alerts;
        let seen = Observed {
            available_apis: apis,
            ..serving(&erpgo)
        };
        let Condition {
            status,
            reason,
            message,
            ..
        } = condition(&erpgo, &seen, ConditionType::MonitoringReady);
        assert_eq!(format!("{status} {reason}"), told, "{message}");
        assert!(message.contains(words), "{words}: {message}");
        let made = planned(&erpgo, &seen).desired.unwrap();
        let scraped = made.service_monitor.is_some();
        assert_eq!(message.contains("nothing is scraped"), !scraped);
        let ruled = made.prometheus_rule.is_some();
        assert_eq!(message.contains("alert rules are in place"), ruled);
    }
}
