//! The database was put back to a state from before the migrations that serve: pods tell, and a person decides.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use std::collections::BTreeMap;

use erpgo_crds::{ErpGo, ErpGoStatus, MigrationStatus};
use erpgo_operator::reconcile::migrate::Migration;
use erpgo_operator::reconcile::names::{self, DATABASE, MIGRATE};
use erpgo_operator::reconcile::observed::{
    ContainerTerminated, JobFacts, JobState, Observed, PodComponent, PodFacts, SecretSetState,
};
use erpgo_operator::reconcile::plan::{JobDeletion, Plan};
use erpgo_operator::reconcile::status::status;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::json;
use situation::{deletions, example, planned, serving};

/// When the migrations ended.
const DONE: i64 = 100;
/// The version that is current; the migrations ran on the first one.
const CURRENT: &str = "database-3";

fn at(second: i64) -> Option<Timestamp> {
    Some(Timestamp::from_second(second).unwrap())
}

/// It was rolled out, and may be annotated.
fn shop(migrate: Option<&str>) -> ErpGo {
    let mut erpgo = example("minimal");
    let image = &erpgo.spec.image;
    erpgo.status = Some(ErpGoStatus {
        serving_image: Some(image.clone()),
        migration: Some(MigrationStatus {
            job: names::migration_job(&erpgo),
            image: image.clone(),
            state: "Succeeded".into(),
            database: None,
        }),
        ..ErpGoStatus::default()
    });
    let annotation = migrate.map(|version| (MIGRATE.to_owned(), version.to_owned()));
    erpgo.metadata.annotations = Some(BTreeMap::from_iter(annotation));
    erpgo
}

/// One pod has ended with 76 since, and is started again.
fn missed(erpgo: &ErpGo) -> Observed {
    let version =
        |kid: &str| json!({"current": {"kid": kid, "created_at": "1970-01-01T00:00:00Z"}});
    let keys = json!({"jwt": version("jwt-1"), "refresh": version("refresh-1"), "pepper": version("pepper-1"), "database": version(CURRENT)});
    let document = json!({"generation": 7, "keys": keys});
    let job = JobFacts {
        name: names::migration_job(erpgo),
        image: erpgo.spec.image.clone(),
        attempt: 1,
        state: JobState::Succeeded,
        database: Some("database-1".into()),
        finished_at: at(DONE),
        ..JobFacts::default()
    };
    let pod = PodFacts {
        name: "shop-0".into(),
        component: PodComponent::Api,
        image: erpgo.spec.image.clone(),
        terminated: Some(ContainerTerminated {
            container: "app".into(),
            exit_code: 76,
            finished_at: at(DONE + 1),
            ..ContainerTerminated::default()
        }),
        ..PodFacts::default()
    };
    Observed {
        document: Some(serde_json::from_value(document).unwrap()),
        secret_set: SecretSetState::Present { generation: 7 },
        control_token: true,
        admin_secret: true,
        migration_job: Some(job),
        pods: vec![pod],
        ..serving(erpgo)
    }
}

/// The same with the Job and without.
fn both(erpgo: &ErpGo) -> [Observed; 2] {
    let with = missed(erpgo);
    let without = Observed {
        migration_job: None,
        ..with.clone()
    };
    [with, without]
}

/// The same while the backend is away.
fn sealed(seen: Observed) -> Observed {
    Observed {
        document: None,
        secret_set: SecretSetState::Unreachable {
            class: "sealed".into(),
            message: "it is sealed".into(),
        },
        ..seen
    }
}

/// Migrations run no more, and pods of the image are wanted.
fn rests(plan: &Plan, image: &str) {
    assert_eq!(plan.migration, Migration::Succeeded);
    assert_eq!(deletions(plan), []);
    assert_eq!(plan.serving_image.as_deref(), Some(image));
}

#[test]
fn i01_a_success_that_pods_miss_is_told_with_both_ways_out_and_nothing_runs_by_itself() {
    for migrate in [None, Some("database-1"), Some("")] {
        let erpgo = shop(migrate);
        for seen in both(&erpgo) {
            let plan = planned(&erpgo, &seen);
            rests(&plan, &erpgo.spec.image);
            if seen.migration_job.is_none() {
                assert_eq!(plan.desired.as_ref().unwrap().migration_job, None);
            }
            let (told, _) = status(&erpgo, &plan, &seen, Timestamp::UNIX_EPOCH);
            for (kind, state) in [("Degraded", "True"), ("MigrationsApplied", "False")] {
                let mut all = told.conditions.iter();
                let told = all.find(|told| told.type_ == kind).unwrap();
                assert_eq!((&*told.status, &*told.reason), (state, "SchemaBehind"));
                for words in [
                    "the pod shop-0",
                    "erpgo.io/migrate=database-3",
                    "correct its URL",
                ] {
                    assert!(told.message.contains(words), "{words}: {}", told.message);
                }
            }
        }
    }
}

