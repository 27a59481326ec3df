//! Argo CD's health check, run by the Lua 5.1 that Argo CD speaks.

use mlua::{Lua, LuaOptions, LuaSerdeExt as _, SerializeOptions, StdLib};
use serde_json::Value;

use super::tree::{committed, path, read};

const HOME: &str = "manifests/argocd";

fn health(object: &Value) -> Value {
    // Argo CD opens the base library and tables alone.
    let lua = Lua::new_with(StdLib::TABLE, LuaOptions::default()).unwrap();
    let options = SerializeOptions::new().serialize_none_to_null(false);
    let object = lua.to_value_with(object, options).unwrap();
    lua.globals().set("obj", object).unwrap();
    let answer = lua
        .load(read(&format!("{HOME}/health.lua")))
        .eval()
        .unwrap();
    lua.from_value(answer).unwrap()
}

fn cases() -> Vec<(String, Value)> {
    let file: Value = serde_saphyr::from_str(&read(&format!("{HOME}/health_test.yaml"))).unwrap();
    let cases = file["tests"].as_array().unwrap().iter();
    cases
        .map(|case| {
            let input = case["inputPath"].as_str().unwrap().to_owned();
            (input, case["healthStatus"].clone())
        })
        .collect()
}

#[test]
fn each_fixture_has_its_health() {
    for (input, wanted) in cases() {
        let object: Value = serde_saphyr::from_str(&read(&format!("{HOME}/{input}"))).unwrap();
        assert_eq!(health(&object), wanted, "{input}");
    }
}

#[test]
fn each_fixture_is_an_erpgo_and_a_case() {
    let named: Vec<String> = cases().into_iter().map(|(input, _)| input).collect();
    let mut files = 0;
    for entry in std::fs::read_dir(path(&format!("{HOME}/fixtures"))).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = read(&format!("{HOME}/fixtures/{name}"));
        serde_saphyr::from_str::<erpgo_crds::ErpGo>(&text)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            named.contains(&format!("fixtures/{name}")),
            "{name} is no case"
        );
        files += 1;
    }
    assert_eq!(files, named.len());
}

#[test]
fn every_state_of_argo_cd_that_is_promised_occurs() {
    let states: std::collections::BTreeSet<String> = cases()
        .iter()
        .map(|(_, wanted)| wanted["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        states.into_iter().collect::<Vec<_>>(),
        ["Degraded", "Healthy", "Progressing", "Suspended"]
    );
}

#[test]
fn the_config_map_patch_holds_the_very_script() {
    let script = read(&format!("{HOME}/health.lua"));
    let indented: Vec<String> = script
        .lines()
        .map(|line| format!("    {line}").trim_end().to_owned())
        .collect();
    let text = format!(
        "# Generated from health.lua; `make generate` writes it.\ndata:\n  \
         application.resourceTrackingMethod: annotation\n  \
         resource.customizations.health.erpgo.io_ErpGo: |\n{}\n",
        indented.join("\n")
    );
    committed(&format!("{HOME}/argocd-cm.yaml"), &text);
    let patch: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(
        patch["data"]["resource.customizations.health.erpgo.io_ErpGo"],
        script
    );
}

#[test]
fn the_crd_has_no_field_that_argo_cd_would_see_come_back() {
    // The API server drops empty lists and false flags, and every sync would differ.
    fn empty(at: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => {
                if items.is_empty() {
                    found.push(at.to_owned());
                }
                for item in items {
                    empty(at, item, found);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    let at = format!("{at}.{name}");
                    if (name == "deprecated" || name == "nullable") && field == false {
                        found.push(at.clone());
                    }
                    // A default is kept as it is written.
                    if name != "default" {
                        empty(&at, field, found);
                    }
                }
            }
            _ => {}
        }
    }
    let crd: Value = serde_saphyr::from_str(&read("crds/erpgo.io_erpgos.yaml")).unwrap();
    let mut found = Vec::new();
    empty("", &crd, &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert!(crd["status"].is_null());
}
