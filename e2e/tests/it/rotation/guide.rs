//! The guide to rotations, followed by the journeys.
//!
//! Owns which journey runs which of its commands: each is run by one at least, as it is printed.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::Guide;

use super::Play;

/// The blocks of the guide that each journey runs, by its namespace.
const RUN: [(&str, &[&str]); 3] = [
    (
        "e2e-turn-vault",
        &[
            "vault-undelete",
            "vault-backup",
            "vault-restore",
            "sealed",
            "unseal",
            "vault-rollback",
            "kids",
            "revoke",
            "missing",
            "delete-pod",
            "see",
        ],
    ),
    (
        "e2e-turn-aws",
        &[
            "aws-rollback",
            "aws-undelete",
            "aws-backup",
            "aws-restore",
            "see",
        ],
    ),
    (
        "e2e-turn-secret",
        &[
            "preview",
            "rotate",
            "new-url",
            "rotate-database",
            "why",
            "again",
            "backup",
            "restore",
            "see",
        ],
    ),
];

fn named(blocks: &[&str]) -> BTreeSet<String> {
    blocks.iter().map(|&block| block.to_owned()).collect()
}

#[test]
fn every_command_of_the_guide_is_run_by_a_journey() {
    let run: BTreeSet<String> = RUN.iter().flat_map(|(_, blocks)| named(blocks)).collect();
    assert_eq!(Guide::names().unwrap(), run);
}

impl Play {
    /// Runs a block of the guide with the variables that it leaves to its reader.
    pub(super) async fn follow(&self, block: &str, given: &[(&str, &str)]) -> Result<String> {
        self.guide.run(&self.stage, block, given).await
    }

    /// What the guide shows of rotations is there, and the journey has run all that it is to run.
    pub(super) async fn guide_was_followed(&self) -> Result<()> {
        let kids = self.stage.kids().await?;
        let told = self.follow("see", &[]).await?;
        let shown = ["RotationSwitched", "the chain is whole"];
        let shown = kids.values().map(String::as_str).chain(shown);
        for words in shown {
            ensure!(told.contains(words), "{words} is not in {told}");
        }
        let namespace = self.stage.namespace.as_str();
        let mut all = RUN.iter();
        let (_, blocks) = all
            .find(|(journey, _)| *journey == namespace)
            .context("the journey runs nothing of the guide")?;
        let (run, expected) = (self.guide.run_by_now(), named(blocks));
        ensure!(run == expected, "it ran {run:?}, not {expected:?}");
        Ok(())
    }
}
