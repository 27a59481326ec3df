//! What a rotation tells beside the status: Events, the operator's metrics and the rotation log.
//!
//! Owns what each of them says of a planned rotation of every key that the operator lived through.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use erpgo_e2e::{Kids, Metrics, until};

use super::{KEYS, Play, SOON};

const STEPS: [&str; 4] = [
    "RotationBegun",
    "RotationStaged",
    "RotationPromoted",
    "RotationSwitched",
];
const ROTATIONS: &str = "erpgo_rotation_duration_seconds_count";

/// What had been told before a rotation.
pub(super) struct Heard {
    events: BTreeSet<(String, String)>,
    rotations: f64,
    at: Instant,
}

impl Play {
    pub(super) async fn heard(&self) -> Result<Heard> {
        let metrics = until("the operator's metrics", SOON, || async {
            self.stage.node.operator_metrics().await.map(Ok)
        })
        .await?;
        Ok(Heard {
            events: self.stage.events().await?,
            rotations: metrics.value(ROTATIONS, &[]).context("no count")?,
            at: Instant::now(),
        })
    }

    /// Events tell each step and the end of each version of `before`; metrics tell the duration and how
    /// young the keys are.
    pub(super) async fn is_told(&self, heard: &Heard, reason: &str, before: &Kids) -> Result<()> {
        until("an Event for each step", SOON, || async {
            let mut news = self.stage.events().await?;
            news.retain(|event| !heard.events.contains(event));
            Ok(untold(&news, reason, before))
        })
        .await?;
        until("metrics of the rotation", SOON, || async {
            let metrics = self.stage.node.operator_metrics().await?;
            Ok(self.unmeasured(heard, &metrics))
        })
        .await
    }

    fn unmeasured(&self, heard: &Heard, metrics: &Metrics) -> Result<(), String> {
        let count = metrics.value(ROTATIONS, &[]);
        if count.is_none_or(|count| count <= heard.rotations) {
            return Err(format!("{count:?} rotations after {}", heard.rotations));
        }
        // Ages are whole seconds, and so are the times at which keys are made.
        let limit = heard.at.elapsed() + Duration::from_secs(1);
        for key in KEYS {
            let labels = [
                ("namespace", self.stage.namespace.as_str()),
                ("erpgo", "shop"),
                ("key", key),
            ];
            let age = metrics.value("erpgo_secret_age_seconds", &labels);
            if age.is_none_or(|age| age > limit.as_secs_f64()) {
                return Err(format!("{key} is {age:?} seconds old after {limit:?}"));
            }
        }
        Ok(())
    }

    /// The operator's own program finds the log whole, and any change of it.
    pub(super) fn log_is_whole(&self) -> Result<()> {
        let node = &self.stage.node;
        let log = self.stage.rotation_log()?;
        match node.verify_log(&log)? {
            Ok(said) => ensure!(said.contains("the chain is whole"), "{said}"),
            Err(said) => bail!("the log is not whole: {said}"),
        }
        let altered = log.replacen(" is rotated: ", " was rotated: ", 1);
        ensure!(altered != log, "no rotation is in the log");
        match node.verify_log(&altered)? {
            Ok(said) => bail!("a changed line is not found: {said}"),
            Err(said) => ensure!(said.contains("was changed"), "{said}"),
        }
        Ok(())
    }
}

// `Err` tells what is missing.
fn untold(news: &BTreeSet<(String, String)>, reason: &str, before: &Kids) -> Result<(), String> {
    let has = |word: &str, part: &str| {
        let mut of = news.iter().filter(|(told, _)| told == word);
        of.any(|(_, message)| message.contains(part))
    };
    let begun = has("RotationBegun", reason);
    let steps = STEPS.iter().all(|step| has(step, ""));
    let calm = !has("RotationAborted", "");
    let ends = before.iter().all(|(key, kid)| {
        let refused = format!("{key}/{kid} is refused by all ");
        has("SecretVersionRefused", &refused)
    });
    if begun && steps && calm && ends {
        Ok(())
    } else {
        Err(format!("{news:?}"))
    }
}
