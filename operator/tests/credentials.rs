//! The Jobs for database roles and Redis users, from what was observed to the objects.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use erpgo_crds::ErpGo;
use erpgo_operator::reconcile::observed::Observed;
use erpgo_operator::rotation::LoginKey::{self, Database, Redis};
use erpgo_operator::rotation::{DocumentView, Edit, ErrandState, ErrandView, Record};
use erpgo_secret_set::Kid;
use serde_json::{Value, json};
use situation::{example, planned, remember, succeeded};

const IMAGE: &str = "registry.example.com/erpgo:0.1.0";

/// What differs from one server to the other.
struct Case {
    key: LoginKey,
    command: &'static str,
    flag: &'static str,
    mounts: [&'static str; 2],
    admin: &'static str,
}

const CASES: [Case; 2] = [
    Case {
        key: Database,
        command: "db-credentials",
        flag: "--role",
        mounts: ["/etc/erpgo/db-admin", "/etc/erpgo/db-rotation"],
        admin: "shop-database-admin",
    },
    Case {
        key: Redis,
        command: "redis-credentials",
        flag: "--user",
        mounts: ["/etc/erpgo/redis-admin", "/etc/erpgo/redis-rotation"],
        admin: "shop-redis-admin",
    },
];

/// A rotation of `keys` has begun; `document` tells where the next version of each is.
fn begun(keys: &[LoginKey], document: impl Fn(LoginKey) -> Value) -> (ErpGo, Observed) {
    let mut erpgo = example("production");
    let turns: Vec<_> = keys
        .iter()
        .map(|key| json!({"key": key, "from": format!("{key}-1")}))
        .collect();
    let record: Record = serde_json::from_value(json!({"keys": [], "active": {
        "id": "r8-1", "reason": "test", "keys": turns,
        "step": "Begin", "begunAt": "1970-01-01T00:00:00Z", "since": "1970-01-01T00:00:00Z"}}))
    .unwrap();
    let mut seen = succeeded(&erpgo);
    seen.document = Some(view(keys, &document));
    let kid = |text: String| Kid::try_from(text).unwrap();
    for key in keys {
        let held = document(*key).to_string();
        let logins = [("1", "erp_a"), ("8-1", "erp_b")]
            .into_iter()
            .map(|(end, login)| (format!("{key}-{end}"), login.to_owned()))
            .filter(|(name, _)| held.contains(&format!("\"{name}\"")))
            .map(|(name, login)| (kid(name), login));
        seen.logins.insert(*key, logins.collect());
    }
    let status = erpgo.status.get_or_insert_default();
    status.rotation = Some(record.to_status());
    reconcile(&mut erpgo, &seen);
    (erpgo, seen)
}

/// What is seen first is remembered first.
fn reconcile(erpgo: &mut ErpGo, seen: &Observed) {
    let plan = planned(erpgo, seen);
    remember(erpgo, &plan);
}

fn view(keys: &[LoginKey], document: impl Fn(LoginKey) -> Value) -> DocumentView {
    let all: serde_json::Map<_, _> = keys
        .iter()
        .map(|key| (key.to_string(), document(*key)))
        .collect();
    serde_json::from_value(json!({"generation": 8, "keys": all})).unwrap()
}

fn version(key: LoginKey, end: &str) -> Value {
    situation::version(&format!("{key}-{end}"))
}

fn prepared(keys: &[LoginKey]) -> (ErpGo, Observed) {
    begun(
        keys,
        |key| json!({"current": version(key, "1"), "prepared": version(key, "8-1")}),
    )
}

fn jobs(erpgo: &ErpGo, seen: &Observed) -> Vec<Value> {
    let plan = planned(erpgo, seen);
    assert_eq!(plan.notes, []);
    let jobs = plan.desired.unwrap().credentials_jobs;
    jobs.iter()
        .map(|job| serde_json::to_value(job).unwrap())
        .collect()
}

fn job(erpgo: &ErpGo, seen: &Observed) -> Value {
    let mut jobs = jobs(erpgo, seen);
    assert_eq!(jobs.len(), 1);
    jobs.remove(0)
}

fn write(erpgo: &ErpGo, seen: &Observed) -> Option<Edit> {
    situation::write(&planned(erpgo, seen))
}

#[test]
fn a_password_is_laid_by_before_there_is_a_job() {
    for Case { key, .. } in CASES {
        let (erpgo, seen) = begun(&[key], |key| json!({"current": version(key, "1")}));
        let expected = Edit::Prepare(key.key(), "erp_b".into());
        assert_eq!(write(&erpgo, &seen), Some(expected));
        assert_eq!(jobs(&erpgo, &seen), Vec::<Value>::new());
    }
}

#[test]
fn i04_the_job_alone_mounts_the_administrators_url_and_sees_no_password() {
    for case in CASES {
        let (erpgo, seen) = prepared(&[case.key]);
        let job = job(&erpgo, &seen);
        let name = job["metadata"]["name"].as_str().unwrap();
        assert!(
            name.starts_with("shop-credentials-") && name.len() <= 63,
            "{name}"
        );
        let key = case.key;
        assert_eq!(
            job["metadata"]["annotations"],
            json!({"erpgo.io/errand": format!("set {key} erp_b {key}-8-1"), "erpgo.io/made-with": "8"})
        );
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["restartPolicy"], "Never");
        assert_eq!(pod["initContainers"], Value::Null);
        let container = &pod["containers"][0];
        assert_eq!(container["image"], IMAGE);
        assert_eq!(
            container["args"],
            json!([case.command, "set", case.flag, "erp_b"])
        );
        assert_eq!(container["env"], Value::Null);
        let mounts = container["volumeMounts"].as_array().unwrap();
        let paths = mounts.iter().map(|mount| &mount["mountPath"]);
        assert_eq!(paths.collect::<Vec<_>>(), case.mounts);
        let volumes = pod["volumes"].as_array().unwrap();
        let secrets = volumes.iter().map(|volume| &volume["secret"]["secretName"]);
        assert_eq!(secrets.collect::<Vec<_>>(), [case.admin, name]);
        let others = planned(&erpgo, &seen).desired.unwrap().manifests();
        for object in others.iter().filter(|object| **object != job) {
            let text = object.to_string();
            assert!(!text.contains(case.admin), "{}", object["kind"]);
        }
    }
}

