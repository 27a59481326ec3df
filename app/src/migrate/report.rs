//! What a Job's pod says at its end.
//!
//! Owns [`Report`], at most 4 KiB of JSON in the termination log, where the operator reads it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::MigrateError;
use crate::cli::Exit;

/// The kubelet keeps no more than this.
const MAX_BYTES: usize = 4096;

const DEFAULT_PATH: &str = "/dev/termination-log";

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The schema was changed.
    Applied,
    /// There was nothing to do.
    Unchanged,
    /// A migration or the history is wrong: a person is needed.
    Failed,
    /// A person's leave is needed.
    Refused,
    /// Worth another try.
    Unavailable,
}

/// The end of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How it went.
    pub outcome: Outcome,
    /// What was applied in this run.
    pub applied: Vec<String>,
    /// The file that failed.
    pub migration: Option<String>,
    /// The statement that failed, its first 300 characters.
    pub statement: Option<String>,
    /// Why, for people.
    pub error: Option<String>,
    /// Whether the same run may succeed later.
    pub retryable: bool,
    /// Connections that the server keeps for roles such as the API's; none when it was not asked or did
    /// not say.
    pub connections: Option<i32>,
}

impl Report {
    /// The report of a run that applied `applied` and ended with `end`.
    #[must_use]
    pub fn new(applied: Vec<String>, end: Result<(), &MigrateError>) -> Self {
        let Err(error) = end else {
            let outcome = match applied.is_empty() {
                true => Outcome::Unchanged,
                false => Outcome::Applied,
            };
            return Self {
                outcome,
                applied,
                migration: None,
                statement: None,
                error: None,
                retryable: false,
                connections: None,
            };
        };
        let outcome = match error.exit() {
            Exit::Temporary => Outcome::Unavailable,
            Exit::Destructive => Outcome::Refused,
            _ => Outcome::Failed,
        };
        let (migration, statement) = error.place();
        Self {
            outcome,
            applied,
            migration: migration.map(str::to_owned),
            statement: statement.map(str::to_owned),
            error: Some(error.explain()),
            retryable: outcome == Outcome::Unavailable,
            connections: None,
        }
    }

    /// The JSON, cut to the limit: the longest part first, so that each part keeps its beginning.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut report = self.clone();
        loop {
            let json = serde_json::to_string(&report).unwrap_or_default();
            if json.len() <= MAX_BYTES || !report.shorten() {
                return json;
            }
        }
    }

    fn shorten(&mut self) -> bool {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let names: usize = self.applied.iter().map(|name| name.len() + 3).sum();
        let (error, statement) = (length(&self.error), length(&self.statement));
        if names >= error.max(statement) && self.applied.len() > 1 {
            // The newest say how far it got.
            self.applied.drain(..self.applied.len().div_ceil(2));
        } else if error >= statement {
            halve(&mut self.error);
        } else {
            halve(&mut self.statement);
        }
        names + error + statement > 0
    }

    /// Writes the report where `ERPGO_TERMINATION_LOG` says, or where a pod has its termination log.
    pub(super) fn publish(&self) {
        let named = std::env::var_os("ERPGO_TERMINATION_LOG").map(PathBuf::from);
        let create = named.is_some();
        let path = named.unwrap_or_else(|| DEFAULT_PATH.into());
        if !create && !path.exists() {
            return;
        }
        if let Err(error) = write(&path, create, &self.to_json()) {
            tracing::warn!(path = %path.display(), %error, "the report cannot be written");
        }
    }
}

fn halve(text: &mut Option<String>) {
    *text = text
        .take()
        .map(|text| {
            text.chars()
                .take(text.chars().count() / 2)
                .collect::<String>()
        })
        .filter(|text| !text.is_empty());
}

fn write(path: &Path, create: bool, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::File::options()
        .write(true)
        .create(create)
        .truncate(true)
        .open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn r19_2_a_report_fits_and_is_json(error in ".{0,5000}", statement in "[\u{0}-\u{7f}]{0,300}", names in proptest::collection::vec("[a-z_]{1,60}", 0..200)) {
            let report = Report {
                outcome: Outcome::Failed,
                applied: names.clone(),
                migration: Some("0004_x".into()),
                statement: Some(statement.clone()),
                error: Some(error.clone()),
                retryable: false,
                connections: Some(i32::MAX),
            };
            let json = report.to_json();
            prop_assert!(json.len() <= MAX_BYTES);
            let back: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&back["outcome"], "failed");
            prop_assert_eq!(&back["migration"], "0004_x");
            prop_assert!(error.starts_with(back["error"].as_str().unwrap_or_default()));
            prop_assert!(statement.starts_with(back["statement"].as_str().unwrap_or_default()));
            if let Some(last) = names.last() {
                prop_assert_eq!(back["applied"].as_array().unwrap().last().unwrap(), last);
            }
        }
    }
}
