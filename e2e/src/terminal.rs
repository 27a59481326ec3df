//! Somebody at a terminal who reaches the node: a folder, the programs on the PATH, and nothing else of the
//! environment of the tests.
//!
//! Owns what programs are given there, and that each ends in time. What they print is for others to judge.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::Node;
use crate::node::given_kubectl;

const PROGRAMS: &str = "bin";

/// The folder and the variables.
pub(crate) struct Terminal {
    desk: TempDir,
    variables: Vec<(&'static str, OsString)>,
}

/// What a program printed.
pub(crate) struct Printed {
    pub(crate) said: String,
    /// On its second output.
    pub(crate) told: String,
}

impl Terminal {
    /// Sits down at a terminal with the way to the node's cluster.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn open(node: &Node) -> Result<Self> {
        let desk = tempfile::tempdir()?;
        let programs = desk.path().join(PROGRAMS);
        std::fs::create_dir(&programs)?;
        let variables = vec![
            ("PATH", before_the_path(&programs)),
            ("HOME", desk.path().into()),
            ("KUBECONFIG", node.kubeconfig().into()),
        ];
        let terminal = Self { desk, variables };
        if let Some(kubectl) = given_kubectl() {
            terminal.link("kubectl", Path::new(&kubectl))?;
        }
        Ok(terminal)
    }

    /// Where programs run.
    pub(crate) fn folder(&self) -> &Path {
        self.desk.path()
    }

    /// Sets a variable of the environment.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }

    /// Lets `name` be this program, whatever it was before.
    ///
    /// # Errors
    /// When the link cannot be made.
    pub(crate) fn link(&self, name: &str, program: &Path) -> Result<()> {
        let link = self.folder().join(PROGRAMS).join(name);
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        Ok(symlink(program, link)?)
    }

    /// A program in this folder and environment, not yet begun.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        command.env_clear().envs(variables);
        command.current_dir(self.folder()).kill_on_drop(true);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Begins `command`, types, and waits for its end.
///
/// # Errors
/// When it does not end in time, or fails, with what it printed.
pub(crate) async fn finish(
    what: &str,
    mut command: Command,
    typed: &str,
    limit: Duration,
) -> Result<Printed> {
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    input.write_all(typed.as_bytes()).await?;
    drop(input);
    let ended = tokio::time::timeout(limit, child.wait_with_output()).await;
    let output = ended.with_context(|| format!("{what} did not end within {limit:?}"))??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    ensure!(
        output.status.success(),
        "{what} fails, {}: {said}{told}",
        output.status
    );
    Ok(Printed { said, told })
}

fn before_the_path(programs: &Path) -> OsString {
    let mut path = OsString::from(programs);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}
