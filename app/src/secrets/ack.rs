//! What the sidecar is told.
//!
//! Owns [`Acks`]: the last verdict, with what still drains and what each pepper holds. It is sent at
//! once when any of that changes and again every [`AGAIN`], so that a sidecar that was restarted
//! learns of it. Each round is a call with an end ([`Outgoing`]), and rounds go on for as long as the process does:
//! a sidecar that is not there costs a log line.

use std::time::Duration;

use erpgo_secret_set::{AcceptedKid, Ack, PepperHashes, Verdict};
use http::Method;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::outgoing::{Outgoing, Patience};

const AGAIN: Duration = Duration::from_secs(10);
/// What lies beside this process answers at once or not at all. Its rest is short: a rotation waits for what is
/// to be said.
const PATIENCE: Patience = Patience {
    attempt: Duration::from_secs(2),
    whole: Duration::from_secs(3),
    waits: [Duration::from_millis(50), Duration::from_millis(100)],
    rest: Duration::from_millis(500),
};
/// Rounds in a row that fail before it is said that nobody answers: more than a second.
const SILENT: u32 = 5;

/// The last verdict, on its way to the sidecar.
#[derive(Clone)]
pub struct Acks {
    report: watch::Sender<Report>,
}

#[derive(Default)]
struct Report {
    verdict: Option<Ack>,
    draining: Vec<AcceptedKid>,
    pepper_hashes: Vec<PepperHashes>,
}

impl Report {
    fn ack(&self) -> Option<Ack> {
        let mut ack = self.verdict.clone()?;
        if let Verdict::Ack {
            draining,
            pepper_hashes,
            ..
        } = &mut ack.verdict
        {
            draining.clone_from(&self.draining);
            pepper_hashes.clone_from(&self.pepper_hashes);
        }
        Some(ack)
    }
}

impl Acks {
    /// Nothing to say yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            report: watch::Sender::new(Report::default()),
        }
    }

    /// Says `ack` from now on; whether that is news.
    pub fn say(&self, ack: Ack) -> bool {
        self.report.send_if_modified(|report| {
            let is_new = report.verdict.as_ref() != Some(&ack);
            report.verdict = Some(ack);
            is_new
        })
    }

    /// `version` is in use no longer, and something of before still holds it.
    pub(super) fn drains(&self, version: AcceptedKid) {
        self.report
            .send_modify(|report| report.draining.push(version));
    }

    /// Nothing holds `version` any more.
    pub(super) fn drained(&self, version: &AcceptedKid) {
        self.report.send_modify(|report| {
            // One entry: the same version may drain twice when a rotation was taken back.
            if let Some(at) = report.draining.iter().position(|entry| entry == version) {
                report.draining.remove(at);
            }
        });
    }

    /// How many hashes each pepper holds; empty when there is no question.
    pub(super) fn counted(&self, hashes: Vec<PepperHashes>) {
        self.report.send_if_modified(|report| {
            let is_new = report.pepper_hashes != hashes;
            report.pepper_hashes = hashes;
            is_new
        });
    }

    /// What is being said.
    #[must_use]
    pub fn last(&self) -> Option<Ack> {
        self.report.borrow().ack()
    }

    /// Sends each report to `url` until `stop`.
    pub async fn deliver(self, url: url::Url, stop: CancellationToken) {
        let Ok(client) = reqwest::Client::builder().no_proxy().build() else {
            tracing::error!("the client for acknowledgements cannot be built");
            return;
        };
        let sidecar = Outgoing::new("sidecar", client, PATIENCE);
        let mut reports = self.report.subscribe();
        let mut failures = 0;
        loop {
            let ack = reports.borrow_and_update().ack();
            let round = async {
                match &ack {
                    Some(ack) => send(&sidecar, &url, ack).await,
                    None => true,
                }
            };
            let Some(sent) = stop.run_until_cancelled(round).await else {
                return;
            };
            note(sent, failures);
            failures = if sent { 0 } else { failures + 1 };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = reports.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait(failures)) => {}
            }
        }
    }
}

impl Default for Acks {
    fn default() -> Self {
        Self::new()
    }
}

/// 50, 100, 200, 400 and then 800 ms after rounds in a row that failed.
fn wait(failures: u32) -> Duration {
    match failures {
        0 => AGAIN,
        _ => Duration::from_millis(50 << (failures - 1).min(4)),
    }
}

fn note(sent: bool, failures: u32) {
    if sent && failures >= SILENT {
        tracing::info!("the sidecar takes acknowledgements again");
    } else if !sent && failures + 1 == SILENT {
        tracing::warn!("the sidecar does not take acknowledgements");
    }
}

async fn send(sidecar: &Outgoing, url: &url::Url, ack: &Ack) -> bool {
    let request = sidecar.request(Method::POST, url.clone()).json(ack);
    let answer = sidecar.call(request).await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
