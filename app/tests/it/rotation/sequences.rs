//! Generated rotations of several keys at once, over several processes that are at different
//! generations: whatever one of them signs, all accept, and no session and no password is lost.
//!
//! The generator is the rule of the two phases, and nothing else: a step of a key is written only
//! when every live process is at the step before; a process takes over any newer generation when it
//! pleases, is born with the newest, or ends.

use std::sync::atomic::{AtomicUsize, Ordering};

use erpgo::auth::token::{self, Claims, Kind};
use erpgo::state::AppState;
use erpgo_secret_set::KeyName::{self, Jwt, Pepper, Refresh};
use erpgo_secret_set::{Document, Generation, Keys};
use http::Method;
use proptest::prelude::*;
use serde_json::json;
use tokio_util::sync::DropGuard;

use super::pod::{fresh, promote, retire, stage};
use crate::world::{ADMIN, PASSWORD, SETTINGS, World, access, call, copy_keys, set};

const KEYS: [KeyName; 3] = [Jwt, Refresh, Pepper];

#[derive(Clone, Debug)]
enum Event {
    /// The next step of a key, if every process is ready for it.
    Turn(usize),
    /// One process takes over a newer generation; not always the newest.
    Adopt { process: usize, skip: usize },
    /// A process is born, or the oldest ends.
    Churn(bool),
    /// A person uses their session, or signs in anew.
    Person { process: usize, signs_in: bool },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..KEYS.len()).prop_map(Event::Turn),
        6 => (0..4usize, 0..3usize).prop_map(|(process, skip)| Event::Adopt { process, skip }),
        1 => any::<bool>().prop_map(Event::Churn),
        2 => (0..4usize, any::<bool>()).prop_map(|(process, signs_in)| Event::Person { process, signs_in }),
    ]
}

struct Process {
    state: AppState,
    router: axum::Router,
    _tasks: DropGuard,
}

impl Process {
    fn generation(&self) -> Generation {
        self.state.keyring.current().generation
    }

    async fn is_accepted(&self, token: &str) -> bool {
        let answer = call(&self.router, Method::GET, "/api/v1/profile", token, None).await;
        answer.status == 200
    }
}

struct Fleet {
    world: World,
    processes: Vec<Process>,
    /// Every generation that was written.
    written: Vec<Document>,
    /// The step that each key is at: 0 stable, 1 staged, 2 promoted; and since which generation.
    steps: [(u8, Generation); KEYS.len()],
    /// Versions made so far.
    made: u32,
    refresh: String,
    claims: Claims,
}

impl Fleet {
    async fn new() -> Self {
        let world = World::new().await;
        let set = world.state.keyring.current();
        let answer = world.signed_in(ADMIN).await;
        let issuer = &world.state.settings.auth.issuer;
        let claims = token::verify(Kind::Access, &set, issuer, &access(&answer)).unwrap();
        let mut fleet = Self {
            written: vec![Document {
                generation: set.generation,
                keys: copy_keys(&set.keys),
                prepared: std::collections::BTreeMap::new(),
            }],
            processes: Vec::new(),
            steps: [(0, set.generation); KEYS.len()],
            made: 1,
            refresh: answer["refresh_token"].as_str().unwrap().to_owned(),
            claims,
            world,
        };
        for _ in 0..3 {
            fleet.birth();
        }
        fleet
    }

    fn newest(&self) -> &Document {
        self.written.last().unwrap()
    }

    fn birth(&mut self) {
        let (state, router, tasks) = self.world.twin(SETTINGS);
        let process = Process {
            state,
            router,
            _tasks: tasks,
        };
        take_over(&process, self.newest());
        self.processes.push(process);
    }

    async fn apply(&mut self, event: &Event) {
        match event {
            Event::Turn(key) => self.turn(*key).await,
            Event::Adopt { process, skip } => {
                let process = &self.processes[process % self.processes.len()];
                let held = process.generation();
                let newer: Vec<_> = self
                    .written
                    .iter()
                    .filter(|document| document.generation > held)
                    .collect();
                let taken = newer.len().saturating_sub(1 + skip);
                if let Some(document) = newer.get(taken) {
                    self.adopt(process, document).await;
                }
            }
            Event::Churn(true) if self.processes.len() < 4 => self.birth(),
            Event::Churn(false) if self.processes.len() > 1 => drop(self.processes.remove(0)),
            Event::Churn(_) => {}
            Event::Person { process, signs_in } => {
                self.person(process % self.processes.len(), *signs_in).await;
            }
        }
    }

