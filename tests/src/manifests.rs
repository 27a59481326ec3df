//! Reads the manifests that are both documentation and test input.

use anyhow::Context;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// One file of `manifests/`.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The file's name.
    pub name: String,
    /// The text after `# expect:` in the first line; empty when there is none.
    pub expect: String,
    /// The texts after `# also:`: reasons that the first one implies.
    pub also: Vec<String>,
    /// The file's documents, in order.
    pub documents: Vec<Value>,
}

/// The manifests that a user may start from.
pub fn examples() -> anyhow::Result<Vec<Manifest>> {
    read_dir("examples")
}

/// The manifests that the API server must refuse. Where a file has several documents, the last is
/// an update that must be refused, and the ones before it are accepted.
pub fn rejected() -> anyhow::Result<Vec<Manifest>> {
    read_dir("rejected")
}

fn read_dir(name: &str) -> anyhow::Result<Vec<Manifest>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../manifests")
        .join(name);
    let entries = fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> anyhow::Result<Manifest> {
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let expect = comments(&text, "# expect:").next().unwrap_or_default();
    let also = comments(&text, "# also:").collect();
    let documents = text
        .split("\n---\n")
        .map(serde_saphyr::from_str)
        .collect::<Result<_, _>>();
    let documents = documents.with_context(|| format!("{name} is no YAML"))?;
    Ok(Manifest {
        name,
        expect,
        also,
        documents,
    })
}

/// What follows `mark` in the comments at the head of a file.
fn comments<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = String> + 'a {
    let head = text.lines().take_while(|line| line.starts_with('#'));
    head.filter_map(move |line| line.strip_prefix(mark))
        .map(|text| text.trim().to_owned())
}
