//! Passwords of logins that take turns, and the Jobs that give and take them.
//!
//! Owns [`Errand`] and the two questions of a rotation: does each idle login have the password that
//! waits for it in the document ([`given`]), and has the old login lost its own ([`taken`])? A password
//! is taken away while the document still names its version as previous, so that the document alone
//! says what is left to do (I-10), and no login that another version uses ever loses one (I-03).

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::Duration;

use erpgo_secret_set::{KeyName, Kid};
use serde::{Deserialize, Serialize};

use super::active::abort;
use super::decide::Decision;
use super::errand_view::{ErrandState, ErrandView};
use super::logins::{LoginKey, Logins};
use super::record::Active;
use super::situation::{Edit, Situation};
use super::trigger::after;

/// How long the Jobs of a rotation may take to give passwords. The deadline of each is shorter.
const PATIENCE: Duration = Duration::from_secs(600);
/// How soon a Job is looked at again; the watch on Jobs tells earlier.
const LOOK: Duration = Duration::from_secs(5);

/// What a Job does to the password of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Gives the login the password of a prepared version.
    Set,
    /// Takes away the password of a previous version.
    Clear,
}

impl Task {
    /// The word for it, which is also the subcommand's.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Clear => "clear",
        }
    }
}

/// One Job's task. The same errand is run once, however often it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Errand {
    /// What is done.
    pub task: Task,
    /// For which key.
    pub key: LoginKey,
    /// To which of its logins.
    pub login: String,
    /// For which version.
    pub kid: Kid,
}

impl Errand {
    /// Whose password changes, for people.
    #[must_use]
    pub fn whose(&self) -> String {
        format!("{} {}", self.key.noun(), self.login)
    }
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.task.as_str();
        write!(f, "{task} {} {} {}", self.key, self.login, self.kid)
    }
}

/// Not the text of an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not TASK KEY LOGIN KID")]
pub struct ErrandError;

impl FromStr for Errand {
    type Err = ErrandError;

    fn from_str(text: &str) -> Result<Self, ErrandError> {
        let parts: Vec<&str> = text.splitn(5, ' ').collect();
        let (task, key, login, kid) = match parts.as_slice() {
            [task, key, login, kid] => (task, *key, login, kid),
            // A Job of an operator from before there were Redis users may still be running.
            [task, login, kid] => (task, LoginKey::Database.key().as_str(), login, kid),
            _ => return Err(ErrandError),
        };
        let mut tasks = [Task::Set, Task::Clear].into_iter();
        let mut keys = LoginKey::ALL.into_iter();
        Ok(Self {
            task: tasks
                .find(|known| known.as_str() == *task)
                .ok_or(ErrandError)?,
            key: keys
                .find(|known| known.key().as_str() == key)
                .ok_or(ErrandError)?,
            login: (*login).to_owned(),
            kid: Kid::try_from((*kid).to_owned()).map_err(|_| ErrandError)?,
        })
    }
}

fn state<'a>(s: &'a Situation<'_>, errand: &Errand) -> Option<&'a ErrandState> {
    let found = s.errands.iter().find(|view| view.errand == *errand);
    found.map(|view| &view.state)
}

// What its pods have met with so far.
fn so_far(s: &Situation<'_>, errand: &Errand) -> String {
    match state(s, errand) {
        Some(ErrandState::Retrying { reason }) => format!(": {reason}"),
        _ => String::new(),
    }
}

/// Whether a Job that was begun before may yet give or take the password of a login.
fn busy(s: &Situation<'_>, key: LoginKey, login: &str, except: Option<&Errand>) -> bool {
    let open = |view: &&ErrandView| !view.state.is_ended();
    let mut all = s.errands.iter().filter(open).map(|view| &view.errand);
    all.any(|errand| errand.key == key && errand.login == login && Some(errand) != except)
}

/// Goes on when the next versions may be staged: when every login that one of them uses has its
/// password, or none is needed. All passwords are laid by first; then their Jobs run at once.
pub(super) fn given(
    s: &Situation<'_>,
    decision: Decision,
    active: &Active,
) -> ControlFlow<Decision, Decision> {
    let mut errands = Vec::new();
    for key in active.keys.iter().filter_map(|turn| LoginKey::of(turn.key)) {
        let view = s.document.keys.get(&key.key());
        let waiting = view.and_then(|view| view.prepared.as_ref());
        match (s.logins.get(&key), waiting) {
            (None, None) => {}
            (Some(logins), None) => {
                return ControlFlow::Break(draw(s, decision, active, key, logins));
            }
            (logins, Some(version)) => {
                match logins.and_then(|logins| logins.of.get(&version.kid)) {
                    None => return ControlFlow::Break(abort(s, decision, gone(key))),
                    Some(login) => errands.push(errand(Task::Set, key, login, &version.kid)),
                }
            }
        }
    }
    give(s, decision, active, errands)
}

