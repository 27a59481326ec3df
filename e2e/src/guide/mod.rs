//! The guide to rotations (docs/guides/rotation.md), as somebody at a terminal follows it.
//!
//! Owns the terminal: a folder, the programs on its PATH, and nothing else of the environment of the
//! tests. A block is run by bash as it is printed, after the first one, which says whom it is about. What
//! a block prints is for journeys to judge.

mod page;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use self::page::Block;
use crate::node::given_kubectl;
use crate::{Backend, OPERATOR, Stage};

/// The first block, which every other one needs.
const FIRST: &str = "setup";
const FILE: &str = "block.sh";
/// More than the longest wait in the guide.
const LIMIT: Duration = Duration::from_secs(120);

/// The guide, and a terminal to follow it at.
pub struct Guide {
    blocks: Vec<Block>,
    desk: TempDir,
    variables: Vec<(&'static str, OsString)>,
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
        let desk = tempfile::tempdir()?;
        let programs = desk.path().join("bin");
        std::fs::create_dir(&programs)?;
        if let Some(kubectl) = given_kubectl() {
            symlink(kubectl, programs.join("kubectl"))?;
        }
        let tools = backend.tools().await?;
        if let Some((name, program)) = tools.program {
            symlink(program, programs.join(name))?;
        }
        let mut variables = vec![
            ("PATH", before_the_path(&programs)),
            ("HOME", desk.path().into()),
            ("KUBECONFIG", stage.node.kubeconfig().into()),
            ("NS", OsString::from(&stage.namespace)),
        ];
        let of_tools = tools.variables.into_iter();
        variables.extend(of_tools.map(|(name, value)| (name, value.into())));
        Ok(Self {
            blocks,
            desk,
            variables,
            run: Mutex::default(),
        })
    }

    /// Runs a block with the variables that the guide leaves to its reader; returns what it printed.
    ///
    /// # Errors
    /// When a command fails, with what was said.
    pub async fn run(&self, stage: &Stage, name: &str, given: &[(&str, &str)]) -> Result<String> {
        self.prepare(stage, name)?;
        let mut bash = self.command("bash");
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
        let mut terminal = self.command("script");
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
            let link = self.desk.path().join("bin").join(OPERATOR);
            replace(&link, Path::new(&program))?;
        }
        std::fs::write(self.desk.path().join(FILE), script)?;
        Ok(())
    }

    fn script(&self, name: &str) -> Result<&str> {
        let block = self.blocks.iter().find(|block| block.name == name);
        let block = block.with_context(|| format!("the guide has no block {name}"))?;
        Ok(&block.script)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        command.env_clear().envs(variables);
        command.current_dir(self.desk.path()).kill_on_drop(true);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    async fn finish(&self, name: &str, mut command: Command, typed: &str) -> Result<String> {
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().context("no standard input")?;
        input.write_all(typed.as_bytes()).await?;
        drop(input);
        let ended = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
        let output = ended.with_context(|| format!("{name} did not end within {LIMIT:?}"))??;
        let printed = printed(name, &output)?;
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.insert(name.to_owned());
        Ok(printed)
    }
}

fn before_the_path(programs: &Path) -> OsString {
    let mut path = OsString::from(programs);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

fn replace(link: &Path, program: &Path) -> Result<()> {
    match std::fs::remove_file(link) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Ok(symlink(program, link)?)
}

fn printed(name: &str, output: &Output) -> Result<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    ensure!(
        output.status.success(),
        "the guide's {name} fails, {}: {said}{complained}",
        output.status
    );
    Ok(said)
}
