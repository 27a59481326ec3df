//! The program as a Job of the operator runs it to give an account a password, or to take it away.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the operator mounts into such a Job.
pub struct Job {
    subcommand: &'static str,
    /// Names the account.
    flag: &'static str,
    files: tempfile::TempDir,
}

impl Job {
    pub fn new(subcommand: &'static str, flag: &'static str) -> Self {
        Self {
            subcommand,
            flag,
            files: tempfile::tempdir().unwrap(),
        }
    }

    pub fn admin_file(&self) -> PathBuf {
        self.files.path().join("url")
    }

    pub fn verifier_file(&self) -> PathBuf {
        self.files.path().join("verifier")
    }

    /// Runs it for `account`; `order` is set or clear.
    pub fn run(&self, order: &str, account: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_erpgo"));
        command
            .env_clear()
            .args([self.subcommand, order, self.flag, account]);
        command.arg("--admin-file").arg(self.admin_file());
        if order == "set" {
            command.arg("--verifier-file").arg(self.verifier_file());
        }
        command.output().unwrap()
    }
}

/// As Secrets are often written: with a newline behind.
pub fn write(path: &Path, text: &str) {
    std::fs::write(path, format!("{text}\n")).unwrap();
}

/// How it ended, and a part of what it said; nothing secret is ever in that.
pub fn expect(output: &Output, code: i32, text: &str, canaries: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(text), "{said}");
    for canary in canaries {
        assert!(!said.contains(canary), "{said}");
    }
}
