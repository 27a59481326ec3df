//! PostgreSQL with two roles, and the Jobs that change their passwords.

use std::collections::BTreeMap;

use erpgo_operator::rotation::{DocumentView, Errand, ErrandState, ErrandView, Roles, Task};
use erpgo_secret_set::{KeyName, Kid};

const PAIR: [&str; 2] = ["erp_a", "erp_b"];

pub(crate) struct Database {
    /// Which version's password a role has.
    passwords: BTreeMap<String, Kid>,
    /// As whom a version logs in.
    logins: BTreeMap<Kid, String>,
    pub(crate) jobs: BTreeMap<Errand, ErrandState>,
    pub(crate) jobs_made: usize,
}

impl Database {
    pub(crate) fn new(kid: Kid, role: &str) -> Self {
        Self {
            passwords: BTreeMap::from([(role.to_owned(), kid.clone())]),
            logins: BTreeMap::from([(kid, role.to_owned())]),
            jobs: BTreeMap::new(),
            jobs_made: 0,
        }
    }

    pub(crate) fn lets_in(&self, kid: &Kid) -> bool {
        let role = &self.logins[kid];
        self.passwords.get(role) == Some(kid)
    }

    /// Whether `kid` logs in as one of the two.
    pub(crate) fn turns(&self, kid: &Kid) -> bool {
        PAIR.contains(&self.logins[kid].as_str())
    }

    /// A version is drawn that will log in as `role`.
    pub(crate) fn draw(&mut self, kid: &Kid, role: &str) {
        self.logins.insert(kid.clone(), role.to_owned());
    }

    pub(crate) fn roles(&self, view: &DocumentView) -> Roles {
        let key = &view.keys[&KeyName::Database];
        let kids = key
            .versions()
            .chain(&key.prepared)
            .map(|version| &version.kid);
        let of = kids.map(|kid| (kid.clone(), self.logins[kid].clone()));
        Roles {
            pair: PAIR.map(str::to_owned),
            of: of
                .filter(|(_, role)| PAIR.contains(&role.as_str()))
                .collect(),
        }
    }

    pub(crate) fn lacks(&self, errand: &Errand) -> bool {
        !self.jobs.contains_key(errand)
    }

    pub(crate) fn make(&mut self, errand: &Errand) {
        self.jobs.insert(errand.clone(), ErrandState::Running);
        self.jobs_made += 1;
    }

    pub(crate) fn seen(&self) -> impl Iterator<Item = ErrandView> {
        self.jobs.iter().map(|(errand, state)| ErrandView {
            errand: errand.clone(),
            state: state.clone(),
        })
    }

    /// Every Job that runs ends; returns the versions whose passwords were taken away.
    pub(crate) fn run(&mut self, well: bool) -> Vec<Kid> {
        let mut taken = Vec::new();
        for (errand, state) in &mut self.jobs {
            if *state != ErrandState::Running {
                continue;
            }
            if !well {
                let reason = "the database is away".into();
                *state = ErrandState::Failed { reason };
                continue;
            }
            *state = ErrandState::Succeeded;
            let (role, kid) = (errand.role.clone(), errand.kid.clone());
            match errand.task {
                Task::Set => drop(self.passwords.insert(role, kid)),
                Task::Clear => taken.extend(self.passwords.remove(&role)),
            }
        }
        taken
    }

    /// Jobs that have ended go.
    pub(crate) fn forget(&mut self, which: impl Fn(&ErrandState) -> bool) {
        let runs = |state: &ErrandState| *state == ErrandState::Running;
        self.jobs.retain(|_, state| runs(state) || !which(state));
    }
}
