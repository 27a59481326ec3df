//! A given first administrator that the API refused is tried again when its Secret is another one.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use erpgo_crds::ErpGo;
use erpgo_operator::reconcile::migrate::Migration;
use erpgo_operator::reconcile::names::{self, MADE_WITH};
use erpgo_operator::reconcile::observed::{JobFacts, JobState, Observed};
use erpgo_operator::reconcile::plan::{JobDeletion, Plan};
use situation::{deletions, example, planned, prepared};

/// Its Secret is in this revision.
fn given(erpgo: &ErpGo, revision: &str) -> Observed {
    Observed {
        bootstrap_revision: Some(revision.into()),
        ..prepared(erpgo)
    }
}

/// What a Job is made with now.
fn made_with(erpgo: &ErpGo, seen: &Observed) -> String {
    let job = planned(erpgo, seen).desired.unwrap().migration_job.unwrap();
    job.metadata.annotations.unwrap()[MADE_WITH].clone()
}

/// The Job was made when the Secret was in revision 7, and ended so. Now it is in `revision`.
fn ended(erpgo: &ErpGo, exit_code: i32, revision: &str) -> Plan {
    let state = match exit_code {
        0 => JobState::Succeeded,
        _ => JobState::Failed,
    };
    let job = JobFacts {
        name: names::migration_job(erpgo),
        image: erpgo.spec.image.clone(),
        attempt: 1,
        state,
        exit_code: Some(exit_code),
        made_with: Some(made_with(erpgo, &given(erpgo, "7"))),
        ..JobFacts::default()
    };
    let seen = Observed {
        migration_job: Some(job),
        ..given(erpgo, revision)
    };
    planned(erpgo, &seen)
}

#[test]
fn what_was_refused_is_tried_again_when_the_secret_was_written_to_and_nothing_else_is() {
    let erpgo = example("production");
    for (exit_code, revision, migration, deleted) in [
        (78, "7", Migration::Stopped, None),
        (78, "8", Migration::Retrying, Some(JobDeletion::Retry)),
        (65, "8", Migration::Stopped, None),
        (0, "8", Migration::Succeeded, None),
    ] {
        let plan = ended(&erpgo, exit_code, revision);
        assert_eq!(plan.migration, migration, "{exit_code} {revision}");
        let deleted: Vec<_> = deleted.into_iter().collect();
        assert_eq!(deletions(&plan), deleted, "{exit_code} {revision}");
    }
}

#[test]
fn another_secret_counts_as_another_one_whatever_its_revision() {
    let erpgo = example("production");
    let mut other = erpgo.clone();
    let admin = other.spec.bootstrap_admin.as_mut().unwrap();
    admin.secret_ref.name = "somebody".into();
    let [before, after] = [&erpgo, &other].map(|erpgo| made_with(erpgo, &given(erpgo, "7")));
    assert_ne!(before, after);
}

#[test]
fn the_way_out_names_the_secret_that_was_given() {
    let told = |example_name: &str| {
        let erpgo = example(example_name);
        ended(&erpgo, 78, "7").waiting.unwrap().way_out
    };
    let given = told("production");
    assert!(given.contains("the Secret shop-first-admin"), "{given}");
    let generated = told("minimal");
    assert!(!generated.contains("administrator"), "{generated}");
    for way_out in [given, generated] {
        assert!(way_out.ends_with("tried again by itself"), "{way_out}");
    }
}
