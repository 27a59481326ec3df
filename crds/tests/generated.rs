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
