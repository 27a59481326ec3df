//! The Grafana dashboards that the chart ships; the app's tests run their queries.

use serde_json::Value;

use super::chart::{CHART, template};
use super::tree::{documents, read};

const NAMES: [&str; 4] = ["authentication", "cache", "database", "overview"];

fn config_maps(set: &str) -> Vec<Value> {
    let all = documents(&template(&["--set", set]).unwrap());
    all.into_iter()
        .filter(|object| object["kind"] == "ConfigMap")
        .collect()
}

#[test]
fn each_dashboard_is_a_config_map_that_grafana_finds_as_it_is_in_the_repository() {
    let maps = config_maps("dashboards.enabled=true,dashboards.labels.team=shop");
    assert_eq!(maps.len(), NAMES.len());
    for (map, name) in maps.iter().zip(NAMES) {
        assert_eq!(
            map["metadata"]["name"],
            format!("erpgo-operator-dashboard-{name}")
        );
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
        assert_eq!(map["metadata"]["labels"]["team"], "shop");
        let file = format!("{name}.json");
        let shipped = map["data"][&file].as_str().unwrap();
        assert_eq!(shipped, read(&format!("{CHART}/dashboards/{file}")));
        let dashboard: Value = serde_json::from_str(shipped).unwrap();
        assert_eq!(dashboard["uid"], format!("erpgo-{name}"));
        assert!(dashboard["panels"].as_array().unwrap().len() >= 8, "{name}");
    }
}

#[test]
fn without_being_asked_for_there_are_none() {
    assert_eq!(config_maps("dashboards.enabled=false").len(), 0);
    assert_eq!(config_maps("replicas=1").len(), 0);
}

#[test]
fn panels_lie_side_by_side_and_choose_namespace_and_installation() {
    for name in NAMES {
        let text = read(&format!("{CHART}/dashboards/{name}.json"));
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        let edges = |panel: &Value| {
            let place = &panel["gridPos"];
            let at = |key: &str| place[key].as_u64().unwrap();
            (at("x"), at("y"), at("x") + at("w"), at("y") + at("h"))
        };
        for (index, panel) in panels.iter().enumerate() {
            let (left, top, right, bottom) = edges(panel);
            assert!(right <= 24, "{name}: {}", panel["title"]);
            for other in &panels[..index] {
                let (x, y, to_x, to_y) = edges(other);
                let apart = right <= x || to_x <= left || bottom <= y || to_y <= top;
                assert!(
                    apart,
                    "{name}: {} lies on {}",
                    panel["title"], other["title"]
                );
            }
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap();
                let chosen = query.contains("namespace=~\"$namespace\", erpgo=~\"$erpgo\"");
                assert!(chosen, "{name}: {query}");
            }
        }
    }
}
