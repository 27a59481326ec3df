//! The URL of the database changes while another image is on its way.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use erpgo_crds::{ConditionType, ErpGo, ErpGoStatus, MigrationStatus};
use erpgo_operator::reconcile::migrate::Migration;
use erpgo_operator::reconcile::names::{self, DATABASE};
use erpgo_operator::reconcile::observed::{
    DeploymentFacts, JobFacts, JobState, Observed, SecretSetState,
};
use erpgo_operator::reconcile::plan::{Effect, JobDeletion, Plan};
use erpgo_operator::reconcile::status::status;
use erpgo_operator::rotation::DocumentView;
use jiff::Timestamp;
use serde_json::{Value, json};
use situation::{deletions, example, planned, prepared, serving, version};

const OLD: &str = "registry.example.com/erpgo:0.1.0";
const NEW: &str = "registry.example.com/erpgo:0.2.0";
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// The set in which the database has these versions.
fn document(database: &Value) -> DocumentView {
    let others = ["jwt", "refresh", "pepper"].map(|key| {
        let only = json!({"current": version(&format!("{key}-1"))});
        (key.to_owned(), only)
    });
    let mut keys: serde_json::Map<_, _> = others.into_iter().collect();
    keys.insert("database".into(), database.clone());
    serde_json::from_value(json!({"generation": 7, "keys": keys})).unwrap()
}

fn job(state: JobState, made_for: Option<&str>) -> JobFacts {
    JobFacts {
        name: names::migration_job(&wanted()),
        uid: "uid".into(),
        resource_version: "7".into(),
        image: NEW.into(),
        attempt: 3,
        state,
        database: made_for.map(str::to_owned),
        ..JobFacts::default()
    }
}

/// [`NEW`] is wanted.
fn wanted() -> ErpGo {
    let mut erpgo = example("minimal");
    erpgo.spec.image = NEW.into();
    erpgo
}

/// What the status says of [`NEW`], and of the image that serves.
fn recorded(serving_image: &str, migration: Option<(&str, Option<&str>)>) -> ErpGoStatus {
    let migration = migration.map(|(state, database)| MigrationStatus {
        job: names::migration_job(&wanted()),
        image: NEW.into(),
        state: state.into(),
        database: database.map(str::to_owned),
    });
    ErpGoStatus {
        serving_image: Some(serving_image.into()),
        migration,
        ..ErpGoStatus::default()
    }
}

/// All pods run `image`.
fn live(image: &str) -> DeploymentFacts {
    let mut erpgo = wanted();
    erpgo.spec.image = image.into();
    serving(&erpgo).deployment.unwrap()
}

/// Pods of `image` are on their way.
fn rolling(image: &str) -> DeploymentFacts {
    DeploymentFacts {
        replicas: 3,
        updated: 1,
        ..live(image)
    }
}

/// Where an upgrade is when it meets another version of the database.
struct Case {
    what: &'static str,
    job: Option<JobFacts>,
    status: ErpGoStatus,
    live: Option<DeploymentFacts>,
    current: &'static str,
    next: Option<&'static str>,
}

impl Case {
    /// The Job of [`NEW`] has succeeded on `made_for`, and the pods of before serve.
    fn done(what: &'static str, made_for: &str, current: &'static str) -> Self {
        Self {
            what,
            job: Some(job(JobState::Succeeded, Some(made_for))),
            status: recorded(OLD, Some(("Running", None))),
            live: Some(live(OLD)),
            current,
            next: None,
        }
    }

    /// And its pods are on their way.
    fn rolling(what: &'static str, made_for: &str, current: &'static str) -> Self {
        Self {
            status: recorded(NEW, Some(("Succeeded", Some(made_for)))),
            live: Some(rolling(NEW)),
            ..Self::done(what, made_for, current)
        }
    }

    fn seen(&self) -> (ErpGo, Observed) {
        let mut erpgo = wanted();
        erpgo.status = Some(self.status.clone());
        let mut database = json!({"current": version(self.current)});
        if let Some(next) = self.next {
            database["next"] = version(next);
        }
        let seen = Observed {
            document: Some(document(&database)),
            secret_set: SecretSetState::Present { generation: 7 },
            migration_job: self.job.clone(),
            deployment: self.live.clone(),
            control_token: true,
            admin_secret: true,
            ..prepared(&erpgo)
        };
        (erpgo, seen)
    }

    fn planned(&self) -> Plan {
        let (erpgo, seen) = self.seen();
        planned(&erpgo, &seen)
    }
}

