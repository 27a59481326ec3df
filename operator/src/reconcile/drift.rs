//! Whether a live object already is what is wanted.
//!
//! Owns [`covers`]: every field that is wanted is live with the same value; what else is live belongs
//! to others and is left alone (I-07), except in a selector, which is one value. Together with the
//! hash of what was last applied, which tells of fields that are wanted no more, it decides that
//! nothing need be written (I-05). Pure.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Annotation with the hash of what was applied last.
pub const APPLIED_HASH: &str = "erpgo.io/applied-hash";

/// Hash of a wanted object.
#[must_use]
pub fn hash(desired: &Value) -> String {
    let digest = Sha256::digest(desired.to_string().as_bytes());
    hex::encode(digest.get(..8).unwrap_or_default())
}

/// Whether all of `desired` is in `live`.
#[must_use]
pub fn covers(live: &Value, desired: &Value) -> bool {
    covers_at("", live, desired)
}

fn covers_at(field: &str, live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(desired)) if is_whole(field) => {
            covers_object(live, desired) && covers_object(desired, live)
        }
        (Value::Object(live), Value::Object(desired)) => covers_object(live, desired),
        (Value::Array(live), Value::Array(desired)) => covers_list(field, live, desired),
        (Value::Null, Value::Object(desired)) => desired.values().all(is_empty),
        (Value::Null, Value::Array(desired)) => desired.is_empty(),
        (Value::Number(live), Value::Number(desired)) => live.as_f64() == desired.as_f64(),
        (Value::String(live), Value::String(desired)) => {
            live == desired || same_amount(live, desired)
        }
        (live, desired) => live == desired,
    }
}

fn is_empty(value: &Value) -> bool {
    covers_at("", &Value::Null, value)
}

fn covers_object(live: &Map<String, Value>, desired: &Map<String, Value>) -> bool {
    desired.iter().all(|(field, wanted)| {
        let found = live.get(field).unwrap_or(&Value::Null);
        covers_at(field, found, wanted)
    })
}

fn covers_list(field: &str, live: &[Value], desired: &[Value]) -> bool {
    let Some(key) = merge_key(field, desired) else {
        let pairs = live.iter().zip(desired);
        return live.len() == desired.len() && pairs.into_iter().all(|(l, d)| covers_at("", l, d));
    };
    desired.iter().all(|wanted| {
        let same = |found: &&Value| found.get(key) == wanted.get(key);
        live.iter()
            .find(same)
            .is_some_and(|found| covers_at("", found, wanted))
    })
}

// What selects is one value: with an entry more it selects something else.
fn is_whole(field: &str) -> bool {
    [
        "selector",
        "podSelector",
        "namespaceSelector",
        "labelSelector",
    ]
    .contains(&field)
}

// Lists to which others may add entries; each is merged by key. All other lists are ours entirely:
// an extra subject in a RoleBinding or an extra rule in a NetworkPolicy is drift.
fn merge_key(field: &str, desired: &[Value]) -> Option<&'static str> {
    match field {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "ownerReferences" => Some("uid"),
        "topologySpreadConstraints" => Some("topologyKey"),
        "ports"
            if desired
                .iter()
                .all(|port| port.get("containerPort").is_some()) =>
        {
            Some("containerPort")
        }
        // Of a Service; those of a NetworkPolicy have no target.
        "ports" if desired.iter().all(|port| port.get("targetPort").is_some()) => Some("port"),
        // Of a PrometheusRule.
        "groups" => Some("name"),
        _ => None,
    }
}

// The server writes 1000m as 1 and 1024Mi as 1Gi.
fn same_amount(live: &str, desired: &str) -> bool {
    amount(live).is_some_and(|live| amount(desired) == Some(live))
}

fn amount(text: &str) -> Option<i128> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, suffix) = text.split_at(digits.unwrap_or(text.len()));
    let thousandths = thousandths(number)?;
    let factor = match suffix {
        "m" => return Some(thousandths / 1000),
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    thousandths.checked_mul(factor)
}

