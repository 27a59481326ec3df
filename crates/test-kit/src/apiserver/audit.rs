//! Reads the API server's audit log: who did what to which object, never with what body.

use anyhow::Context;
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const WRITES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];

/// One finished request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditEvent {
    /// Who asked, such as `system:serviceaccount:erpgo-system:erpgo-operator`.
    pub user: String,
    /// The name of the client's program, such as `erpgo-operator/0.1.0`; empty when it gave none.
    pub user_agent: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The API group, such as `apps`; empty for the core.
    pub group: String,
    /// The plural, such as `deployments`.
    pub resource: String,
    /// `status`, `scale` and so on; empty for the object itself.
    pub subresource: String,
    /// The object's namespace; empty for what has none.
    pub namespace: String,
    /// The object's name; empty for lists and for names that the server makes.
    pub name: String,
    /// The path that was asked for, with its query.
    pub uri: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

impl AuditEvent {
    /// Whether the request was to change something.
    pub fn is_write(&self) -> bool {
        WRITES.contains(&self.verb.as_str())
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Line {
    user: User,
    user_agent: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    object_ref: ObjectRef,
    response_status: ResponseStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

/// Which events are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Selection<'a> {
    /// Those that touched a namespace.
    Namespace(&'a str),
    /// Those of a user.
    User(&'a str),
}

impl Selection<'_> {
    /// A text that every selected line holds: most lines need not be parsed.
    fn mark(self) -> String {
        let (Self::Namespace(text) | Self::User(text)) = self;
        format!("\"{text}\"")
    }

    fn selects(self, line: &Line) -> bool {
        match self {
            Self::Namespace(namespace) => line.object_ref.namespace == namespace,
            Self::User(user) => line.user.username == user,
        }
    }
}

/// The selected events, those of a file that the server has put aside first. A line that is still being
/// written is left for the next reading.
pub(crate) fn read(log: &Path, selection: Selection<'_>) -> anyhow::Result<Vec<AuditEvent>> {
    let newest = File::open(log).with_context(|| format!("cannot open {}", log.display()))?;
    let mut events = Vec::new();
    for older in put_aside(log, &newest)? {
        select(older, selection, &mut events)?;
    }
    select(newest, selection, &mut events)?;
    Ok(events)
}

fn select(
    file: File,
    selection: Selection<'_>,
    events: &mut Vec<AuditEvent>,
) -> anyhow::Result<()> {
    let mark = selection.mark();
    for line in BufReader::new(file).lines() {
        let line = line?;
        if !line.contains(&mark) {
            continue;
        }
        if let Ok(line) = serde_json::from_str::<Line>(&line)
            && selection.selects(&line)
        {
            events.push(line.into());
        }
    }
    Ok(())
}

/// What the server called `audit-TIME.log` when the log was full, oldest first.
fn put_aside(log: &Path, newest: &File) -> anyhow::Result<Vec<File>> {
    let dir = log.parent().context("the audit log is in no folder")?;
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| is_put_aside(path));
    paths.sort();
    let newest = newest.metadata()?.ino();
    let mut files = Vec::new();
    for path in paths {
        match File::open(&path) {
            // It may have been put aside since it was opened.
            Ok(file) if file.metadata()?.ino() == newest => {}
            Ok(file) => files.push(file),
            // The server keeps one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context(format!("cannot open {}", path.display())),
        }
    }
    Ok(files)
}

fn is_put_aside(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("audit-") && name.ends_with(".log")
}

impl From<Line> for AuditEvent {
    fn from(line: Line) -> Self {
        Self {
            user: line.user.username,
            user_agent: line.user_agent,
            verb: line.verb,
            group: line.object_ref.api_group,
            resource: line.object_ref.resource,
            subresource: line.object_ref.subresource,
            namespace: line.object_ref.namespace,
            name: line.object_ref.name,
            uri: line.request_uri,
            code: line.response_status.code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str, name: &str) -> String {
        format!(
            r#"{{"user":{{"username":"{user}"}},"verb":"get","requestURI":"/api/{name}","objectRef":{{"name":"{name}"}},"responseStatus":{{"code":200}}}}"#
        )
    }

    #[test]
    fn a_log_that_was_put_aside_is_read_before_the_newest_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, lines: &[String]| {
            let path = dir.path().join(name);
            fs::write(&path, lines.join("\n")).unwrap();
            path
        };
        write("audit-2026-01-02T03-04-05.678.log", &[line("one", "first")]);
        write("audit-policy.yaml", &[line("one", "policy")]);
        let half = line("one", "half");
        let lines = [
            line("one", "second"),
            line("other", "foreign"),
            half[..half.len() - 2].to_owned(),
        ];
        let log = write("audit.log", &lines);
        let events = read(&log, Selection::User("one")).unwrap();
        let seen: Vec<_> = events
            .iter()
            .map(|event| (event.name.as_str(), event.uri.as_str()))
            .collect();
        assert_eq!(seen, [("first", "/api/first"), ("second", "/api/second")]);
        // Put aside while somebody reads: told once.
        let newest = File::open(&log).unwrap();
        fs::rename(&log, dir.path().join("audit-2026-01-02T03-04-06.789.log")).unwrap();
        assert_eq!(put_aside(&log, &newest).unwrap().len(), 1);
    }
}
