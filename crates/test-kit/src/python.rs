//! Programs from PyPI, each in a pinned version, once, in the cache that the tools share.

use anyhow::{Context, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Before a download that broke off is begun anew, each time.
const RESTS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];

/// A package.
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: &'static str,
    /// Which of its extras are needed, as `[server]`; may be empty.
    pub(crate) extras: &'static str,
    /// Its version.
    pub(crate) version: &'static str,
}

impl Package {
    /// Where its modules are, and its programs in `bin`; downloaded when they are not there yet.
    pub(crate) fn installed(&self) -> anyhow::Result<PathBuf> {
        let cache = cache()?;
        let (name, version) = (self.name, self.version);
        let modules = cache.join(format!("{name}-{version}-py{}", python_version()?));
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(cache.join(format!("{name}.lock")))?;
        lock.lock()?;
        if !modules.is_dir() {
            self.install(&modules)?;
        }
        Ok(modules)
    }

    // Built aside and moved: a folder that is there is whole.
    fn install(&self, modules: &Path) -> anyhow::Result<()> {
        let partial = modules.with_extension("partial");
        let mut tried = self.download(&partial);
        for rest in RESTS {
            if tried.is_ok() {
                break;
            }
            thread::sleep(rest);
            tried = self.download(&partial);
        }
        tried?;
        fs::rename(&partial, modules)?;
        Ok(())
    }

    fn download(&self, folder: &Path) -> anyhow::Result<()> {
        let _ = fs::remove_dir_all(folder);
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--retries", "5"])
            .args(["--disable-pip-version-check", "--no-warn-script-location"])
            .arg(format!("{}{}=={}", self.name, self.extras, self.version))
            .arg("--target")
            .arg(folder);
        let output = pip.output().context("cannot run python3")?;
        if !output.status.success() {
            bail!(
                "cannot install {} (needs python3 and python3-pip): {}",
                self.name,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }
}

// Some of the modules are compiled for one version of Python.
fn python_version() -> anyhow::Result<String> {
    let program = "import sys; print('%d.%d' % sys.version_info[:2])";
    let output = Command::new("python3").args(["-c", program]).output();
    let output = output.context("python3 was not found: apt-get install python3 python3-pip")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn cache() -> anyhow::Result<PathBuf> {
    let set = std::env::var_os("ERPGO_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/erpgo"));
    let cache = set.or(home).context("HOME is not set")?;
    fs::create_dir_all(&cache)?;
    Ok(cache)
}
