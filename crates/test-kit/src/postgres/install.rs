//! Finds PostgreSQL's server programs and the account that may run them.

use anyhow::Context;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const MISSING: &str = "PostgreSQL's server programs were not found; install them: apt-get install postgresql redis-server";

/// The account PostgreSQL runs as: it refuses to run as root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

/// A command that runs `program` of the newest installed PostgreSQL as an account it accepts.
pub(crate) fn command(program: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(bin_dir()?.join(program));
    command
        .env_remove("PGDATA")
        .env_remove("PGPORT")
        .env("TZ", "UTC")
        .current_dir("/");
    if let Some(account) = account()? {
        command.uid(account.uid).gid(account.gid).env("HOME", "/");
    }
    Ok(command)
}

/// Creates a directory that PostgreSQL's account owns.
pub(crate) fn create_owned_dir(dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    give(dir)
}

/// Hands a file or directory to PostgreSQL's account.
pub(crate) fn give(path: &Path) -> anyhow::Result<()> {
    if let Some(account) = account()? {
        std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid))?;
    }
    Ok(())
}

/// The `postgres` account when this process is root, and nothing when it is not.
fn account() -> anyhow::Result<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd")?;
    let line = passwd
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .context(MISSING)?;
    let mut fields = line.split(':').skip(2).map(str::parse::<u32>);
    match (fields.next(), fields.next()) {
        (Some(Ok(uid)), Some(Ok(gid))) => Ok(Some(Account { uid, gid })),
        _ => anyhow::bail!("/etc/passwd has a malformed line for postgres"),
    }
}

fn bin_dir() -> anyhow::Result<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut debian: Vec<_> = debian
        .map(|dir| dir.join("bin"))
        .filter(|bin| is_complete(bin))
        .collect();
    debian.sort();
    if let Some(newest) = debian.pop() {
        return Ok(newest);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|bin| is_complete(bin))
        .context(MISSING)
}

fn is_complete(bin: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| bin.join(program).is_file())
}
