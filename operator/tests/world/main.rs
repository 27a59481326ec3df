//! The planner in a small world of its own: Jobs that succeed or fail, pods that start or do not,
//! edits, upgrades of the operator, a database that moves, crashes between any two writes. After each step
//! the invariants; after quiet a fixed point.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod databases;
mod events;
#[path = "../situation/mod.rs"]
mod situation;

use std::collections::BTreeSet;

use databases::Databases;
use erpgo_crds::ErpGo;
use erpgo_operator::reconcile::config::Config;
use erpgo_operator::reconcile::names::{self, SPEC_HASH};
use erpgo_operator::reconcile::observed::{
    DeploymentFacts, JobFacts, JobState, Observed, SecretSetState,
};
use erpgo_operator::reconcile::plan::{Effect, Plan, plan};
use erpgo_operator::reconcile::status::status;
use events::{IMAGES, event};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use proptest::prelude::*;
use situation::{config, example, prepared};

struct World {
    erpgo: ErpGo,
    config: Config,
    seen: Observed,
    jobs: Vec<JobFacts>,
    databases: Databases,
    /// Images of which there are pods that serve.
    serve: BTreeSet<String>,
    /// Whether the last reconcile came to its end, and knew the secret set.
    is_published: bool,
    begun: Timestamp,
    now: Timestamp,
    serial: u64,
}

impl World {
    fn new() -> Self {
        let mut erpgo = example("minimal");
        erpgo.spec.image = IMAGES[0].into();
        let seen = Observed {
            secret_set: SecretSetState::Absent,
            ..prepared(&erpgo)
        };
        let now = Timestamp::from_second(1_000_000).unwrap();
        Self {
            erpgo,
            config: config(),
            seen,
            jobs: Vec::new(),
            databases: Databases::new(),
            serve: BTreeSet::new(),
            is_published: false,
            begun: now,
            now,
            serial: 0,
        }
    }

    fn observe(&mut self) -> Observed {
        let wanted = names::migration_job(&self.erpgo);
        let (ours, others): (Vec<_>, Vec<_>) = self
            .jobs
            .clone()
            .into_iter()
            .partition(|job| job.name == wanted);
        self.seen.migration_job = ours.into_iter().next();
        self.seen.other_migration_jobs = others;
        self.seen.document = None;
        if let SecretSetState::Present { generation } = &mut self.seen.secret_set {
            *generation = self.databases.generation();
            self.seen.document = Some(self.databases.document(self.begun));
        }
        self.seen.clone()
    }

    fn plan(&mut self) -> (Plan, Observed) {
        let seen = self.observe();
        (plan(&self.erpgo, &seen, &self.config, self.now), seen)
    }

    /// One reconcile that dies after `writes` writes. Returns how many it made.
    fn reconcile(&mut self, writes: usize) -> usize {
        let (plan, seen) = self.plan();
        self.is_published = false;
        let mut left = writes;
        let mut spend = || {
            left > 0 && {
                left -= 1;
                true
            }
        };
        for effect in &plan.effects {
            if !spend() {
                return writes;
            }
            self.carry_out(effect);
        }
        if let Some(desired) = &plan.desired {
            if let Some(job) = &desired.migration_job {
                let name = job.metadata.name.clone().unwrap();
                if self.jobs.iter().all(|job| job.name != name) {
                    if !spend() {
                        return writes;
                    }
                    self.start_job(name, job);
                }
            }
            if let Some(deployment) = &desired.deployment
                && self.differs(deployment)
            {
                if !spend() {
                    return writes;
                }
                self.apply_deployment(deployment);
            }
        }
        let (status, _) = status(&self.erpgo, &plan, &seen, self.now);
        if self.erpgo.status.as_ref() != Some(&status) {
            if !spend() {
                return writes;
            }
            self.erpgo.status = Some(status);
        }
        self.is_published = seen.document.is_some();
        writes - left
    }

    fn carry_out(&mut self, effect: &Effect) {
        match effect {
            Effect::FollowSources => {}
            Effect::EnsureControlToken => self.seen.control_token = true,
            Effect::EnsureAdminSecret => self.seen.admin_secret = true,
            Effect::EnsureFirstGeneration => {
                assert_eq!(
                    self.seen.secret_set,
                    SecretSetState::Absent,
                    "a generation is overwritten"
                );
                self.seen.secret_set = SecretSetState::Present { generation: 1 };
            }
            Effect::WriteSecrets { .. } => panic!("nothing is to be rotated here"),
            Effect::DeleteMigrationJob { name, uid, .. } => {
                self.jobs.retain(|job| &job.name != name || &job.uid != uid)
            }
        }
    }

