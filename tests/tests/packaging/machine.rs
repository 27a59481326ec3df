//! A machine as a script finds it: a checkout, and a PATH with nothing on it but what a test puts there.
//!
//! Owns the folder that is all of it. Nothing of the real machine is seen but plain programs.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::tree;

/// Programs of every Debian machine that the scripts use.
const PLAIN: [&str; 21] = [
    "awk",
    "base64",
    "bash",
    "cat",
    "chmod",
    "cut",
    "dirname",
    "grep",
    "head",
    "ln",
    "mkdir",
    "mktemp",
    "paste",
    "rm",
    "sed",
    "sha256sum",
    "sleep",
    "sort",
    "tail",
    "touch",
    "tr",
];

/// The folder.
pub(super) struct Machine(TempDir);

/// How a script ended.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    /// On both outputs.
    pub(super) said: String,
}

impl Machine {
    /// One with a copy of these folders of the repository.
    pub(super) fn with(folders: &[&str]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        fs::create_dir(machine.path("bin")).unwrap();
        for name in PLAIN {
            symlink(on_the_path(name), machine.path("bin").join(name)).unwrap();
        }
        for folder in folders {
            let to = machine.path("checkout").join(folder);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let mut copy = Command::new("cp");
            copy.arg("-R").arg(tree::path(folder)).arg(&to);
            assert!(copy.status().unwrap().success(), "{folder}");
        }
        machine
    }

    /// A path in it, which is also `$HOME` of its scripts.
    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    /// A file with this text.
    pub(super) fn file(&self, relative: &str, text: &str) {
        let file = self.path(relative);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// The text of a file; none when it is not there.
    pub(super) fn read(&self, relative: &str) -> Option<String> {
        fs::read_to_string(self.path(relative)).ok()
    }

    /// From now on the file is not there.
    pub(super) fn remove(&self, relative: &str) {
        fs::remove_file(self.path(relative)).unwrap();
    }

    /// A program that is this script of bash. Another process writes it: one that is open for writing in
    /// this one while another test starts a program cannot be run.
    pub(super) fn program(&self, name: &str, script: &str) {
        let mut install = Command::new("install")
            .args(["-m", "0755", "/dev/stdin"])
            .arg(self.path("bin").join(name))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = install.stdin.take().unwrap();
        input
            .write_all(format!("#!/bin/bash\n{script}\n").as_bytes())
            .unwrap();
        drop(input);
        assert!(install.wait().unwrap().success(), "{name}");
    }

    /// Runs bash in the checkout with these arguments, the first of which is a script as a rule.
    pub(super) fn bash(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let output = Command::new("/bin/bash")
            .args(arguments)
            .current_dir(self.path("checkout"))
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.0.path())
            .env("TMPDIR", self.0.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stderr, output.stdout].concat();
        Ended {
            code: output.status.code(),
            said: String::from_utf8_lossy(&said).into_owned(),
        }
    }
}

fn on_the_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name));
    let mut found = found.filter(|program| program.is_file());
    found
        .next()
        .unwrap_or_else(|| panic!("{name} is not on the PATH"))
}
