//! Who must agree, and who does.
//!
//! Owns [`PodView`] and [`Quorum`]. Every pod that can serve counts, a terminating one until it is
//! gone; it is recounted each time. A pod that says nothing has not agreed.

use erpgo_secret_set::{
    AcceptedKid, Ack, Generation, KeyName, Kid, PepperHashes, PodState, Verdict,
};
use serde::{Deserialize, Serialize};

/// Most pods that are named; the rest only count.
const MAX_NAMED: usize = 5;

/// One pod of the API that has an address and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Whether it gets requests.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// What its sidecar says; none when it does not answer.
    pub state: Option<PodState>,
}

/// What a pod holds by its own word.
#[derive(Clone, Copy)]
pub(super) struct Holding<'a> {
    accepted: &'a [AcceptedKid],
    in_use: &'a [AcceptedKid],
    draining: &'a [AcceptedKid],
    pepper_hashes: &'a [PepperHashes],
}

/// A pod that has not agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its name.
    pub pod: String,
    /// Why.
    pub reason: String,
}

/// The count of one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quorum {
    /// Pods that agree.
    pub agreed: usize,
    /// Pods that count.
    pub total: usize,
    /// Some of those that do not.
    pub missing: Vec<Missing>,
    /// Why a pod refused the generation, if one did.
    pub refused: Option<String>,
}

impl Quorum {
    /// Whether every pod agrees.
    #[must_use]
    pub const fn is_reached(&self) -> bool {
        self.agreed == self.total
    }

    /// Who is missing, in one line.
    #[must_use]
    pub fn told(&self) -> String {
        let named = self.missing.iter();
        let named: Vec<_> = named.map(|m| format!("{} {}", m.pod, m.reason)).collect();
        format!(
            "{} of {} pods: {}",
            self.agreed,
            self.total,
            named.join(", ")
        )
    }
}

impl PodView {
    // A pod that starts joins as soon as it has something old that it could serve with. One that does
    // not answer may have anything.
    fn counts(&self, generation: Generation) -> bool {
        let Some(state) = &self.state else {
            return true;
        };
        let stale = state
            .rendered_generation
            .is_some_and(|held| held < generation);
        self.ready || self.terminating || state.acked.is_some() || stale
    }

    /// What it holds, by its last acknowledgement of any generation.
    pub(super) fn holding(&self) -> Option<(Generation, Holding<'_>)> {
        match self.state.as_ref()?.acked.as_ref()? {
            Ack {
                generation,
                verdict:
                    Verdict::Ack {
                        accepted,
                        in_use,
                        draining,
                        pepper_hashes,
                    },
            } => Some((
                *generation,
                Holding {
                    accepted,
                    in_use,
                    draining,
                    pepper_hashes,
                },
            )),
            Ack {
                verdict: Verdict::Nack { .. },
                ..
            } => None,
        }
    }

    fn refusal(&self, generation: Generation) -> Option<String> {
        match self.state.as_ref()?.acked.as_ref()? {
            Ack {
                generation: refused,
                verdict: Verdict::Nack { reasons },
            } if *refused >= generation => Some(reasons.join("; ")),
            _ => None,
        }
    }

    fn agrees(
        &self,
        generation: Generation,
        question: &impl Fn(&Holding<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        if let Some(refusal) = self.refusal(generation) {
            return Err(format!("refused it: {refusal}"));
        }
        match self.holding() {
            _ if self.state.is_none() => Err("does not answer".into()),
            Some((held, holding)) if held >= generation => question(&holding),
            Some((held, _)) => Err(format!("holds generation {held}")),
            None => Err("has acknowledged nothing".into()),
        }
    }
}

impl Holding<'_> {
    pub(super) fn accepts(&self, key: KeyName, kid: &Kid) -> bool {
        names(self.accepted, key, kid)
    }

    pub(super) fn uses(&self, key: KeyName, kid: &Kid) -> bool {
        names(self.in_use, key, kid)
    }

    pub(super) fn drains(&self, key: KeyName, kid: &Kid) -> bool {
        names(self.draining, key, kid)
    }

    /// How many hashes refer to the pepper `kid`, if they were counted.
    pub(super) fn hashes(&self, kid: &Kid) -> Option<u64> {
        let mut counted = self.pepper_hashes.iter();
        counted.find(|hashes| hashes.kid == *kid).map(|h| h.count)
    }
}

fn names(list: &[AcceptedKid], key: KeyName, kid: &Kid) -> bool {
    list.iter().any(|one| one.key == key && one.kid == *kid)
}

/// Asks every pod that counts.
pub(super) fn ask(
    pods: &[PodView],
    generation: Generation,
    question: impl Fn(&Holding<'_>) -> Result<(), String>,
) -> Quorum {
    let mut quorum = Quorum::default();
    for pod in pods.iter().filter(|pod| pod.counts(generation)) {
        quorum.total += 1;
        let Err(reason) = pod.agrees(generation, &question) else {
            quorum.agreed += 1;
            continue;
        };
        if let Some(refusal) = pod.refusal(generation) {
            let told = format!("{} refused it: {refusal}", pod.name);
            quorum.refused.get_or_insert(told);
        }
        if quorum.missing.len() < MAX_NAMED {
            let pod = pod.name.clone();
            quorum.missing.push(Missing { pod, reason });
        }
    }
    quorum
}