    fn start_job(&mut self, name: String, job: &k8s_openapi::api::batch::v1::Job) {
        let running = self
            .jobs
            .iter()
            .find(|job| job.state == JobState::Running)
            .map(|job| &job.name);
        assert_eq!(running, None, "I-02: {name} runs beside it");
        let annotations = job.metadata.annotations.clone().unwrap();
        self.serial += 1;
        self.jobs.push(JobFacts {
            name,
            uid: format!("uid-{}", self.serial),
            image: self.erpgo.spec.image.clone(),
            attempt: annotations[names::ATTEMPT].parse().unwrap(),
            made_with: annotations.get(names::MADE_WITH).cloned(),
            database: annotations.get(names::DATABASE).cloned(),
            ..JobFacts::default()
        });
    }

    fn differs(&self, wanted: &Deployment) -> bool {
        let hash = wanted
            .metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(SPEC_HASH));
        self.seen
            .deployment
            .as_ref()
            .is_none_or(|live| live.spec_hash.as_ref() != hash)
    }

    fn apply_deployment(&mut self, wanted: &Deployment) {
        let spec = wanted.spec.clone().unwrap();
        let pod = spec.template.spec.unwrap();
        let image = pod.containers[0].image.clone().unwrap();
        let sidecar_image = pod.init_containers.unwrap().remove(0).image;
        let before = self.seen.deployment.clone().unwrap_or_default();
        let status = self.erpgo.status.as_ref();
        let serving = status.and_then(|status| status.serving_image.as_ref());
        // What has begun goes on: its pods look for themselves.
        let has_begun = image == before.image || serving == Some(&image);
        assert!(
            self.databases.has(&image) || has_begun && self.databases.ever_had(&image),
            "I-01: {image} serves before its migrations succeeded"
        );
        assert!(
            image != before.image || sidecar_image == before.sidecar_image,
            "I-06: {image} gets {sidecar_image:?} instead of {:?}",
            before.sidecar_image
        );
        let count = spec.replicas.unwrap_or(before.wanted.max(1));
        self.seen.deployment = Some(DeploymentFacts {
            image,
            sidecar_image,
            generation: before.generation + 1,
            wanted: count,
            updated: 0,
            spec_hash: wanted
                .metadata
                .annotations
                .as_ref()
                .and_then(|a| a.get(SPEC_HASH))
                .cloned(),
            ..before
        });
    }

    fn check(&mut self) {
        let (plan, seen) = self.plan();
        assert_eq!(plan, self.plan().0, "the same world gives another plan");
        assert_eq!(plan.notes, []);
        if let Some(waiting) = &plan.waiting {
            assert!(!waiting.cause.is_empty() && !waiting.way_out.is_empty());
        }
        let desired = plan.desired.as_ref().unwrap();
        if let Some(deployment) = &desired.deployment {
            let replicas = deployment.spec.as_ref().unwrap().replicas;
            assert_eq!(
                replicas.is_none(),
                self.erpgo.spec.autoscaling.is_some(),
                "I-07"
            );
        }
        let later = Timestamp::from_second(self.now.as_second() + 60).unwrap();
        let (first, _) = status(&self.erpgo, &plan, &seen, self.now);
        let told = ErpGo {
            status: Some(first.clone()),
            ..self.erpgo.clone()
        };
        assert_eq!(
            status(&told, &plan, &seen, later).0,
            first,
            "time alone changes the status"
        );
    }

    /// Everything goes well from here on; returns whether it comes to rest.
    fn settle(&mut self) -> bool {
        self.backend(false);
        for _ in 0..12 {
            self.now = Timestamp::from_second(self.now.as_second() + 600).unwrap();
            // A failure for good ends with an edit, as its condition says.
            if self
                .jobs
                .iter()
                .any(|job| matches!(job.exit_code, Some(65 | 77 | 78)))
            {
                self.jobs.retain(|job| job.state != JobState::Failed);
            }
            self.reconcile(99);
            self.end_jobs(0);
            self.start_pods();
        }
        self.reconcile(99) == 0
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn i01_i02_i06_i07_i10_hold_through_edits_upgrades_failures_and_crashes(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
            world.check();
        }
        prop_assert!(world.settle(), "no rest after {events:?}: {:?}", world.plan().0.waiting);
        let live = world.seen.deployment.clone().unwrap();
        prop_assert_eq!(&live.image, &world.erpgo.spec.image);
        let conditions = world.erpgo.status.clone().unwrap().conditions;
        let ready = conditions.iter().find(|c| c.type_ == "Ready").unwrap();
        prop_assert_eq!(ready.status.as_str(), "True");
        prop_assert_eq!(world.reconcile(99), 0, "I-05: it writes at rest");
        world.config.sidecar_image = "r/sidecar:next".into();
        prop_assert_eq!(world.reconcile(99), 0, "I-06: an upgrade writes");
    }
}
