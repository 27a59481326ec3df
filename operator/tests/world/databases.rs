//! The databases of the world: what each version of the URL leads to.
//!
//! Owns which images' migrations each has. A copy has what was there when it was taken.

use std::collections::BTreeSet;

use erpgo_operator::rotation::DocumentView;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) struct Databases {
    /// By version, the current one last.
    migrated: Vec<BTreeSet<String>>,
    copy: BTreeSet<String>,
}

impl Databases {
    pub(crate) fn new() -> Self {
        Self {
            migrated: vec![BTreeSet::new()],
            copy: BTreeSet::new(),
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        u64::try_from(self.migrated.len()).unwrap()
    }

    /// Whether `image` finds its migrations where pods connect.
    pub(crate) fn has(&self, image: &str) -> bool {
        self.migrated.last().unwrap().contains(image)
    }

    /// Whether it has found them anywhere.
    pub(crate) fn ever_had(&self, image: &str) -> bool {
        self.migrated.iter().any(|images| images.contains(image))
    }

    /// The Job of `image` succeeds that was made for `version`.
    pub(crate) fn migrate(&mut self, version: &str, image: &str) {
        let number: usize = version.strip_prefix("database-").unwrap().parse().unwrap();
        self.migrated[number - 1].insert(image.to_owned());
    }

    pub(crate) fn copy(&mut self) {
        self.copy = self.migrated.last().unwrap().clone();
    }

    /// The copy becomes current, unless one of the images that `serve` refuses it.
    pub(crate) fn promote(&mut self, serve: &BTreeSet<String>) {
        if serve.is_subset(&self.copy) {
            self.migrated.push(self.copy.clone());
        }
    }

    /// The secret set, all of whose keys were made at `at`.
    pub(crate) fn document(&self, at: Timestamp) -> DocumentView {
        let version = |kid: String| json!({"current": {"kid": kid, "created_at": at}});
        let others = ["jwt", "refresh", "pepper"];
        let mut keys: serde_json::Map<String, Value> = others
            .map(|key| (key.to_owned(), version(format!("{key}-1"))))
            .into_iter()
            .collect();
        let current = format!("database-{}", self.migrated.len());
        keys.insert("database".into(), version(current));
        let document = json!({"generation": self.generation(), "keys": keys});
        serde_json::from_value(document).unwrap()
    }
}
