//! A migration that does not begin, dies or fails.

use erpgo_crds::{ConditionType, ErpGo};
use erpgo_operator::reconcile::observed::{
    ContainerWaiting, JobFacts, JobState, MAX_TAIL_BYTES, MigrationOutcome, MigrationReport,
    Observed, PodComponent, PodFacts,
};

use crate::situation::{condition, degraded, prepared, two_pods};

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
    let erpgo = two_pods();
    let seen = Observed {
        migration_job: Some(job),
        ..prepared(&erpgo)
    };
    (erpgo, seen)
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