    /// Takes a generation over while requests of every process's tokens run.
    async fn adopt(&self, process: &Process, document: &Document) {
        let tokens: Vec<_> = self.processes.iter().map(|each| self.sign(each)).collect();
        let requests = async {
            for token in &tokens {
                assert!(process.is_accepted(token).await);
            }
        };
        let turn = async {
            tokio::task::yield_now().await;
            take_over(process, document);
        };
        tokio::join!(requests, turn);
        let mine = self.sign(process);
        for (each, theirs) in self.processes.iter().zip(&tokens) {
            assert!(each.is_accepted(&mine).await, "{:?}", self.steps);
            assert!(process.is_accepted(theirs).await, "{:?}", self.steps);
        }
    }

    fn sign(&self, process: &Process) -> String {
        let set = process.state.keyring.current();
        token::issue(Kind::Access, &set, self.claims.clone())
            .unwrap()
            .token
    }

    async fn turn(&mut self, index: usize) {
        let (key, (step, since)) = (KEYS[index], self.steps[index]);
        let all_follow = self.processes.iter().all(|each| each.generation() >= since);
        if !all_follow || (step == 2 && !self.may_retire(key).await) {
            return;
        }
        let mut next = Document {
            generation: Generation(self.newest().generation.0 + 1),
            keys: copy_keys(&self.newest().keys),
            prepared: std::collections::BTreeMap::new(),
        };
        self.made += u32::from(step == 0);
        let kid = format!("{key}-{}", self.made);
        change(&mut next.keys, key, step, &kid);
        self.steps[index] = ((step + 1) % 3, next.generation);
        self.written.push(next);
    }

    /// What the grace stands for: nobody honest needs the old version any more.
    async fn may_retire(&mut self, key: KeyName) -> bool {
        match key {
            // The tokens of this test are issued anew for each question.
            Jwt => true,
            Refresh => {
                self.person(0, false).await;
                true
            }
            _ => {
                let previous = self.newest().keys.pepper.previous.as_ref().unwrap();
                let left: i64 =
                    sqlx::query_scalar("SELECT count(*) FROM users WHERE pepper_kid = $1")
                        .bind(previous.kid.as_str())
                        .fetch_one(&self.world.state.database.pool())
                        .await
                        .unwrap();
                left == 0
            }
        }
    }

    async fn person(&mut self, process: usize, signs_in: bool) {
        let router = &self.processes[process].router;
        let (path, body) = if signs_in {
            ("login", json!({"email": ADMIN, "password": PASSWORD}))
        } else {
            ("refresh", json!({"refresh_token": self.refresh}))
        };
        let path = format!("/api/v1/auth/{path}");
        let answer = call(router, Method::POST, &path, "", Some(body)).await;
        let answer = answer.expect(200).json();
        if !signs_in {
            self.refresh = answer["refresh_token"].as_str().unwrap().to_owned();
        }
        for each in &self.processes {
            assert!(each.is_accepted(&access(&answer)).await);
        }
    }
}

fn take_over(process: &Process, document: &Document) {
    process.state.keyring.replace(set(Document {
        generation: document.generation,
        keys: copy_keys(&document.keys),
        prepared: std::collections::BTreeMap::new(),
    }));
}

fn change(keys: &mut Keys, key: KeyName, step: u8, kid: &str) {
    match step {
        0 => stage(keys, key, fresh(kid)),
        1 => promote(keys, key),
        _ => retire(keys, key),
    }
}

#[test]
fn i03_whatever_any_live_process_signs_every_live_process_accepts() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 15,
        max_shrink_iters: 50,
        ..ProptestConfig::default()
    });
    let turned = AtomicUsize::new(0);
    runner
        .run(&proptest::collection::vec(event(), 20..60), |events| {
            runtime.block_on(async {
                let mut fleet = Fleet::new().await;
                for event in &events {
                    fleet.apply(event).await;
                }
                turned.fetch_add(fleet.written.len() - 1, Ordering::Relaxed);
            });
            Ok(())
        })
        .unwrap();
    let turned = turned.into_inner();
    assert!(turned > 50, "only {turned} steps were taken");
}
