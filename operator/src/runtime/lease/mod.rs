//! Leader election on a `coordination.k8s.io` Lease.
//!
//! Owns [`Candidate`]: a hot standby waits in [`Candidate::acquire`], and the leader keeps
//! [`Candidate::hold`] running beside its work. A lost lease ends the process (a second leader may
//! be at work already), so `hold` returns only with the reason. It must never decide by itself;
//! [`Election`] does, without a clock.

mod election;
mod object;

use std::time::{Duration, Instant};

pub use election::{Election, Move, Record, Timing};
use k8s_openapi::api::coordination::v1::Lease;
pub use object::LeaseObject;

/// The lease is held by somebody else, or could not be renewed in time.
#[derive(Debug, thiserror::Error)]
#[error(
    "the leader lease is lost: the process ends so that two leaders never write at once; \
     a standby takes over and this one starts again as a standby"
)]
pub struct LeaseLost;

/// This process's attempt to lead.
pub struct Candidate {
    election: Election,
    object: LeaseObject,
    origin: Instant,
}

impl Candidate {
    /// A candidate called `identity`, which must be unlike that of any other process.
    #[must_use]
    pub fn new(identity: String, object: LeaseObject, timing: Timing) -> Self {
        Self {
            election: Election::new(identity, timing),
            object,
            origin: Instant::now(),
        }
    }

    /// Waits until this process leads.
    pub async fn acquire(&mut self) {
        let retry = self.election.timing().retry;
        loop {
            self.attempt().await;
            if self.election.leads(self.now()) {
                return;
            }
            tokio::time::sleep(retry).await;
        }
    }

    /// Renews the lease for as long as that succeeds in time.
    pub async fn hold(&mut self) -> LeaseLost {
        let retry = self.election.timing().retry;
        loop {
            tokio::time::sleep(retry).await;
            // The last second counts: a request that hangs must not carry us past the deadline.
            let attempt = tokio::time::timeout(self.remaining(), self.attempt()).await;
            if attempt == Ok(Move::Lost) || self.election.overdue(self.now()) {
                return LeaseLost;
            }
        }
    }

    /// Gives the lease up if this process holds it.
    pub async fn release(self) {
        if !self.election.leads(self.now()) {
            return;
        }
        let Ok(Some(lease)) = self.object.read().await else {
            return;
        };
        let record = object::record(&lease, self.election.timing().duration);
        if record.holder != self.election.identity() {
            return;
        }
        match self.object.release(lease).await {
            Ok(()) => tracing::info!("the leader lease is released"),
            Err(error) => tracing::warn!(%error, "the leader lease could not be released"),
        }
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn remaining(&self) -> Duration {
        let until = self.election.leads_until().unwrap_or_default();
        until.saturating_sub(self.now())
    }

    async fn attempt(&mut self) -> Move {
        let found = match self.object.read().await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "the leader lease could not be read");
                return Move::Wait;
            }
        };
        let record = found
            .as_ref()
            .map(|lease| object::record(lease, self.election.timing().duration));
        let asked = self.now();
        let chosen = self.election.decide(asked, record.as_ref());
        match self.carry_out(chosen, found).await {
            Ok(true) => self.election.written(asked),
            Ok(false) => {}
            // A conflict means that somebody was quicker; the next attempt reads who.
            Err(error) => tracing::debug!(%error, "the leader lease was not written"),
        }
        chosen
    }

    async fn carry_out(&self, chosen: Move, found: Option<Lease>) -> Result<bool, kube::Error> {
        let timing = self.election.timing();
        let identity = self.election.identity();
        match (chosen, found) {
            (Move::Create, _) => self.object.create(identity, timing).await?,
            (Move::Take | Move::Renew, Some(lease)) => {
                self.object.write(lease, identity, timing).await?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
