//! Invariants of what was built, checked independently of the builders.
//!
//! Owns [`check`]. It reads objects as they are sent, so that it shares no code with what made them.

use serde_json::Value;

use super::build::Desired;
use super::names::{INSTANCE_LABEL, MANAGED_BY_LABEL};

/// What the linter found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether it forbids applying.
    pub fatal: bool,
    /// Kind and name of the object.
    pub object: String,
    /// What is wrong.
    pub message: String,
}

/// Checks every object of `desired`.
#[must_use]
pub fn check(desired: &Desired) -> Vec<Note> {
    let objects = desired.manifests();
    let namespace = objects
        .first()
        .and_then(|first| first.pointer("/metadata/namespace"))
        .cloned();
    let mut notes: Vec<Note> = objects
        .iter()
        .flat_map(|object| {
            faults(object, namespace.as_ref())
                .into_iter()
                .map(|message| note(object, message))
        })
        .collect();
    if desired.hpa.is_some() && fixed_replicas(desired) {
        notes.push(Note {
            fatal: true,
            object: "Deployment".into(),
            message: "I-07: it sets replicas beside an autoscaler".into(),
        });
    }
    notes
}

fn fixed_replicas(desired: &Desired) -> bool {
    let spec = desired
        .deployment
        .as_ref()
        .and_then(|deployment| deployment.spec.as_ref());
    spec.is_some_and(|spec| spec.replicas.is_some())
}

fn note(object: &Value, message: String) -> Note {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned()
    };
    Note {
        fatal: true,
        object: format!("{} {}", text("/kind"), text("/metadata/name")),
        message,
    }
}

fn faults(object: &Value, namespace: Option<&Value>) -> Vec<String> {
    let mut found = Vec::new();
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if name.is_empty() || name.len() > 63 {
        found.push(format!(
            "its name has {} characters, 1 to 63 are allowed",
            name.len()
        ));
    }
    if object.pointer("/metadata/namespace") != namespace {
        found.push("I-09: it lies in another namespace".into());
    }
    for label in [MANAGED_BY_LABEL, INSTANCE_LABEL] {
        if object["metadata"]["labels"][label].as_str().is_none() {
            found.push(format!("it lacks the label {label}"));
        }
    }
    if object.pointer("/metadata/ownerReferences/0/uid").is_none() {
        found.push("nobody owns it".into());
    }
    found.extend(pod_faults(object));
    found
}

fn pod_faults(object: &Value) -> Vec<String> {
    let Some(pod) = object.pointer("/spec/template/spec") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for list in ["containers", "initContainers"] {
        for container in pod[list].as_array().into_iter().flatten() {
            found.extend(container_faults(container));
        }
    }
    if let Some(selector) = object
        .pointer("/spec/selector/matchLabels")
        .and_then(Value::as_object)
    {
        let labels = &object["spec"]["template"]["metadata"]["labels"];
        if selector.iter().any(|(key, value)| &labels[key] != value) {
            found.push("its selector does not match its own pods".into());
        }
    }
    found
}

fn container_faults(container: &Value) -> Vec<String> {
    let name = container["name"].as_str().unwrap_or("?");
    let mut found = Vec::new();
    for resource in ["cpu", "memory"] {
        if container["resources"]["requests"][resource].is_null() {
            found.push(format!("container {name} requests no {resource}"));
        }
    }
    if container["securityContext"]["readOnlyRootFilesystem"] != true {
        found.push(format!("container {name} may write to its image"));
    }
    let secret_in_env = |variable: &Value| !variable["valueFrom"]["secretKeyRef"].is_null();
    if container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .any(secret_in_env)
    {
        found.push(format!(
            "I-04: container {name} has a secret in its environment"
        ));
    }
    found
}