fn thousandths(number: &str) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 3 {
        return None;
    }
    let padded = format!("{whole}{fraction:0<3}");
    padded.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_others_added_is_no_drift() {
        let live = json!({"metadata": {"labels": {"a": "1", "team": "x"}},
            "spec": {"replicas": 7, "template": {"spec": {"containers": [
                {"name": "injected", "image": "mesh"},
                {"name": "app", "image": "erpgo", "terminationMessagePath": "/dev/termination-log"}]}}}});
        let desired = json!({"metadata": {"labels": {"a": "1"}},
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "erpgo"}]}}}});
        assert!(covers(&live, &desired));
    }

    #[test]
    fn a_changed_or_missing_value_is_drift() {
        let desired = json!({"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}});
        for live in [
            json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}}),
            json!({"spec": {"type": "ClusterIP", "ports": [{"port": 80}, {"port": 81}]}}),
            json!({"spec": {"type": "ClusterIP"}}),
            json!({}),
        ] {
            assert!(!covers(&live, &desired), "{live}");
        }
    }

    #[test]
    fn an_extra_subject_is_drift() {
        let desired = json!({"subjects": [{"kind": "ServiceAccount", "name": "shop"}]});
        let live = json!({"subjects": [{"kind": "ServiceAccount", "name": "shop"}, {"kind": "User", "name": "eve"}]});
        assert!(!covers(&live, &desired));
    }

    #[test]
    fn a_selector_with_an_entry_more_is_drift_wherever_it_is() {
        let chosen = json!({"matchLabels": {"app": "erpgo"}});
        let narrowed = json!({"matchLabels": {"app": "erpgo", "of": "eve"}});
        let expressed = json!({"matchLabels": {"app": "erpgo"},
            "matchExpressions": [{"key": "of", "operator": "Exists"}]});
        for field in ["selector", "podSelector", "labelSelector"] {
            let desired = json!({"spec": {field: chosen}});
            assert!(covers(&desired, &desired));
            for live in [&narrowed, &expressed] {
                assert!(!covers(&json!({"spec": {field: live}}), &desired), "{live}");
            }
        }
        let service = json!({"spec": {"selector": {"app": "erpgo"}}});
        let stolen = json!({"spec": {"selector": {"app": "erpgo", "of": "eve"}}});
        assert!(!covers(&stolen, &service));
    }

    #[test]
    fn entries_that_server_side_apply_leaves_to_others_are_no_drift() {
        let ours = json!({"ports": [{"port": 80, "targetPort": "http"}],
            "groups": [{"name": "erpgo-shop", "rules": []}]});
        let live = json!({"ports": [{"port": 81, "targetPort": 81}, {"port": 80, "targetPort": "http"}],
            "groups": [{"name": "theirs"}, {"name": "erpgo-shop", "rules": []}]});
        assert!(covers(&live, &ours));
        let policy = json!({"ports": [{"port": 8080}]});
        assert!(!covers(
            &json!({"ports": [{"port": 8080}, {"port": 22}]}),
            &policy
        ));
    }

    #[test]
    fn amounts_are_compared_by_worth() {
        for (live, desired) in [
            ("1", "1000m"),
            ("1Gi", "1024Mi"),
            ("500m", "0.5"),
            ("2k", "2000"),
        ] {
            assert!(covers(&json!(live), &json!(desired)), "{live} {desired}");
        }
        for (live, desired) in [
            ("1", "1001m"),
            ("1G", "1Gi"),
            ("a", "b"),
            ("", "0"),
            ("v1", "v1000m"),
        ] {
            assert!(!covers(&json!(live), &json!(desired)), "{live} {desired}");
        }
    }

    #[test]
    fn empty_and_absent_are_the_same() {
        assert!(covers(
            &json!({}),
            &json!({"a": null, "b": {}, "c": [], "d": {"e": {}}})
        ));
        assert!(!covers(&json!({}), &json!({"b": {"x": 0}})));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-e]", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn everything_covers_itself(value in value()) {
            prop_assert!(covers(&value, &value));
        }

        #[test]
        fn additions_beside_the_wanted_fields_never_count(value in value(), extra in value()) {
            let mut live = json!({"wanted": value});
            let desired = live.clone();
            live["extra"] = extra;
            prop_assert!(covers(&live, &desired));
        }

        #[test]
        fn a_field_that_is_wanted_no_more_changes_the_hash(value in value()) {
            let less = json!({"kept": 1});
            let more = json!({"kept": 1, "dropped": value});
            prop_assert!(covers(&more, &less));
            prop_assert_ne!(hash(&more), hash(&less));
        }
    }
}