fn gone(key: LoginKey) -> String {
    format!("spec.{key}.rotation was removed or names others")
}

fn errand(task: Task, key: LoginKey, login: &str, kid: &Kid) -> Errand {
    Errand {
        task,
        key,
        login: login.to_owned(),
        kid: kid.clone(),
    }
}

// Lays a new password by for the idle login; no pod is given it yet.
fn draw(
    s: &Situation<'_>,
    decision: Decision,
    active: &Active,
    key: LoginKey,
    logins: &Logins,
) -> Decision {
    let Some(login) = logins.idle() else {
        let both =
            format!("both of spec.{key}.rotation are in use: revoke the previous version first");
        return abort(s, decision, both);
    };
    let whose = format!("{} {login}", key.noun());
    if after(active.since, PATIENCE) <= s.now {
        let trouble = format!("no password for {whose} could be laid by in time");
        return abort(s, decision, trouble);
    }
    if busy(s, key, login, None) {
        return decision.waiting(not_ended(&whose), false);
    }
    let edit = Edit::Prepare(key.key(), login.clone());
    decision.writing(super::active::write(s, active, edit))
}

fn not_ended(whose: &str) -> String {
    format!("an earlier Job for {whose} has not ended yet")
}

// The Jobs run beside each other; one that fails rolls back what the others did.
fn give(
    s: &Situation<'_>,
    mut decision: Decision,
    active: &Active,
    errands: Vec<Errand>,
) -> ControlFlow<Decision, Decision> {
    for errand in &errands {
        if let Some(ErrandState::Failed { reason }) = state(s, errand) {
            let trouble = format!("{} got no password: {reason}", errand.whose());
            return ControlFlow::Break(abort(s, decision, trouble));
        }
    }
    let is_open = |errand: &Errand| state(s, errand) != Some(&ErrandState::Succeeded);
    let open: Vec<_> = errands.into_iter().filter(is_open).collect();
    if let Some(errand) = open.first()
        && after(active.since, PATIENCE) <= s.now
    {
        let trouble = format!("{} got no password in time", errand.whose());
        return ControlFlow::Break(abort(s, decision, trouble));
    }
    // Told once, when there is nothing to wait for any more.
    if open.is_empty() {
        note_given(s, &mut decision);
        return ControlFlow::Continue(decision);
    }
    ControlFlow::Break(open.into_iter().fold(decision, |decision, errand| {
        let met = so_far(s, &errand);
        let wait = format!("a Job gives {} its next password{met}", errand.whose());
        running(decision, errand, wait, false)
    }))
}

/// Notes who has the password that waits in the document, before the document shows it no more.
pub(super) fn note_given(s: &Situation<'_>, decision: &mut Decision) {
    let done = |view: &&ErrandView| view.state == ErrandState::Succeeded;
    for key in LoginKey::ALL {
        let view = s.document.keys.get(&key.key());
        let Some(waiting) = view.and_then(|view| view.prepared.as_ref()) else {
            continue;
        };
        for errand in s.errands.iter().filter(done).map(|view| &view.errand) {
            if (errand.task, errand.key) == (Task::Set, key) && errand.kid == waiting.kid {
                let message = format!("{} has its next password", errand.whose());
                decision.note(set_reason(key), errand.kid.as_str(), message);
            }
        }
    }
}

const fn set_reason(key: LoginKey) -> &'static str {
    match key {
        LoginKey::Database => "DatabasePasswordSet",
        LoginKey::Redis => "RedisPasswordSet",
    }
}

const fn cleared_reason(key: LoginKey) -> &'static str {
    match key {
        LoginKey::Database => "DatabasePasswordCleared",
        LoginKey::Redis => "RedisPasswordCleared",
    }
}

fn running(mut decision: Decision, errand: Errand, wait: String, fault: bool) -> Decision {
    decision.errands.push(errand);
    decision.again = Some(decision.again.map_or(LOOK, |again| again.min(LOOK)));
    decision.also_waiting(wait, fault)
}

