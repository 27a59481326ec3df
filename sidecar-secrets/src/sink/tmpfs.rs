//! Writing one generation.
//!
//! Owns [`Tmpfs`]: new directory, files with their final mode, one rename; apart from that the links
//! and the removal of what is old. A write that fails leaves the old set as it was, and one that
//! succeeds is in use whether or not the tidying does. Nothing is synced: a tmpfs does not outlive
//! the node.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use erpgo_secret_set::{Ack, MANIFEST_FILE, Manifest, RenderedSet};
use jiff::Timestamp;

use super::{ACK, ACK_TMP, DATA, DATA_TMP, LINK_TMP, READ};

const FILE_MODE: u32 = 0o440;
const DIR_MODE: u32 = 0o750;

/// Why a set is not on the tmpfs.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} in {}: check the volume's size, mode and fsGroup", dir.display())]
pub(crate) struct SinkError {
    step: &'static str,
    dir: PathBuf,
    source: io::Error,
}

/// The directory of the secret set.
pub(crate) struct Tmpfs {
    dir: PathBuf,
}

impl Tmpfs {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Writes `set` and flips to it; `at` only makes the directory's name unique.
    pub(crate) fn write(&self, set: &RenderedSet, at: Timestamp) -> Result<(), SinkError> {
        let name = directory_name(set, at);
        if let Err(error) = self.prepare(&name, set).and_then(|()| self.flip(&name)) {
            // What was half written must not fill the volume; the next try has another name.
            let _ = fs::remove_dir_all(self.dir.join(&name));
            return Err(error);
        }
        Ok(())
    }

    /// Links every file of the set in use, and removes what belongs to none.
    ///
    /// Changes nothing where nothing is amiss, so it also heals what a killed process left undone.
    pub(crate) fn tidy(&self, held: &Manifest) -> Result<(), SinkError> {
        self.link(held)?;
        self.sweep()
    }

    /// Keeps the app's answer beside the set that it belongs to, so that a restart of this
    /// process does not take it back. Inside the set's directory, where no watcher sees it.
    pub(crate) fn keep_ack(&self, ack: &Ack) -> Result<(), SinkError> {
        let failed = |source| self.failed("keep the acknowledgement", source);
        let data = self.dir.join(DATA);
        let text = serde_json::to_vec(ack).map_err(|error| failed(error.into()))?;
        let temporary = data.join(ACK_TMP);
        let _ = fs::remove_file(&temporary);
        write_file(&temporary, &text).map_err(failed)?;
        fs::rename(&temporary, data.join(ACK)).map_err(failed)
    }

    /// Keeps the time of a read that succeeded, as that of an empty file: it tells the next process
    /// how old the set is. No watcher of the link sees it.
    pub(crate) fn note_read(&self) {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE | 0o200)
            .open(self.dir.join(READ));
        // Without it the set looks as old as it was rendered, which is older, never younger.
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
    }

    fn sweep(&self) -> Result<(), SinkError> {
        let failed = |source| self.failed("remove old directories", source);
        let current = fs::read_link(self.dir.join(DATA)).ok();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let ours = name.to_str().is_some_and(|name| name.starts_with(".."));
            let is_dir = entry.file_type().map_err(failed)?.is_dir();
            if ours && is_dir && current.as_deref() != Some(Path::new(&name)) {
                fs::remove_dir_all(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn prepare(&self, name: &str, set: &RenderedSet) -> Result<(), SinkError> {
        let failed = |source| self.failed("write the new set", source);
        let dir = self.dir.join(name);
        DirBuilder::new()
            .mode(DIR_MODE)
            .create(&dir)
            .map_err(failed)?;
        fs::set_permissions(&dir, Permissions::from_mode(DIR_MODE)).map_err(failed)?;
        for (file, value) in &set.files {
            write_file(&dir.join(file), value.expose_secret().as_bytes()).map_err(failed)?;
        }
        write_file(&dir.join(MANIFEST_FILE), set.manifest_json().as_bytes()).map_err(failed)
    }

    fn flip(&self, name: &str) -> Result<(), SinkError> {
        let temporary = self.dir.join(DATA_TMP);
        self.replace_link(&temporary, Path::new(name), DATA)
            .map_err(|source| self.failed("flip to the new set", source))
    }

    // After the flip: a link that comes early would dangle, one that goes early would hide a file.
    fn link(&self, held: &Manifest) -> Result<(), SinkError> {
        let failed = |source| self.failed("link the files", source);
        let files = held.files.iter().map(|entry| entry.file.as_str());
        let names: Vec<&str> = files.chain([MANIFEST_FILE]).collect();
        for name in &names {
            let target = Path::new(DATA).join(name);
            let linked = fs::read_link(self.dir.join(name)).is_ok_and(|found| found == target);
            if !linked {
                self.replace_link(&self.dir.join(LINK_TMP), &target, name)
                    .map_err(failed)?;
            }
        }
        self.unlink_others(&names).map_err(failed)
    }

    fn unlink_others(&self, names: &[&str]) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let ours = fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(DATA));
            let wanted = entry
                .file_name()
                .to_str()
                .is_some_and(|name| names.contains(&name));
            if ours && !wanted {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn replace_link(&self, temporary: &Path, target: &Path, name: &str) -> io::Result<()> {
        // Left over when the process was killed between the two calls.
        match fs::remove_file(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(target, temporary)?;
        fs::rename(temporary, self.dir.join(name))
    }

    fn failed(&self, step: &'static str, source: io::Error) -> SinkError {
        SinkError {
            step,
            dir: self.dir.clone(),
            source,
        }
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(bytes)?;
    // The umask may have taken the group's bit; the app's group must have it before the flip.
    file.set_permissions(Permissions::from_mode(FILE_MODE))
}

fn directory_name(set: &RenderedSet, at: Timestamp) -> String {
    let stamp = at.strftime("%Y_%m_%d_%H_%M_%S.%9f");
    format!("..{stamp}_g{}", set.manifest.generation)
}

#[cfg(test)]
#[path = "tmpfs_tests.rs"]
mod tests;
