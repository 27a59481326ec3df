//! The demo on the cluster of somebody's kubeconfig, as the README tells of it.
//!
//! Owns a checkout of its own, as a fresh clone would be, in which the README's commands are run: that of the
//! tests holds the way to their node, and is left alone. What the demo prints is for a journey to judge.

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::Stage;
use crate::node::repository;
use crate::stage::in_cluster;
use crate::terminal::{Printed, Terminal, finish};

const README: &str = include_str!("../../README.md");
const BEGIN: &str = "The demo against the cluster of your current kubeconfig";
/// What of a checkout it needs.
const FILES: [&str; 4] = ["Makefile", "manifests", "e2e/cluster", "e2e/demo"];
const CHECKOUT: &str = "checkout";
/// How the README's examples are to be read by somebody who runs them on this stage.
const MEANT: [(&str, &str); 3] = [
    ("erpgo-demo", "$NS"),
    ("postgres://erp:...@db:5432/erp", "\"$URL\""),
    ("registry.example.com/team", "erpgo.local"),
];
/// More than the script itself waits.
const LIMIT: Duration = Duration::from_secs(900);

/// The checkout, and a terminal in it.
pub struct Demo(Terminal);

/// What the demo advises at its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Advice {
    /// To be pasted, to try the API.
    pub to_try: String,
    /// To be run one by one, to remove all of it.
    pub to_remove: Vec<String>,
}

impl Demo {
    /// Sits down in a fresh checkout, with the stage's cluster as the current one.
    ///
    /// # Errors
    /// When files cannot be copied.
    pub fn open(stage: &Stage) -> Result<Self> {
        let mut terminal = Terminal::open(&stage.node)?;
        for (name, value) in [
            ("NS", stage.namespace.clone()),
            ("URL", in_cluster(&stage.database_url()?)),
            ("ERPGO_NAMESPACE", stage.namespace.clone()),
            ("ERPGO_PORT", stage.port().to_string()),
            // The machine has other things to do.
            ("READY_SECONDS", "600".to_owned()),
        ] {
            terminal.set(name, value);
        }
        let demo = Self(terminal);
        demo.clone_checkout()?;
        Ok(demo)
    }

    /// Runs the README's commands in their order; returns what the last one, the demo, printed, and what it
    /// told of its steps.
    ///
    /// # Errors
    /// When one fails, or the README has others.
    pub async fn run(&self) -> Result<(String, String)> {
        let commands = commands(README)?;
        let (demo, before) = commands.split_last().context("no command")?;
        for command in before {
            self.paste(command).await?;
        }
        let Printed { said, told } = self.bash(demo).await?;
        Ok((said, told))
    }

    /// Runs lines as they are pasted into a shell; returns what they printed. What they leave in the
    /// background ends with the shell.
    ///
    /// # Errors
    /// When the last one fails.
    pub async fn paste(&self, lines: &str) -> Result<String> {
        let ending = "trap 'kill $(jobs -p) 2>/dev/null' EXIT";
        Ok(self.bash(&format!("{ending}\n{lines}")).await?.said)
    }

    /// Whether anything of the way to the cluster is still kept in the checkout.
    #[must_use]
    pub fn keeps_the_way(&self) -> bool {
        self.0.folder().join(CHECKOUT).join(".dev").exists()
    }

    async fn bash(&self, script: &str) -> Result<Printed> {
        let mut bash = self.0.command("bash");
        bash.current_dir(self.0.folder().join(CHECKOUT));
        bash.arg("-c").arg(script);
        finish(script, bash, "", LIMIT).await
    }

    fn clone_checkout(&self) -> Result<()> {
        let checkout = self.0.folder().join(CHECKOUT);
        for file in FILES {
            let to = checkout.join(file);
            std::fs::create_dir_all(to.parent().unwrap_or(&checkout))?;
            let from = repository().join(file);
            let arguments = [OsStr::new("-R"), from.as_os_str(), to.as_os_str()];
            let copied = std::process::Command::new("cp").args(arguments).status()?;
            ensure!(copied.success(), "{file} cannot be copied");
        }
        Ok(())
    }
}

impl Advice {
    /// Reads it from what the demo printed.
    ///
    /// # Errors
    /// When it is not there.
    pub fn of(printed: &str) -> Result<Self> {
        let (_, rest) = printed
            .split_once("Try it (paste line by line):\n")
            .context("nothing to try")?;
        let (to_try, rest) = rest
            .split_once("\nAPI documentation:")
            .context("no documentation")?;
        let down = "CLUSTER=current make down";
        let is_command = |line: &&str| line.starts_with("  ");
        let commands = rest.lines().filter(is_command).map(str::trim);
        let mut to_remove: Vec<String> = commands.map(str::to_owned).collect();
        ensure!(rest.trim_end().ends_with(down), "{down} is not in {rest}");
        to_remove.push(down.to_owned());
        Ok(Self {
            to_try: to_try.to_owned(),
            to_remove,
        })
    }
}

/// The README's commands for a cluster of one's own, as they are meant here.
fn commands(readme: &str) -> Result<Vec<String>> {
    let (_, rest) = readme.split_once(BEGIN).context("no such part")?;
    let (_, rest) = rest.split_once("```console\n").context("no commands")?;
    let (block, _) = rest.split_once("\n```").context("no end of commands")?;
    let mut block = block.to_owned();
    for (written, meant) in MEANT {
        ensure!(block.contains(written), "{written} is not in {block}");
        block = block.replace(written, meant);
    }
    let command = |line: &str| {
        let command = line.strip_prefix("$ ").map(str::to_owned);
        command.with_context(|| format!("{line} is no command"))
    };
    block.lines().map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_tells_of_a_namespace_a_secret_and_the_demo() {
        let commands = commands(README).unwrap();
        let [namespace, secret, demo] = commands.as_slice() else {
            panic!("{commands:?}");
        };
        assert_eq!(namespace, "kubectl create namespace $NS");
        assert!(secret.starts_with("kubectl -n $NS create secret generic "));
        assert!(secret.ends_with(" --from-literal=url=\"$URL\""), "{secret}");
        assert_eq!(
            demo,
            "CLUSTER=current ERPGO_IMAGE_PREFIX=erpgo.local make demo"
        );
        let other =
            "The demo against the cluster of your current kubeconfig\n```console\n$ true\n```";
        assert!(super::commands(other).is_err());
    }

    #[test]
    fn what_is_advised_is_read_from_what_is_printed() {
        let printed = "NAME\n\nTry it (paste line by line):\n\n  forward &\n  try\n\nAPI documentation: URL\n\nRemove it:\n\n  delete one\n  delete two\n\nAt last: CLUSTER=current make down\n";
        let advice = Advice::of(printed).unwrap();
        assert_eq!(advice.to_try, "\n  forward &\n  try\n");
        assert_eq!(
            advice.to_remove,
            ["delete one", "delete two", "CLUSTER=current make down"]
        );
        assert!(Advice::of("Try it (paste line by line):\n").is_err());
        let node = printed.replace("CLUSTER=current make down", "make down");
        assert!(Advice::of(&node).is_err());
    }
}
