//! Forms of names and texts.
//!
//! Owns the rules of Kubernetes for names, keys, labels, annotations and hosts.

use std::collections::BTreeMap;

use super::faults::Faults;

/// `a-z`, `0-9` and `-`, beginning with a letter and not ending with `-`.
pub(super) fn is_label_name(name: &str) -> bool {
    is_part(name) && name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn is_part(part: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(alphanumeric)
        && part.ends_with(alphanumeric)
        && part.chars().all(|c| alphanumeric(c) || c == '-')
        && part.len() <= 63
}

/// Lower-case parts with dots between them, at most 253 characters.
pub(super) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_part)
}

/// A name of an object that the spec refers to.
pub(super) fn object_name(field: &str, name: &str, faults: &mut Faults) {
    faults.unless(
        is_subdomain(name),
        field,
        "is no name of an object: write a name of a-z, 0-9, '-' and '.', without a namespace",
    );
}

/// A key of a Secret or ConfigMap.
pub(super) fn data_key(field: &str, key: &str, faults: &mut Faults) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let valid =
        !key.is_empty() && key.len() <= 253 && key.chars().all(allowed) && !key.starts_with("..");
    faults.unless(
        valid,
        field,
        "is no key: write letters, digits, '-', '_' and '.'",
    );
}

/// A host name; `*` may stand for the first part where `wildcard` is allowed.
pub(super) fn host(field: &str, host: &str, faults: &mut Faults) {
    let plain = host.strip_prefix("*.").unwrap_or(host);
    faults.unless(
        is_subdomain(plain),
        field,
        "is no host name: write one such as erp.example.com, without a scheme, port or path",
    );
}

/// Keys and values of labels; those under `app.kubernetes.io` are the operator's.
pub(super) fn labels(field: &str, labels: &BTreeMap<String, String>, faults: &mut Faults) {
    for (key, value) in labels {
        let at = format!("{field}[{key}]");
        if !is_qualified(key) {
            faults.add(
                at,
                "is no key of a label: write one such as release or example.com/team",
            );
        } else if is_reserved(key) {
            faults.add(at, "is written by the operator: choose another key");
        } else if !is_label_value(value) {
            faults.add(
                at,
                "has no value for a label: write at most 63 letters, digits, '-', '_' and '.'",
            );
        }
    }
}

/// Keys of annotations.
pub(super) fn annotations(
    field: &str,
    annotations: &BTreeMap<String, String>,
    faults: &mut Faults,
) {
    for key in annotations.keys() {
        let at = format!("{field}[{key}]");
        if !is_qualified(&key.to_ascii_lowercase()) {
            faults.add(
                at,
                "is no key of an annotation: write one such as example.com/name",
            );
        } else if is_reserved(key) {
            faults.add(at, "is written by the operator: choose another key");
        }
    }
}

fn is_reserved(key: &str) -> bool {
    key.starts_with("app.kubernetes.io/") || key.starts_with("erpgo.io/")
}

fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        None => is_qualified_name(key),
        Some((prefix, name)) => is_subdomain(prefix) && is_qualified_name(name),
    }
}

fn is_qualified_name(name: &str) -> bool {
    !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    value.is_empty()
        || value.len() <= 63
            && value.starts_with(|c: char| c.is_ascii_alphanumeric())
            && value.ends_with(|c: char| c.is_ascii_alphanumeric())
            && value.chars().all(inner)
}