#[test]
fn migrations_that_pods_miss_run_again_where_a_person_says_so() {
    let erpgo = shop(Some(CURRENT));
    for seen in both(&erpgo) {
        let plan = planned(&erpgo, &seen);
        assert_eq!(plan.migration, Migration::Running);
        let expected = seen.migration_job.as_ref().map(|_| JobDeletion::Undone);
        assert_eq!(deletions(&plan), Vec::from_iter(expected));
        // Pods of the image go on, and those that can, serve.
        assert_eq!(plan.serving_image.as_ref(), Some(&erpgo.spec.image));
        let waiting = plan.waiting.unwrap();
        assert_eq!((waiting.reason, waiting.fault), ("Migrating", false));
        let job = plan.desired.unwrap().migration_job.unwrap();
        let annotations = job.metadata.annotations.unwrap();
        assert_eq!(annotations[DATABASE], CURRENT);
    }
}

#[test]
fn they_run_once_for_an_end_and_not_for_what_else_pods_may_end_with() {
    let erpgo = shop(Some(CURRENT));
    type Change = fn(&mut Observed);
    let changes: [(&str, Change); 6] = [
        ("before the Job ended", |seen| {
            seen.migration_job.as_mut().unwrap().finished_at = at(DONE + 2);
        }),
        ("found since", |seen| seen.pods[0].ready = true),
        ("on its way out", |seen| seen.pods[0].terminating = true),
        ("of another image", |seen| {
            seen.pods[0].image = "registry.example.com/erpgo:0.0.9".into();
        }),
        ("of another container", |seen| {
            seen.pods[0].terminated.as_mut().unwrap().container = "mesh".into();
        }),
        ("for another reason", |seen| {
            seen.pods[0].terminated.as_mut().unwrap().exit_code = 78;
        }),
    ];
    for (what, change) in changes {
        let mut seen = missed(&erpgo);
        change(&mut seen);
        let plan = planned(&erpgo, &seen);
        rests(&plan, &erpgo.spec.image);
        let told = plan.waiting.map(|waiting| waiting.reason);
        assert_ne!(told, Some("SchemaBehind"), "{what}");
    }
}

#[test]
fn while_nobody_can_tell_which_database_is_current_nothing_runs() {
    let erpgo = shop(Some(CURRENT));
    let seen = sealed(missed(&erpgo));
    let plan = planned(&erpgo, &seen);
    rests(&plan, &erpgo.spec.image);
    assert_eq!(plan.waiting.unwrap().reason, "BackendUnreachable");
}

/// What is told of the migrations, beside what was told before.
fn migrations(erpgo: &ErpGo, seen: &Observed) -> (Condition, Vec<&'static str>) {
    let plan = planned(erpgo, seen);
    let (told, events) = status(erpgo, &plan, seen, Timestamp::UNIX_EPOCH);
    let mut all = told.conditions.into_iter();
    let told = all.find(|told| told.type_ == "MigrationsApplied").unwrap();
    (told, events.iter().map(|event| event.reason).collect())
}

#[test]
fn what_was_told_of_them_stands_while_the_backend_is_away_and_pods_still_miss_them() {
    let mut erpgo = shop(None);
    for seen in both(&erpgo) {
        let found = Observed {
            pods: Vec::new(),
            ..seen.clone()
        };
        for (before, state) in [(&seen, "False"), (&found, "True")] {
            let plan = planned(&erpgo, before);
            let (published, _) = status(&erpgo, &plan, before, Timestamp::UNIX_EPOCH);
            erpgo.status = Some(published);
            let (told, _) = migrations(&erpgo, before);
            assert_eq!(told.status, state);
            // Pods may begin to miss them only now: nobody can tell which database that is.
            let away = (told, vec!["BackendUnreachable"]);
            assert_eq!(migrations(&erpgo, &sealed(seen.clone())), away);
        }
    }
}

#[test]
fn pods_that_have_found_them_are_believed_though_the_backend_is_away() {
    let mut erpgo = shop(None);
    let mut seen = missed(&erpgo);
    let plan = planned(&erpgo, &seen);
    erpgo.status = Some(status(&erpgo, &plan, &seen, Timestamp::UNIX_EPOCH).0);
    assert_eq!(migrations(&erpgo, &seen).0.reason, "SchemaBehind");
    seen.pods[0].ready = true;
    let (told, _) = migrations(&erpgo, &sealed(seen));
    assert_eq!(
        (&*told.status, &*told.reason),
        ("True", "MigrationsSucceeded")
    );
}