#[test]
fn both_have_a_job_of_their_own_at_the_same_time() {
    let (erpgo, seen) = prepared(&[Database, Redis]);
    let jobs = jobs(&erpgo, &seen);
    let errands: Vec<_> = jobs
        .iter()
        .map(|job| &job["metadata"]["annotations"]["erpgo.io/errand"])
        .collect();
    assert_eq!(
        errands,
        [
            "set database erp_b database-8-1",
            "set redis erp_b redis-8-1"
        ]
    );
    assert_ne!(jobs[0]["metadata"]["name"], jobs[1]["metadata"]["name"]);
    let shown = planned(&erpgo, &seen).desired.unwrap().manifests();
    assert!(jobs.iter().all(|job| shown.contains(job)));
    for (job, case) in jobs.iter().zip(CASES) {
        let text = job.to_string();
        let other = CASES.into_iter().find(|other| other.key != case.key);
        assert!(text.contains(case.admin) && !text.contains(other.unwrap().admin));
    }
}

#[test]
fn what_has_its_password_is_staged_and_needs_no_job_any_more() {
    let (erpgo, mut seen) = prepared(&[Database, Redis]);
    let done = |key: LoginKey| ErrandView {
        errand: format!("set {key} erp_b {key}-8-1").parse().unwrap(),
        state: ErrandState::Succeeded,
    };
    seen.errands = vec![done(Redis)];
    assert_eq!(write(&erpgo, &seen), None, "the role has none yet");
    let open = job(&erpgo, &seen);
    let errand = &open["metadata"]["annotations"]["erpgo.io/errand"];
    assert_eq!(errand, "set database erp_b database-8-1");
    seen.errands.push(done(Database));
    assert_eq!(jobs(&erpgo, &seen), Vec::<Value>::new());
    let staged = Edit::Stage(vec![Database.key(), Redis.key()]);
    assert_eq!(write(&erpgo, &seen), Some(staged));
    let notes = planned(&erpgo, &seen).rotation.unwrap().notes;
    let told: Vec<_> = notes
        .iter()
        .map(|note| (note.reason, note.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "DatabasePasswordSet",
                "database role erp_b has its next password"
            ),
            ("RedisPasswordSet", "Redis user erp_b has its next password"),
        ]
    );
}

#[test]
fn a_job_that_is_tried_again_is_waited_for_and_says_why() {
    for Case { key, .. } in CASES {
        let tried_again = |kid: &str| ErrandView {
            errand: format!("set {key} erp_b {key}-{kid}").parse().unwrap(),
            state: ErrandState::Retrying {
                reason: "it is away".into(),
            },
        };
        let (erpgo, mut seen) = prepared(&[key]);
        let view = tried_again("8-1");
        let whose = view.errand.whose();
        seen.errands = vec![view];
        assert_eq!(write(&erpgo, &seen), None);
        job(&erpgo, &seen);
        let wait = planned(&erpgo, &seen).rotation.unwrap().wait.unwrap();
        let told = format!("a Job gives {whose} its next password: it is away");
        assert_eq!((wait.message, wait.fault), (told, false));

        // One of an earlier rotation may yet change the password.
        let (erpgo, mut seen) = begun(&[key], |key| json!({"current": version(key, "1")}));
        seen.errands = vec![tried_again("5-1")];
        assert_eq!(write(&erpgo, &seen), None);
        let wait = planned(&erpgo, &seen).rotation.unwrap().wait.unwrap();
        let told = format!("an earlier Job for {whose} has not ended yet");
        assert_eq!((wait.message, wait.fault), (told, false));
    }
}

#[test]
fn the_old_password_goes_by_a_job_without_a_verifier_before_the_old_version_does() {
    for case in CASES {
        let turned = |key| json!({"current": version(key, "8-1"), "previous": version(key, "1")});
        let (_, mut seen) = begun(&[case.key], turned);
        let mut erpgo = example("production");
        // The document lacks Redis, which would join it.
        if case.key == Database {
            erpgo.spec.redis = None;
        }
        reconcile(&mut erpgo, &seen);
        reconcile(&mut erpgo, &seen);
        let job = job(&erpgo, &seen);
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(
            pod["containers"][0]["args"],
            json!([case.command, "clear", case.flag, "erp_a"])
        );
        assert_eq!(pod["volumes"].as_array().unwrap().len(), 1);
        // Without the setting nobody's password is changed.
        match case.key {
            Database => erpgo.spec.database.rotation = None,
            Redis => erpgo.spec.redis.as_mut().unwrap().rotation = None,
        }
        seen.logins.clear();
        assert_eq!(jobs(&erpgo, &seen), Vec::<Value>::new());
    }
}
