//! Reads single variables and keeps every fault.
//!
//! Owns [`Environment`]: a reader returns `None` after it has noted a fault, so that the next
//! variable is still read. An empty variable counts as not set.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::files::read_credential;
use super::{Fault, Invalid};

pub(super) struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<Fault>,
}

impl<'a> Environment<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            faults: Vec::new(),
        }
    }

    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, Invalid> {
        match read {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Invalid {
                faults: self.faults,
            }),
        }
    }

    pub(super) fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|text| !text.is_empty())
    }

    pub(super) fn required(&mut self, name: &'static str) -> Option<String> {
        let value = self.optional(name);
        if value.is_none() {
            self.faults.push(Fault::Missing { name });
        }
        value
    }

    pub(super) fn or(&self, name: &str, default: &str) -> String {
        self.optional(name).unwrap_or_else(|| default.to_owned())
    }

    pub(super) fn invalid(&mut self, name: &'static str, expected: impl Into<String>) {
        self.faults.push(Fault::Invalid {
            name,
            expected: expected.into(),
        });
    }

    pub(super) fn parsed<T: FromStr>(
        &mut self,
        name: &'static str,
        default: &str,
        expected: &str,
    ) -> Option<T> {
        let value = self.or(name, default).parse().ok();
        if value.is_none() {
            self.invalid(name, expected);
        }
        value
    }

    pub(super) fn seconds(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Option<Duration> {
        let expected = format!(
            "a number of seconds from {} to {}",
            range.start(),
            range.end()
        );
        let seconds: u64 = self.parsed(name, &default.to_string(), &expected)?;
        if !range.contains(&seconds) {
            self.invalid(name, expected);
            return None;
        }
        Some(Duration::from_secs(seconds))
    }

    /// A directory that is there.
    pub(super) fn directory(&mut self, name: &'static str, default: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.or(name, default));
        if !path.is_dir() {
            let problem = format!(
                "{} is not a directory: mount the volume there",
                path.display()
            );
            self.faults.push(Fault::File { name, problem });
            return None;
        }
        Some(path)
    }

    /// A file that is there; who uses it reads it again each time.
    pub(super) fn file(&mut self, name: &'static str, default: Option<&str>) -> Option<PathBuf> {
        let path = self.path(name, default)?;
        if !path.is_file() {
            let problem = format!("{} is not a file: check the mount", path.display());
            self.faults.push(Fault::File { name, problem });
            return None;
        }
        Some(path)
    }

    /// A file that holds a token or an id.
    pub(super) fn credential(
        &mut self,
        name: &'static str,
        default: Option<&str>,
    ) -> Option<PathBuf> {
        let path = self.path(name, default)?;
        if let Err(error) = read_credential(&path) {
            self.faults.push(Fault::File {
                name,
                problem: error.to_string(),
            });
            return None;
        }
        Some(path)
    }

    fn path(&mut self, name: &'static str, default: Option<&str>) -> Option<PathBuf> {
        match default {
            Some(default) => Some(PathBuf::from(self.or(name, default))),
            None => self.required(name).map(PathBuf::from),
        }
    }
}
