//! Where the shared services of one checkout keep their records, locks, logs and data.
//!
//! Records and locks lie in `$ERPGO_TEST_STATE`, or in `test-services` of cargo's target directory.
//! Data lies under the temporary directory, since PostgreSQL refuses to run as root and its account
//! may be unable to reach the checkout.

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const MEMORY: &str = "/dev/shm";
const MEMORY_NEEDED: u64 = 2 << 30;

/// The directories of one checkout.
#[derive(Clone, Debug)]
pub(crate) struct State {
    records: PathBuf,
    data: PathBuf,
    fast: PathBuf,
}

/// A lock between processes (and threads) that is held until it is dropped.
#[must_use]
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its drop")] File);

impl State {
    /// Opens the state of this checkout and creates its directories.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let records = records_dir();
        fs::create_dir_all(&records)
            .with_context(|| format!("cannot create {}", records.display()))?;
        let records = records.canonicalize()?;
        let mut hasher = DefaultHasher::new();
        records.hash(&mut hasher);
        let name = format!("erpgo-test-{:016x}", hasher.finish());
        let data = std::env::temp_dir().join(&name);
        create_passable(&data)?;
        let fast = Path::new(MEMORY).join(&name);
        // What is there already stays in use, however little memory is free by now.
        let fast = if fast.is_dir() || has_memory() {
            fast
        } else {
            data.clone()
        };
        create_passable(&fast)?;
        Ok(Self {
            records,
            data,
            fast,
        })
    }

    /// A path for data of the given name; nothing is created.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// A path for data whose files are made and removed all the time, in memory where there is
    /// enough; nothing is created.
    pub(crate) fn fast(&self, name: &str) -> PathBuf {
        self.fast.join(name)
    }

    /// A path for a record or log of the given name; nothing is created.
    pub(crate) fn record(&self, name: &str) -> PathBuf {
        self.records.join(name)
    }

    /// Takes the named lock and waits for whoever holds it. The kernel frees it with its holder.
    pub(crate) fn lock(&self, name: &str) -> anyhow::Result<Lock> {
        let path = self.record(&format!("{name}.lock"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Lock(file))
    }

    /// Removes records and data, for `down`.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        remove_tree(&self.data)?;
        remove_tree(&self.fast)?;
        remove_tree(&self.records)
    }
}

/// Creates a directory that other accounts may pass through and not list.
fn create_passable(dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(fs::set_permissions(dir, fs::Permissions::from_mode(0o711))?)
}

fn has_memory() -> bool {
    let free = rustix::fs::statvfs(MEMORY).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    free.is_ok_and(|free| free >= MEMORY_NEEDED)
}

fn records_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("ERPGO_TEST_STATE") {
        return dir.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), PathBuf::from);
    target.join("test-services")
}

/// The root of the checkout that this crate was built from.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads a record; one that is missing or unreadable counts as absent.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Writes a record in one step, readable by its owner alone.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    let partial = path.with_extension(format!("{}.partial", uuid::Uuid::new_v4().simple()));
    fs::write(&partial, serde_json::to_vec(value)?)?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o600))?;
    fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Removes a directory with all it holds; one that is absent is fine.
pub(crate) fn remove_tree(dir: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}