fn with(mut case: Case, change: fn(&mut Case)) -> Case {
    change(&mut case);
    case
}

/// The version that the wanted Job is made for; none without a Job.
fn made_for(plan: &Plan) -> Option<String> {
    let job = plan.desired.as_ref().unwrap().migration_job.as_ref()?;
    let annotations = job.metadata.annotations.as_ref().unwrap();
    annotations.get(DATABASE).cloned()
}

fn deployed(plan: &Plan) -> String {
    let deployment = plan.desired.as_ref().unwrap().deployment.as_ref();
    let pod = deployment
        .unwrap()
        .spec
        .as_ref()
        .unwrap()
        .template
        .spec
        .as_ref();
    pod.unwrap().containers[0].image.clone().unwrap()
}

#[test]
fn i01_migrations_run_again_where_pods_of_the_image_would_find_a_schema_of_before() {
    let gone = |case: &mut Case| case.job = None;
    for (case, serves) in [
        (
            Case::done("before the rollout", "database-1", "database-2"),
            OLD,
        ),
        (
            Case::rolling("in the rollout", "database-1", "database-2"),
            NEW,
        ),
        (
            with(
                Case::rolling("without the Job", "database-1", "database-2"),
                gone,
            ),
            NEW,
        ),
    ] {
        let (what, plan) = (case.what, case.planned());
        assert_eq!(plan.migration, Migration::Running, "{what}");
        let expected = case.job.as_ref().map(|_| JobDeletion::Moved);
        let expected: Vec<JobDeletion> = expected.into_iter().collect();
        assert_eq!(deletions(&plan), expected, "{what}");
        assert_eq!(made_for(&plan).as_deref(), Some("database-2"), "{what}");
        // Whatever is on its way stays so: pods of it wait for the Job.
        assert_eq!(deployed(&plan), serves, "{what}");
        let waiting = plan.waiting.unwrap();
        assert_eq!(
            (waiting.reason, waiting.fault),
            ("Migrating", false),
            "{what}"
        );
    }
}

#[test]
fn migrations_that_have_succeeded_where_pods_connect_run_once() {
    let rolled_out = |case: &mut Case| {
        case.status = recorded(NEW, Some(("Succeeded", None)));
        case.live = Some(live(NEW));
    };
    let of_before = |case: &mut Case| case.job.as_mut().unwrap().database = None;
    let without_job = |case: &mut Case| case.job = None;
    for case in [
        Case::done("the database stayed", "database-1", "database-1"),
        Case::rolling("it stayed in the rollout", "database-1", "database-1"),
        // Each pod has accepted every version that came later.
        with(
            Case::rolling("rolled out", "database-1", "database-2"),
            rolled_out,
        ),
        with(
            Case::done("a Job of an older operator", "", "database-2"),
            of_before,
        ),
        with(
            Case::rolling("the Job is gone", "database-2", "database-2"),
            without_job,
        ),
        with(
            Case::rolling("staged in the rollout", "database-1", "database-1"),
            |case| {
                case.next = Some("database-2");
            },
        ),
        with(
            Case::done("nothing serves yet", "database-1", "database-1"),
            |case| {
                (case.live, case.next) = (None, Some("database-2"));
            },
        ),
    ] {
        let (what, plan) = (case.what, case.planned());
        assert_eq!(plan.migration, Migration::Succeeded, "{what}");
        assert_eq!(deletions(&plan), [], "{what}");
        assert_eq!(deployed(&plan), NEW, "{what}");
    }
}

#[test]
fn a_job_that_runs_is_not_disturbed_by_another_database() {
    let mut case = Case::done("it runs", "database-1", "database-2");
    case.job = Some(job(JobState::Running, Some("database-1")));
    let plan = case.planned();
    assert_eq!(plan.migration, Migration::Running);
    assert_eq!(deletions(&plan), []);
    assert_eq!(deployed(&plan), OLD);
}

#[test]
fn no_rollout_begins_while_another_database_is_staged() {
    let mut case = Case::done("staged", "database-1", "database-1");
    case.next = Some("database-2");
    let plan = case.planned();
    assert_eq!(deployed(&plan), OLD);
    assert_eq!(deletions(&plan), []);
    let waiting = plan.waiting.clone().unwrap();
    assert_eq!((waiting.reason, waiting.fault), ("Migrating", false));
    assert!(
        waiting.cause.contains("URL of the database"),
        "{}",
        waiting.cause
    );
    let (erpgo, seen) = case.seen();
    let (told, _) = status(&erpgo, &plan, &seen, NOW);
    let progressing = ConditionType::Progressing.as_str();
    let told = told
        .conditions
        .iter()
        .find(|told| told.type_ == progressing);
    assert_eq!(told.unwrap().message, waiting.message());

    // It was rolled back, or promoted and the migrations ran there.
    case.next = None;
    assert_eq!(deployed(&case.planned()), NEW);
    let case = Case::done("promoted", "database-2", "database-2");
    assert_eq!(deployed(&case.planned()), NEW);
}

