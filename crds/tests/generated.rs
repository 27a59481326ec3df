//! The committed definition is the one that the types generate.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use std::path::Path;

#[test]
fn the_committed_crd_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("erpgo.io_erpgos.yaml");
    let generated = erpgo_crds::crd_yaml().unwrap();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    similar_asserts::assert_eq!(
        committed,
        generated,
        "run `make generate` and commit the result"
    );
}

#[test]
fn no_reference_can_name_a_namespace() {
    let schema = serde_json::to_value(erpgo_crds::crd()).unwrap();
    let spec = &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut found = Vec::new();
    namespaces("spec", spec, &mut found);
    // Vault's own namespaces are no Kubernetes namespaces.
    assert_eq!(found, ["spec.secrets.backend.vault.namespace"]);
}

fn namespaces(path: &str, schema: &serde_json::Value, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        namespaces(&path, property, found);
        namespaces(&path, &property["items"], found);
        if name.to_lowercase().contains("namespace") {
            found.push(path);
        }
    }
}

#[test]
fn every_field_of_the_spec_is_described() {
    let schema = serde_json::to_value(erpgo_crds::crd()).unwrap();
    let root = &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut bare = Vec::new();
    undescribed("", root, &mut bare);
    bare.retain(|path| path.starts_with(".spec") || path.starts_with(".status"));
    assert_eq!(bare, Vec::<String>::new());
}

fn undescribed(path: &str, schema: &serde_json::Value, bare: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if property["description"].as_str().is_none_or(str::is_empty) {
            bare.push(path.clone());
        }
        undescribed(&path, property, bare);
        undescribed(&path, &property["items"], bare);
    }
}

/// What a number counts; each description of one has at least one of these.
const UNITS: [&str; 15] = [
    "second",
    "milliseconds",
    "minute",
    "hours",
    "days",
    "percent",
    "bytes",
    "pods",
    "connections",
    "port",
    "requests",
    "attempts",
    "failures",
    "retries",
    "logins",
];

#[test]
fn every_field_of_the_spec_tells_its_default_its_unit_and_what_a_change_does() {
    let schema = serde_json::to_value(erpgo_crds::crd()).unwrap();
    let spec = &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut silent = Vec::new();
    fields("spec", spec, &mut |path, required, field| {
        silent.extend(unsaid(required, field).map(|what| format!("{path}: {what}")));
    });
    assert_eq!(silent, Vec::<String>::new());
}

fn fields(
    path: &str,
    schema: &serde_json::Value,
    look: &mut impl FnMut(&str, bool, &serde_json::Value),
) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        look(&path, required.contains(&name.as_str()), property);
        fields(&path, property, look);
        fields(&format!("{path}[]"), &property["items"], look);
    }
}

/// What a person would look for in the description of `field` and not find.
fn unsaid(
    required: bool,
    field: &serde_json::Value,
) -> impl Iterator<Item = &'static str> + use<'_> {
    let text = field["description"].as_str().unwrap_or_default();
    // Where a line ends means nothing.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let default = match &field["default"] {
        serde_json::Value::String(default) => text.contains(&format!("Default `{default}`")),
        default @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_)) => {
            text.contains(&format!("Default {default}"))
        }
        _ if required => text.contains("Required."),
        _ => text.contains("Default"),
    };
    let lower = text.to_lowercase();
    let unit = field["type"] != "integer" || UNITS.iter().any(|unit| lower.contains(unit));
    let change = lower.contains("change");
    let all = [
        (default, "its default, or `Required.`"),
        (unit, "its unit"),
        (change, "what a change does"),
    ];
    all.into_iter()
        .filter(|(said, _)| !said)
        .map(|(_, what)| what)
}

#[test]
fn a_field_that_says_too_little_is_found() {
    let field = |text: &str, default: serde_json::Value| serde_json::json!({"type": "integer", "default": default, "description": text});
    let found = |required, field| unsaid(required, &field).count();
    let good = "Seconds, 1 to 9. Default 5. A change rolls the pods.";
    assert_eq!(found(false, field(good, 5.into())), 0);
    assert_eq!(found(false, field(good, 6.into())), 1, "another default");
    assert_eq!(found(true, field(good, serde_json::Value::Null)), 1);
    assert_eq!(found(false, field("How long.", 5.into())), 3);
}
