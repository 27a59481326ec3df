//! Reads the API server's audit log: who did what to which object, never with what body.

use anyhow::Context;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

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

/// The selected events. A line that is still being written is left for the next reading.
pub(crate) fn read(log: &Path, selection: Selection<'_>) -> anyhow::Result<Vec<AuditEvent>> {
    let file = File::open(log).with_context(|| format!("cannot open {}", log.display()))?;
    let mark = selection.mark();
    let mut events = Vec::new();
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
    Ok(events)
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
            code: line.response_status.code,
        }
    }
}