#[test]
fn nor_when_the_job_is_gone_and_its_success_is_remembered_until_it_counts_or_not() {
    let mut case = Case {
        job: None,
        status: recorded(OLD, Some(("Succeeded", Some("database-1")))),
        next: Some("database-2"),
        ..Case::done("staged", "database-1", "database-1")
    };
    for look in 0..2 {
        let (erpgo, seen) = case.seen();
        let plan = planned(&erpgo, &seen);
        assert_eq!(deployed(&plan), OLD, "{look}");
        assert_eq!(made_for(&plan), None, "{look}");
        let waiting = plan.waiting.as_ref().unwrap();
        assert_eq!((waiting.reason, waiting.fault), ("Migrating", false));
        // What is told now is what the next look remembers.
        assert_eq!(told(&case).as_deref(), Some("database-1"));
        case.status = status(&erpgo, &plan, &seen, NOW).0;
    }

    case.next = None;
    assert_eq!(deployed(&case.planned()), NEW, "rolled back");
    case.current = "database-2";
    let plan = case.planned();
    assert_eq!(deployed(&plan), OLD, "promoted");
    assert_eq!(made_for(&plan).as_deref(), Some("database-2"));
}

#[test]
fn while_the_backend_is_away_no_rollout_begins_and_none_is_taken_back() {
    for (case, migration, serves) in [
        (
            Case::done("before the rollout", "database-1", "database-1"),
            Migration::Pending,
            OLD,
        ),
        (
            Case::rolling("in the rollout", "database-1", "database-1"),
            Migration::Succeeded,
            NEW,
        ),
    ] {
        let (erpgo, mut seen) = case.seen();
        seen.document = None;
        seen.secret_set = SecretSetState::Unreachable {
            class: "sealed".into(),
            message: "it is sealed".into(),
        };
        let plan = planned(&erpgo, &seen);
        assert_eq!(plan.migration, migration, "{}", case.what);
        assert_eq!(deletions(&plan), [], "{}", case.what);
        assert_eq!(deployed(&plan), serves, "{}", case.what);
    }
}

/// For which version the status says that the success counts.
fn told(case: &Case) -> Option<String> {
    let (erpgo, seen) = case.seen();
    let (status, _) = status(&erpgo, &planned(&erpgo, &seen), &seen, NOW);
    let migration = status.migration.unwrap();
    assert_eq!(migration.state, "Succeeded", "{}", case.what);
    migration.database
}

#[test]
fn the_status_names_the_database_of_a_success_until_each_pod_has_the_image() {
    let mut case = Case::done("before the rollout", "database-1", "database-1");
    assert_eq!(told(&case).as_deref(), Some("database-1"));
    case = Case::rolling("in the rollout", "database-1", "database-1");
    assert_eq!(told(&case).as_deref(), Some("database-1"));
    case.job = None;
    assert_eq!(
        told(&case).as_deref(),
        Some("database-1"),
        "the Job is gone"
    );
    case.live = Some(live(NEW));
    assert_eq!(told(&case), None, "rolled out");

    case.status = recorded(NEW, Some(("Succeeded", None)));
    for current in ["database-1", "database-2"] {
        case.current = current;
        case.live = Some(live(NEW));
        assert_eq!(told(&case), None, "{current}");
        // A pod that is replaced later is no rollout.
        case.live = Some(rolling(NEW));
        assert_eq!(told(&case), None, "{current}");
    }
    // Whoever comes back to the image begins anew.
    case.live = Some(live(OLD));
    assert_eq!(told(&case).as_deref(), Some("database-2"));
}

#[test]
fn the_first_job_is_made_for_the_first_generation_that_is_written_before_it() {
    let erpgo = wanted();
    let seen = Observed {
        secret_set: SecretSetState::Absent,
        ..prepared(&erpgo)
    };
    let plan = planned(&erpgo, &seen);
    assert!(plan.effects.contains(&Effect::EnsureFirstGeneration));
    assert_eq!(made_for(&plan).as_deref(), Some("database-1"));
}
