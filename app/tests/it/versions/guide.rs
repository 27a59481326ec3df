//! The guide names what takes If-Match, and the document says what comes of leaving it out.

use std::collections::BTreeMap;

use serde_json::Value;

const GUIDE: &str = include_str!("../../../../docs/guides/api.md");

/// What takes If-Match, with the parameter as the document has it.
fn takers() -> BTreeMap<String, Value> {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let mut found = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut parameters = operation["parameters"].as_array().into_iter().flatten();
            if let Some(taken) = parameters.find(|parameter| parameter["name"] == "if-match") {
                let path = path.trim_start_matches("/api/v1");
                found.insert(format!("{} {path}", method.to_uppercase()), taken.clone());
            }
        }
    }
    found
}

/// The operations that a sentence names.
fn named(sentence: &str) -> Vec<String> {
    let quoted = sentence.split('`').skip(1).step_by(2);
    let operations = quoted.filter(|text| text.contains(" /"));
    let mut named: Vec<_> = operations.map(str::to_owned).collect();
    named.sort();
    named
}

/// Whoever relies on a condition that is ignored undoes what others did.
#[test]
fn the_guide_names_what_needs_if_match_what_takes_it_and_nothing_else() {
    let (_, text) = GUIDE.split_once("**No lost updates.**").unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentences: Vec<_> = text.split(". ").collect();
    let all = takers();
    let those = |required: bool| -> Vec<String> {
        let those = all
            .iter()
            .filter(|(_, taken)| taken["required"] == required);
        those.map(|(operation, _)| operation.clone()).collect()
    };
    assert_eq!(named(sentences[1]), those(true), "{}", sentences[1]);
    assert_eq!(named(sentences[2]), those(false), "{}", sentences[2]);
    assert_eq!((those(true).len(), those(false).len()), (2, 5));
}

#[test]
fn where_if_match_is_optional_the_document_says_what_comes_of_leaving_it_out() {
    for (operation, taken) in takers() {
        let says = taken["description"]
            .as_str()
            .unwrap()
            .contains("without it");
        assert_eq!(says, taken["required"] == false, "{operation}");
    }
}
