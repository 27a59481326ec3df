//! What the schema of a definition bounds.
//!
//! Owns [`bounded`]. What comes of a bound is for each test to say.

use std::collections::BTreeMap;

use serde_json::Value;

/// The least and the most of each number that `schema` bounds at both ends, by its place below `schema`, such
/// as `database.pool.maxConnections`. What stands in a list or a map is not looked for.
#[must_use]
pub fn bounded(schema: &Value) -> BTreeMap<String, [i64; 2]> {
    let mut found = BTreeMap::new();
    walk("", schema, &mut found);
    found
}

fn walk(place: &str, schema: &Value, found: &mut BTreeMap<String, [i64; 2]>) {
    let ends = ["minimum", "maximum"].map(|end| schema[end].as_f64());
    if let [Some(least), Some(most)] = ends {
        found.insert(place.to_owned(), [least as i64, most as i64]);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let separator = if place.is_empty() { "" } else { "." };
        walk(&format!("{place}{separator}{name}"), property, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_with_both_bounds_are_found_at_any_depth_and_nothing_else_is() {
        let schema = json!({"properties": {
            "replicas": {"type": "integer", "minimum": 0.0, "maximum": 100.0},
            "port": {"type": "integer", "minimum": 1},
            "count": {"type": "integer"},
            "name": {"type": "string", "maxLength": 9},
            "pool": {"properties": {"size": {"type": "integer", "minimum": -1, "maximum": 2}}},
        }});
        let expected = [
            ("pool.size".to_owned(), [-1, 2]),
            ("replicas".to_owned(), [0, 100]),
        ];
        assert_eq!(bounded(&schema), BTreeMap::from(expected));
    }
}
