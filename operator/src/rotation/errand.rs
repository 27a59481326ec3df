//! Passwords of database roles: who has one, and the Jobs that give and take them.
//!
//! Owns [`Roles`], [`Errand`] and the two questions of a rotation: does the idle role have the password
//! that waits in the document ([`given`]), and has the old role lost its own ([`taken`])? A password
//! is taken away while the document still names its version as previous, so that the document alone
//! says what is left to do (I-10), and no role that another version uses ever loses one (I-03).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::Duration;

use erpgo_secret_set::{KeyName, Kid};
use serde::{Deserialize, Serialize};

use super::active::abort;
use super::decide::Decision;
use super::record::Active;
use super::situation::{Edit, Situation};
use super::trigger::after;

/// How long a Job may take to give a role its password. Its own deadline is shorter.
const PATIENCE: Duration = Duration::from_secs(600);
/// How soon a Job is looked at again; the watch on Jobs tells earlier.
const LOOK: Duration = Duration::from_secs(5);

/// Two roles that take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// The two.
    pub pair: [String; 2],
    /// As which of them the versions in the document log in; one that logs in as another role is not
    /// here.
    pub of: BTreeMap<Kid, String>,
}

impl Roles {
    /// The role that no version in the document logs in as.
    #[must_use]
    pub fn idle(&self) -> Option<&String> {
        let used = |role: &String| self.of.values().any(|of| of == role);
        self.pair.iter().find(|role| !used(role))
    }

    /// The role of `kid`, if no other version logs in as it.
    fn alone(&self, kid: &Kid) -> Option<&String> {
        let role = self.of.get(kid)?;
        let sharing = self.of.values().filter(|of| *of == role).count();
        (sharing == 1).then_some(role)
    }
}

/// What a Job does to a role's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Gives the role the password of a prepared version.
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
    /// To which role.
    pub role: String,
    /// For which version.
    pub kid: Kid,
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.task.as_str(), self.role, self.kid)
    }
}

/// Not the text of an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not TASK ROLE KID")]
pub struct ErrandError;

impl FromStr for Errand {
    type Err = ErrandError;

    fn from_str(text: &str) -> Result<Self, ErrandError> {
        let mut parts = text.split(' ');
        let (Some(task), Some(role), Some(kid), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ErrandError);
        };
        let task = [Task::Set, Task::Clear]
            .into_iter()
            .find(|known| known.as_str() == task);
        Ok(Self {
            task: task.ok_or(ErrandError)?,
            role: role.to_owned(),
            kid: Kid::try_from(kid.to_owned()).map_err(|_| ErrandError)?,
        })
    }
}

/// A Job as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrandView {
    /// What it is for.
    pub errand: Errand,
    /// How it stands.
    pub state: ErrandState,
}

/// How a Job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrandState {
    /// It has not ended.
    Running,
    /// It is done.
    Succeeded,
    /// It was given up.
    Failed {
        /// Why, without values.
        reason: String,
    },
}

fn state<'a>(s: &'a Situation<'_>, errand: &Errand) -> Option<&'a ErrandState> {
    let found = s.errands.iter().find(|view| view.errand == *errand);
    found.map(|view| &view.state)
}

/// Whether a Job that was begun before may yet give or take the password of a role.
fn busy(s: &Situation<'_>, role: &str, except: Option<&Errand>) -> bool {
    let running = |view: &&ErrandView| view.state == ErrandState::Running;
    let mut all = s.errands.iter().filter(running).map(|view| &view.errand);
    all.any(|errand| errand.role == role && Some(errand) != except)
}

/// Goes on when the next versions may be staged: when the role that the next database URL logs in as
/// has its password, or none is needed.
pub(super) fn given(
    s: &Situation<'_>,
    decision: Decision,
    active: &Active,
) -> ControlFlow<Decision, Decision> {
    let key = KeyName::Database;
    if active.keys.iter().all(|turn| turn.key != key) {
        return ControlFlow::Continue(decision);
    }
    let waiting = s.document.keys.get(&key);
    let waiting = waiting.and_then(|view| view.prepared.as_ref());
    let gone = "spec.database.rotation was removed or names other roles";
    match (s.roles, waiting) {
        (None, None) => ControlFlow::Continue(decision),
        (None, Some(_)) => ControlFlow::Break(abort(s, decision, gone.into())),
        (Some(roles), None) => ControlFlow::Break(draw(s, decision, active, roles)),
        (Some(roles), Some(version)) => match roles.of.get(&version.kid) {
            None => ControlFlow::Break(abort(s, decision, gone.into())),
            Some(role) => give(s, decision, active, errand(Task::Set, role, &version.kid)),
        },
    }
}

fn errand(task: Task, role: &str, kid: &Kid) -> Errand {
    Errand {
        task,
        role: role.to_owned(),
        kid: kid.clone(),
    }
}

