//! What the API takes up while it runs can be set in an `ErpGo`, under the names that the API's guide
//! gives, and so can what rolls the pods. That the API knows them is for its own tests to say, by the
//! same tables.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use std::collections::{BTreeMap, BTreeSet};

use erpgo_crds::ErpGo;
use serde_json::{Value, json};
use situation::{example, planned, succeeded};

const GUIDE: &str = include_str!("../../docs/guides/api.md");
const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/settings";

/// Chapter of what running pods take up.
const RELOADED: &str = "What changes while it runs";
/// Chapter of what rolls them.
const STARTED_WITH: &str = "What rolls the pods";

/// Keys of the API, each with the field of `spec.settings` that `chapter` of the guide names beside it.
fn pairs(chapter: &str) -> Vec<(&'static str, &'static str)> {
    let mut chapters = GUIDE.split("\n## ");
    let chapter = chapters.find(|text| text.starts_with(chapter)).unwrap();
    let rows = chapter.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let mut cells = row.split('|').skip(1).map(quoted);
        let (keys, fields) = (cells.next().unwrap(), cells.next().unwrap());
        assert_eq!(keys.len(), fields.len(), "{row}");
        keys.into_iter().zip(fields)
    })
    .collect()
}

fn quoted(cell: &'static str) -> Vec<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Another value than the default.
fn other(key: &str) -> Value {
    match key {
        "log.level" => json!("debug"),
        "features.docs" => json!(false),
        _ => json!(7),
    }
}

/// A value of what rolls the pods, and how they are told.
fn told(key: &str) -> (Value, &'static str) {
    match key {
        "cors.allowed_origins" => (
            json!(["https://a.example", "https://b.example"]),
            "https://a.example,https://b.example",
        ),
        "http.trusted_proxies" => (json!(["10.244.0.0/16", "::1"]), "10.244.0.0/16,::1"),
        "http.hsts" => (json!(false), "false"),
        "http.request_timeout" => (json!(7), "7s"),
        _ => (json!(2048), "2048"),
    }
}

/// The smallest example, with these fields of `spec.settings`.
fn shop(fields: &[(&str, Value)]) -> ErpGo {
    let mut settings = json!({});
    for (field, value) in fields {
        let mut place = &mut settings;
        for name in field.split('.') {
            place = &mut place[name];
        }
        *place = value.clone();
    }
    let mut erpgo = example("minimal");
    erpgo.spec.settings = serde_json::from_value(settings).unwrap();
    erpgo
}

/// What `config.yaml` then says, by the API's keys.
fn rendered(fields: &[(&str, Value)]) -> BTreeMap<String, Value> {
    let erpgo = shop(fields);
    let desired = planned(&erpgo, &succeeded(&erpgo)).desired.unwrap();
    let file = &desired.config_map.data.unwrap()["config.yaml"];
    let sections: BTreeMap<String, BTreeMap<String, Value>> = serde_saphyr::from_str(file).unwrap();
    let of_section = |(section, keys): (String, BTreeMap<String, Value>)| {
        let named = move |(key, value)| (format!("{section}.{key}"), value);
        keys.into_iter().map(named)
    };
    sections.into_iter().flat_map(of_section).collect()
}

/// What the API then has in its environment.
fn environment(fields: &[(&str, Value)]) -> BTreeMap<String, String> {
    let erpgo = shop(fields);
    let desired = planned(&erpgo, &succeeded(&erpgo)).desired.unwrap();
    let spec = desired.deployment.unwrap().spec.unwrap();
    let mut containers = spec.template.spec.unwrap().containers.into_iter();
    let app = containers.find(|container| container.name == "app");
    let variables = app.unwrap().env.unwrap().into_iter();
    variables
        .map(|variable| (variable.name, variable.value.unwrap()))
        .collect()
}

/// The fields of `spec.settings` that hold a value.
fn fields() -> BTreeSet<String> {
    let definition = serde_json::to_value(erpgo_crds::crd()).unwrap();
    let mut found = BTreeSet::new();
    leaves("", definition.pointer(SCHEMA).unwrap(), &mut found);
    found
}

fn leaves(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    let Some(properties) = schema["properties"].as_object() else {
        found.insert(path.to_owned());
        return;
    };
    for (name, property) in properties {
        let separator = if path.is_empty() { "" } else { "." };
        leaves(&format!("{path}{separator}{name}"), property, found);
    }
}

#[test]
fn r15_4_each_field_sets_its_own_key_and_no_other() {
    let before = rendered(&[]);
    for (key, field) in pairs(RELOADED) {
        let mut after = before.clone();
        after.insert(key.to_owned(), other(key));
        assert_ne!(after, before, "{key}");
        assert_eq!(rendered(&[(field, other(key))]), after, "{field}");
    }
}

#[test]
fn r15_4_the_file_has_every_key_of_the_guide_and_none_that_is_not_there() {
    let pairs = pairs(RELOADED);
    let set = pairs.iter().map(|&(key, field)| (field, other(key)));
    let set: Vec<_> = set.collect();
    let keys = pairs.iter().map(|&(key, _)| (key.to_owned(), other(key)));
    let keys: BTreeMap<_, _> = keys.collect();
    assert_eq!(rendered(&set), keys);
}

#[test]
fn each_field_that_rolls_the_pods_sets_its_own_variable_and_no_other() {
    let (before, file) = (environment(&[]), rendered(&[]));
    for (key, field) in pairs(STARTED_WITH) {
        let (value, text) = told(key);
        let set = [(field, value)];
        let name = format!("ERPGO_{}", key.replace('.', "__").to_uppercase());
        let mut after = before.clone();
        assert_eq!(after.insert(name, text.to_owned()), None, "{key}");
        assert_eq!(environment(&set), after, "{field}");
        assert_eq!(rendered(&set), file, "{field}");
    }
}

#[test]
fn the_guide_names_every_field_in_the_chapter_of_what_its_change_does() {
    let named = |chapter| -> BTreeSet<String> {
        let fields = pairs(chapter).into_iter().map(|(_, field)| field);
        fields.map(str::to_owned).collect()
    };
    let rolls = |field: &String| field.starts_with("cors.") || field.starts_with("http.");
    let (rolling, taken_up): (BTreeSet<_>, BTreeSet<_>) = fields().into_iter().partition(rolls);
    assert_eq!(named(RELOADED), taken_up);
    assert_eq!(named(STARTED_WITH), rolling);
    assert_eq!(rolling.len(), 6);
}