/// How far the end of an old password is.
enum Taking {
    /// It is none of those that the operator changes.
    NoNeed,
    /// It is gone.
    Done(Errand),
    /// A Job is to take it, or runs.
    Open(Errand),
    /// An earlier Job may yet change it.
    Busy(Errand),
    /// The Job was given up; it is made anew when it is gone.
    Failed(Errand, String),
}

fn taking(s: &Situation<'_>, key: KeyName, kid: &Kid) -> Taking {
    let login = LoginKey::of(key).and_then(|key| Some((key, s.logins.get(&key)?.alone(kid)?)));
    let Some((key, login)) = login else {
        return Taking::NoNeed;
    };
    let errand = errand(Task::Clear, key, login, kid);
    if busy(s, key, login, Some(&errand)) {
        return Taking::Busy(errand);
    }
    match state(s, &errand) {
        Some(ErrandState::Succeeded) => Taking::Done(errand),
        Some(ErrandState::Failed { reason }) => Taking::Failed(errand, reason.clone()),
        None | Some(ErrandState::Running | ErrandState::Retrying { .. }) => Taking::Open(errand),
    }
}

/// Goes on when the previous version `kid` may go: when its login has lost its password, or is none of
/// those that the operator changes.
pub(super) fn taken(
    s: &Situation<'_>,
    mut decision: Decision,
    key: KeyName,
    kid: &Kid,
) -> ControlFlow<Decision, Decision> {
    match taking(s, key, kid) {
        Taking::NoNeed => ControlFlow::Continue(decision),
        Taking::Done(errand) => {
            let message = format!("the password of {} was taken away", errand.whose());
            decision.note(cleared_reason(errand.key), kid.as_str(), message);
            ControlFlow::Continue(decision)
        }
        Taking::Busy(errand) => {
            ControlFlow::Break(decision.also_waiting(not_ended(&errand.whose()), false))
        }
        Taking::Failed(errand, reason) => {
            let wait = format!(
                "{} keeps its old password for now: {reason}",
                errand.whose()
            );
            ControlFlow::Break(running(decision, errand, wait, true))
        }
        Taking::Open(errand) => {
            let (whose, met) = (errand.whose(), so_far(s, &errand));
            let wait = format!("a Job takes the old password of {whose} away{met}");
            ControlFlow::Break(running(decision, errand, wait, false))
        }
    }
}

/// Those of `old` that are asked about now: one whose password is gone waits for the others' Jobs, so
/// that all go in one generation, but for none that failed.
pub(super) fn together(s: &Situation<'_>, old: Vec<(KeyName, Kid)>) -> Vec<(KeyName, Kid)> {
    let taking = |(key, kid): &(KeyName, Kid)| taking(s, *key, kid);
    let is_open = |old| matches!(taking(old), Taking::Open(_) | Taking::Busy(_));
    if !old.iter().any(is_open) {
        return old;
    }
    let is_done = |old: &(KeyName, Kid)| matches!(taking(old), Taking::Done(_));
    old.into_iter().filter(|old| !is_done(old)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kid(text: &str) -> Kid {
        Kid::try_from(text.to_owned()).unwrap()
    }

    proptest! {
        #[test]
        fn an_errand_survives_its_annotation(
            login in "[a-z_][a-z0-9_-]{0,62}", name in "[a-z0-9][a-z0-9-]{0,62}",
            set in any::<bool>(), redis in any::<bool>(),
        ) {
            let task = if set { Task::Set } else { Task::Clear };
            let key = if redis { LoginKey::Redis } else { LoginKey::Database };
            let errand = errand(task, key, &login, &kid(&name));
            prop_assert_eq!(errand.to_string().parse::<Errand>(), Ok(errand));
        }
    }

    #[test]
    fn a_job_of_an_operator_that_knew_only_the_database_is_recognised() {
        let before: Errand = "clear erp_a database-1".parse().unwrap();
        assert_eq!(before, "clear database erp_a database-1".parse().unwrap());
    }

    #[test]
    fn what_is_no_errand_is_refused() {
        for text in [
            "",
            "set",
            "set database erp_a",
            "set jwt erp_a jwt-1",
            "drop database erp_a database-1",
            "set database erp_a database-1 x",
            "set redis a A",
        ] {
            assert_eq!(text.parse::<Errand>(), Err(ErrandError), "{text}");
        }
    }
}