// Lays a new password by for the idle role; no pod is given it yet.
fn draw(s: &Situation<'_>, decision: Decision, active: &Active, roles: &Roles) -> Decision {
    let Some(role) = roles.idle() else {
        let both =
            "both roles of spec.database.rotation are in use: revoke the previous version first";
        return abort(s, decision, both.into());
    };
    if after(active.since, PATIENCE) <= s.now {
        let trouble = format!("no password for {role} could be laid by in time");
        return abort(s, decision, trouble);
    }
    if busy(s, role, None) {
        return decision.waiting(not_ended(role), false);
    }
    let edit = Edit::Prepare(KeyName::Database, role.clone());
    decision.writing(super::active::write(s, active, edit))
}

fn not_ended(role: &str) -> String {
    format!("an earlier Job for {role} has not ended yet")
}

fn give(
    s: &Situation<'_>,
    mut decision: Decision,
    active: &Active,
    errand: Errand,
) -> ControlFlow<Decision, Decision> {
    let role = &errand.role;
    match state(s, &errand) {
        Some(ErrandState::Succeeded) => {
            let message = format!("{role} has its next password");
            decision.note("DatabasePasswordSet", errand.kid.as_str(), message);
            ControlFlow::Continue(decision)
        }
        Some(ErrandState::Failed { reason }) => {
            let trouble = format!("{role} got no password: {reason}");
            ControlFlow::Break(abort(s, decision, trouble))
        }
        _ if after(active.since, PATIENCE) <= s.now => {
            let trouble = format!("{role} got no password in time");
            ControlFlow::Break(abort(s, decision, trouble))
        }
        None | Some(ErrandState::Running) => {
            let wait = format!("a Job gives {role} its next password");
            ControlFlow::Break(running(decision, errand, wait, false))
        }
    }
}

fn running(mut decision: Decision, errand: Errand, wait: String, fault: bool) -> Decision {
    decision.errand = Some(errand);
    decision.again = Some(decision.again.map_or(LOOK, |again| again.min(LOOK)));
    decision.waiting(wait, fault)
}

/// Goes on when the previous version `kid` may go: when its role has lost its password, or is none of
/// those that the operator changes.
pub(super) fn taken(
    s: &Situation<'_>,
    mut decision: Decision,
    key: KeyName,
    kid: &Kid,
) -> ControlFlow<Decision, Decision> {
    let roles = s.roles.filter(|_| key == KeyName::Database);
    let Some(role) = roles.and_then(|roles| roles.alone(kid)) else {
        return ControlFlow::Continue(decision);
    };
    let errand = errand(Task::Clear, role, kid);
    if busy(s, role, Some(&errand)) {
        return ControlFlow::Break(decision.waiting(not_ended(role), false));
    }
    match state(s, &errand) {
        Some(ErrandState::Succeeded) => {
            let message = format!("the password of {role} was taken away");
            decision.note("DatabasePasswordCleared", kid.as_str(), message);
            ControlFlow::Continue(decision)
        }
        Some(ErrandState::Failed { reason }) => {
            let wait = format!("{role} keeps its old password for now: {reason}");
            ControlFlow::Break(running(decision, errand, wait, true))
        }
        None | Some(ErrandState::Running) => {
            let wait = format!("a Job takes the old password of {role} away");
            ControlFlow::Break(running(decision, errand, wait, false))
        }
    }
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
            role in "[a-z_][a-z0-9_]{0,62}", name in "[a-z0-9][a-z0-9-]{0,62}", set in any::<bool>(),
        ) {
            let task = if set { Task::Set } else { Task::Clear };
            let errand = errand(task, &role, &kid(&name));
            prop_assert_eq!(errand.to_string().parse::<Errand>(), Ok(errand));
        }
    }

    #[test]
    fn what_is_no_errand_is_refused() {
        for text in [
            "",
            "set",
            "set erp_a",
            "drop erp_a database-1",
            "set erp_a database-1 x",
            "set a A",
        ] {
            assert_eq!(text.parse::<Errand>(), Err(ErrandError), "{text}");
        }
    }

    #[test]
    fn i03_a_role_that_another_version_uses_is_neither_idle_nor_alone() {
        let of = |pairs: &[(&str, &str)]| Roles {
            pair: ["erp_a".into(), "erp_b".into()],
            of: pairs
                .iter()
                .map(|(name, role)| (kid(name), (*role).to_owned()))
                .collect(),
        };
        let first = of(&[]);
        assert_eq!(first.idle().unwrap(), "erp_a");
        let turned = of(&[("database-2", "erp_b"), ("database-1", "erp_a")]);
        assert_eq!(turned.idle(), None);
        assert_eq!(turned.alone(&kid("database-1")).unwrap(), "erp_a");
        let shared = of(&[("database-2", "erp_a"), ("database-1", "erp_a")]);
        assert_eq!(shared.idle().unwrap(), "erp_b");
        assert_eq!(shared.alone(&kid("database-1")), None);
    }
}
