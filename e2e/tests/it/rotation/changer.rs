//! Who changes the passwords of roles and users in planned rotations: a person or the operator.
//!
//! Owns what differs between the two: where the next logins come from, and who takes the old passwords
//! away. What pods and logins must come to is for [`super::planned`] to say of both.

use anyhow::{Result, bail, ensure};
use erpgo_e2e::{Stage, Turns};
use serde_json::Value;

use super::logins::{Logins, Urls, no_job_failed};

/// Who does.
#[derive(Clone, Copy)]
pub(super) enum Who {
    Person,
    Operator,
}

/// Who does, and to whom.
pub(super) enum Changer {
    /// A person, who writes URLs into the Secrets.
    Person(Turns),
    /// The operator, by Jobs.
    Operator(Logins),
}

impl Changer {
    pub(super) async fn begin(who: Who, stage: &Stage) -> Result<Self> {
        Ok(match who {
            Who::Person => Self::Person(Turns::begin(stage).await?),
            Who::Operator => Self::Operator(Logins::begin(stage).await?),
        })
    }

    /// What the `ErpGo` asks for, by the part of its spec.
    pub(super) fn spec(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Person(_) => Vec::new(),
            Self::Operator(logins) => Vec::from(logins.spec()),
        }
    }

    /// The passwords that are written here, for a search.
    pub(super) fn passwords(&self) -> Vec<String> {
        match self {
            Self::Person(turns) => Vec::from(turns.present().passwords()),
            Self::Operator(logins) => logins.passwords().cloned().collect(),
        }
    }

    /// The person.
    pub(super) fn by_hand(&self) -> Result<&Turns> {
        match self {
            Self::Person(turns) => Ok(turns),
            Self::Operator(_) => bail!("the operator changes the passwords here"),
        }
    }

    /// Does what comes before the word to rotate.
    pub(super) async fn prepare(&mut self, stage: &Stage) -> Result<()> {
        match self {
            Self::Person(turns) => turns.turn(stage).await,
            Self::Operator(_) => Ok(()),
        }
    }

    /// Takes the passwords of `old` away when their versions are gone, or finds that its Jobs did, and that
    /// the other logins have taken over.
    pub(super) async fn take_away(&self, stage: &Stage, old: &Urls, now: &Urls) -> Result<()> {
        match self {
            Self::Person(turns) => {
                for (at, url) in old {
                    let key = at.key();
                    ensure!(at.connects(url).await?, "the old {key} has no password");
                }
                turns.clear().await
            }
            Self::Operator(logins) => {
                for ((at, old), (_, now)) in old.iter().zip(now) {
                    logins.other_works(*at, old, now).await?;
                    logins.is_locked_out(*at, old).await?;
                    no_job_failed(stage, *at).await?;
                }
                Ok(())
            }
        }
    }

    /// Removes roles and users; the database must be gone.
    pub(super) async fn end(self, stage: &Stage) -> Result<()> {
        match self {
            Self::Person(turns) => turns.end(stage).await,
            Self::Operator(logins) => logins.end().await,
        }
    }
}
