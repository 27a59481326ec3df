//! PostgreSQL with two roles or Redis with two users, and the Jobs that change their passwords.

use std::collections::BTreeMap;

use erpgo_operator::rotation::{
    DocumentView, Errand, ErrandState, ErrandView, LoginKey, Logins, Task,
};
use erpgo_secret_set::Kid;

// The same names at both: nothing of one may be taken for the other.
const PAIR: [&str; 2] = ["erp_a", "erp_b"];

pub(crate) struct Server {
    key: LoginKey,
    /// Which version's password a login has.
    passwords: BTreeMap<String, Kid>,
    /// As whom a version logs in.
    logins: BTreeMap<Kid, String>,
    pub(crate) jobs: BTreeMap<Errand, ErrandState>,
    pub(crate) jobs_made: usize,
}

impl Server {
    pub(crate) fn new(key: LoginKey, kid: Kid, login: &str) -> Self {
        Self {
            key,
            passwords: BTreeMap::from([(login.to_owned(), kid.clone())]),
            logins: BTreeMap::from([(kid, login.to_owned())]),
            jobs: BTreeMap::new(),
            jobs_made: 0,
        }
    }

    pub(crate) fn lets_in(&self, kid: &Kid) -> bool {
        let login = &self.logins[kid];
        self.passwords.get(login) == Some(kid)
    }

    /// Whether `kid` logs in as one of the two.
    pub(crate) fn turns(&self, kid: &Kid) -> bool {
        PAIR.contains(&self.logins[kid].as_str())
    }

    /// A version is drawn that will log in as `login`.
    pub(crate) fn draw(&mut self, kid: &Kid, login: &str) {
        self.logins.insert(kid.clone(), login.to_owned());
    }

    /// A version joins whose URL logs in as none of the two.
    pub(crate) fn admit(&mut self, kid: &Kid) {
        let login = "erp".to_owned();
        self.passwords.insert(login.clone(), kid.clone());
        self.logins.insert(kid.clone(), login);
    }

    pub(crate) fn logins(&self, view: &DocumentView) -> Logins {
        let keys = view.keys.get(&self.key.key()).into_iter();
        let kids = keys
            .flat_map(|key| key.versions().chain(&key.prepared))
            .map(|version| &version.kid);
        let of = kids.map(|kid| (kid.clone(), self.logins[kid].clone()));
        Logins {
            pair: PAIR.map(str::to_owned),
            of: of
                .filter(|(_, login)| PAIR.contains(&login.as_str()))
                .collect(),
        }
    }

    pub(crate) fn lacks(&self, errand: &Errand) -> bool {
        !self.jobs.contains_key(errand)
    }

    pub(crate) fn make(&mut self, errand: &Errand) {
        assert_eq!(errand.key, self.key);
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
                let reason = format!("the {} is away", self.key);
                *state = ErrandState::Failed { reason };
                continue;
            }
            *state = ErrandState::Succeeded;
            let (login, kid) = (errand.login.clone(), errand.kid.clone());
            match errand.task {
                Task::Set => drop(self.passwords.insert(login, kid)),
                Task::Clear => taken.extend(self.passwords.remove(&login)),
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
