//! What happens in the world beside the operator's own doing.

use std::collections::BTreeSet;

use erpgo_crds::Autoscaling;
use erpgo_operator::reconcile::observed::{JobState, SecretSetState};
use jiff::Timestamp;
use proptest::prelude::*;

use super::World;

pub(crate) const IMAGES: [&str; 3] = ["r/erpgo:1", "r/erpgo:2", "r/erpgo:3"];
const SIDECARS: [&str; 3] = ["r/sidecar:1", "r/sidecar:2", "r/sidecar:3"];

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Image(usize),
    Destructive(bool),
    Scale(Option<i32>),
    Reconcile {
        writes: usize,
    },
    JobEnds {
        exit: i32,
    },
    PodsStart,
    BackendAway(bool),
    Hours,
    Upgrade {
        sidecar: usize,
    },
    OlderStatus,
    /// The database is copied to another server.
    Copy,
    /// Pods have accepted the copy, and a rotation makes it current.
    Promote,
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..IMAGES.len()).prop_map(Event::Image),
        any::<bool>().prop_map(Event::Destructive),
        prop::option::of(1..5i32).prop_map(Event::Scale),
        (0..6usize).prop_map(|writes| Event::Reconcile { writes }),
        Just(Event::Reconcile { writes: 99 }),
        prop::sample::select(vec![0, 0, 65, 75, 77, 78]).prop_map(|exit| Event::JobEnds { exit }),
        Just(Event::PodsStart),
        any::<bool>().prop_map(Event::BackendAway),
        Just(Event::Hours),
        (0..SIDECARS.len()).prop_map(|sidecar| Event::Upgrade { sidecar }),
        Just(Event::OlderStatus),
        Just(Event::Copy),
        Just(Event::Promote),
    ]
}

impl Event {
    /// Whether a person edits the `ErpGo`.
    fn edits(&self) -> bool {
        matches!(self, Self::Image(_) | Self::Destructive(_) | Self::Scale(_))
    }
}

impl World {
    pub(crate) fn happen(&mut self, event: &Event) {
        match event {
            Event::Image(index) => self.erpgo.spec.image = IMAGES[*index].into(),
            Event::Destructive(allowed) => self.erpgo.spec.migrations.allow_destructive = *allowed,
            Event::Scale(replicas) => self.scale(*replicas),
            Event::Reconcile { writes } => {
                self.reconcile(*writes);
            }
            Event::JobEnds { exit } => self.end_jobs(*exit),
            Event::PodsStart => self.start_pods(),
            Event::BackendAway(away) => self.backend(*away),
            Event::Hours => self.now = Timestamp::from_second(self.now.as_second() + 7200).unwrap(),
            Event::Upgrade { sidecar } => self.config.sidecar_image = SIDECARS[*sidecar].into(),
            Event::OlderStatus => {
                if let Some(status) = &mut self.erpgo.status {
                    status.serving_sidecar = None;
                }
            }
            Event::Copy => self.databases.copy(),
            Event::Promote => self.promote(),
        }
        let generation = self.erpgo.metadata.generation.get_or_insert(1);
        if event.edits() {
            *generation += 1;
        }
    }

    fn scale(&mut self, replicas: Option<i32>) {
        self.erpgo.spec.replicas = replicas;
        self.erpgo.spec.autoscaling = replicas.is_none().then_some(Autoscaling {
            min_replicas: 1,
            max_replicas: 4,
            target_cpu_percent: 70,
            scale_down_stabilization_seconds: 0,
        });
    }

    pub(crate) fn end_jobs(&mut self, exit: i32) {
        for job in self.jobs.iter_mut() {
            if job.state != JobState::Running {
                continue;
            }
            job.finished_at = Some(self.now);
            job.exit_code = Some(exit);
            job.state = if exit == 0 {
                JobState::Succeeded
            } else {
                JobState::Failed
            };
            if exit == 0 {
                let version = job.database.as_ref().unwrap();
                self.databases.migrate(version, &job.image);
            }
        }
    }

    // A program that finds its migrations pending ends, and those of before go on.
    pub(crate) fn start_pods(&mut self) {
        let Some(live) = &mut self.seen.deployment else {
            return;
        };
        live.observed_generation = live.generation;
        if !self.databases.has(&live.image) {
            return;
        }
        (live.replicas, live.updated, live.ready, live.available) =
            (live.wanted, live.wanted, live.wanted, live.wanted);
        self.serve = BTreeSet::from([live.image.clone()]);
    }

    pub(crate) fn backend(&mut self, away: bool) {
        let unreachable = SecretSetState::Unreachable {
            class: "unreachable".into(),
            message: "no route".into(),
        };
        match (&self.seen.secret_set, away) {
            (SecretSetState::Present { .. }, true) => self.seen.secret_set = unreachable,
            (SecretSetState::Unreachable { .. }, false) => {
                self.seen.secret_set = SecretSetState::Present { generation: 1 }
            }
            _ => {}
        }
    }

    // What a rotation means to do is in the status before it is done.
    fn promote(&mut self) {
        let present = matches!(self.seen.secret_set, SecretSetState::Present { .. });
        if present && std::mem::take(&mut self.is_published) {
            self.databases.promote(&self.serve);
        }
    }
}
