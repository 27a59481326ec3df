//! Claims that are missing, wrong, of another type or there twice, under a signature that is right.

use serde_json::json;

use super::Forgeries;
use super::genuine::Genuine;

pub(super) fn claims(genuine: &Genuine) -> Forgeries {
    let header = genuine.header.to_string();
    let exp = &genuine.claims["exp"];
    let table = [
        (
            "aud",
            json!([
                "erpgo-refresh",
                "other",
                "ERPGO-API",
                "erpgo-api ",
                "",
                null,
                1,
                {},
                [],
                ["erpgo-refresh"],
                ["erpgo-api"]
            ]),
        ),
        (
            "iss",
            json!(["other", "ERPGO", "erpgo ", "", null, 1, {}, [], ["erpgo"]]),
        ),
        (
            "exp",
            json!([
                "tomorrow",
                exp.to_string(),
                null,
                true,
                [],
                {},
                [exp],
                1e300,
                "Infinity"
            ]),
        ),
        (
            "sub",
            json!([
                null,
                1,
                "",
                "admin",
                "*",
                [],
                {},
                [genuine.claims["sub"]],
                "' OR 1=1 --"
            ]),
        ),
        ("sid", json!([null, 1, "", "x", [], {}])),
        ("jti", json!([null, 1, "", "x", [], {}])),
        ("iat", json!([null, "now", [], {}, true])),
        ("nbf", json!([9_999_999_999_i64])),
    ];
    let mut found = Vec::new();
    for (name, values) in table {
        for value in values.as_array().unwrap() {
            found.push((
                format!("{name} {value}"),
                genuine.with_claim(name, value.clone()),
            ));
        }
        if name != "nbf" {
            let mut less = genuine.claims.clone();
            less.as_object_mut().unwrap().remove(name);
            found.push((
                format!("no {name}"),
                genuine.signed(&header, &less.to_string()),
            ));
        }
    }
    let body = genuine.claims.to_string();
    let inner = body.trim_start_matches('{').trim_end_matches('}');
    for name in ["sub", "aud", "exp", "iss", "sid"] {
        let twice = format!(r#"{{"{name}":{},{inner}}}"#, genuine.claims[name]);
        found.push((format!("{name} twice"), genuine.signed(&header, &twice)));
        let other = format!(r#"{{{inner},"{name}":"other"}}"#);
        found.push((
            format!("{name} and another {name}"),
            genuine.signed(&header, &other),
        ));
    }
    for text in ["{}", "null", "[]", "\"x\"", "", "{", &format!("{body}{{}}")] {
        found.push((format!("claims {text}"), genuine.signed(&header, text)));
    }
    found
}
