//! The guide to rotations (docs/guides/rotation.md), as somebody at a terminal follows it.
//!
//! Owns how a block is run: by bash as it is printed, after the first one, which says whom it is about. What
//! a block prints is for journeys to judge.

mod page;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use self::page::Block;
use crate::terminal::{self, Terminal};
use crate::{Backend, OPERATOR, Stage};

/// The first block, which every other one needs.
const FIRST: &str = "setup";
const FILE: &str = "block.sh";
/// More than the longest wait in the guide.
const LIMIT: Duration = Duration::from_secs(120);

/// The guide, and a terminal to follow it at.
pub struct Guide {
    blocks: Vec<Block>,
    terminal: Terminal,
    run: Mutex<BTreeSet<String>>,
}

impl Guide {
    /// Names of the blocks that somebody chooses to run.
    ///
    /// # Errors
    /// When a block of the guide has no name.
    pub fn names() -> Result<BTreeSet<String>> {
        let names = page::blocks()?.into_iter().map(|block| block.name);
        Ok(names.filter(|name| name != FIRST).collect())
    }

    /// Sits down at a terminal from which the stage and its backend can be reached.
    ///
    /// # Errors
    /// When a program is not there, or a block of the guide has no name.
    pub async fn open(stage: &Stage, backend: &Backend) -> Result<Self> {
        let blocks = page::blocks()?;
        let mut terminal = Terminal::open(&stage.node)?;
        terminal.set("NS", &stage.namespace);
        let tools = backend.tools().await?;
        if let Some((name, program)) = tools.program {
            terminal.link(name, &program)?;
        }
        for (name, value) in tools.variables {
            terminal.set(name, value);
        }
        Ok(Self {
            blocks,
            terminal,
            run: Mutex::default(),
        })
    }

    /// Runs a block with the variables that the guide leaves to its reader; returns what it printed.
    ///
    /// # Errors
    /// When a command fails, with what was said.
    pub async fn run(&self, stage: &Stage, name: &str, given: &[(&str, &str)]) -> Result<String> {
        self.prepare(stage, name)?;
        let mut bash = self.terminal.command("bash");
        bash.args(["-euo", "pipefail", FILE]);
        bash.envs(given.iter().copied());
        self.finish(name, bash, "").await
    }

    /// The same for a block that asks a person to type something.
    ///
    /// # Errors
    /// When a command fails, with what was said.
    pub async fn run_typing(&self, stage: &Stage, name: &str, typed: &str) -> Result<String> {
        self.prepare(stage, name)?;
        let mut terminal = self.terminal.command("script");
        terminal.args(["--quiet", "--return", "--command"]);
        terminal.arg(format!("bash -euo pipefail {FILE}"));
        terminal.arg("/dev/null");
        self.finish(name, terminal, &format!("{typed}\n")).await
    }

    /// Names of the blocks that ran without a fault.
    #[must_use]
    pub fn run_by_now(&self) -> BTreeSet<String> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.clone()
    }

    fn prepare(&self, stage: &Stage, name: &str) -> Result<()> {
        let script = [self.script(FIRST)?, self.script(name)?].concat();
        if script.contains(OPERATOR) {
            // That of the operator that runs, which may be another one than before.
            let program = format!("/proc/{}/exe", stage.node.operator()?.id());
            self.terminal.link(OPERATOR, Path::new(&program))?;
        }
        std::fs::write(self.terminal.folder().join(FILE), script)?;
        Ok(())
    }

    fn script(&self, name: &str) -> Result<&str> {
        let block = self.blocks.iter().find(|block| block.name == name);
        let block = block.with_context(|| format!("the guide has no block {name}"))?;
        Ok(&block.script)
    }

    async fn finish(&self, name: &str, command: Command, typed: &str) -> Result<String> {
        let what = format!("the guide's {name}");
        let printed = terminal::finish(&what, command, typed, LIMIT).await?;
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.insert(name.to_owned());
        Ok(printed.said)
    }
}
