//! What a schema says of a value.
//!
//! Read strictly: a field that is not listed is a fault, and so is a keyword or a format that this reader
//! does not know.

use regex::Regex;
use serde_json::Value;

use super::unless;

/// Whether `value` is what `schema` says, field by field.
pub(super) fn fits(
    document: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
) -> Result<(), String> {
    let place = Place {
        document,
        value,
        at,
    };
    place.fits(schema)
}

/// A value, and where it stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    document: &'a Value,
    value: &'a Value,
    at: &'a str,
}

impl Place<'_> {
    fn fits(&self, schema: &Value) -> Result<(), String> {
        let mut listed = Vec::new();
        let is_closed = self.parts(schema, &mut listed)?;
        let (Some(fields), true) = (self.value.as_object(), is_closed) else {
            return Ok(());
        };
        match fields.keys().find(|name| !listed.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(format!("{}/{name} is not documented", self.at)),
        }
    }

    /// Checks `schema` without asking for unlisted fields, which parts of an `allOf` leave to each other;
    /// true when the fields are all listed in `listed`.
    fn parts(&self, schema: &Value, listed: &mut Vec<String>) -> Result<bool, String> {
        let is_open = *schema != Value::Bool(false);
        self.unless(is_open, "is not to be there")?;
        let mut is_closed = false;
        for (keyword, rule) in schema.as_object().into_iter().flatten() {
            is_closed |= match keyword.as_str() {
                "$ref" => self.parts(self.referred(rule)?, listed)?,
                "allOf" => self.all_of(rule, listed)?,
                "properties" => self.properties(rule, listed)?,
                "additionalProperties" => self.additional(schema, rule, listed)?,
                other => self.plain(other, rule).map(|()| false)?,
            };
        }
        Ok(is_closed)
    }

    fn referred(&self, reference: &Value) -> Result<&Value, String> {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
        let target = pointer.and_then(|pointer| self.document.pointer(pointer));
        target.ok_or_else(|| format!("{reference} leads nowhere"))
    }

    fn all_of(&self, rule: &Value, listed: &mut Vec<String>) -> Result<bool, String> {
        let mut is_closed = false;
        for rule in rule.as_array().into_iter().flatten() {
            is_closed |= self.parts(rule, listed)?;
        }
        Ok(is_closed)
    }

    fn properties(&self, rule: &Value, listed: &mut Vec<String>) -> Result<bool, String> {
        for (name, rule) in rule.as_object().into_iter().flatten() {
            listed.push(name.clone());
            if let Some(value) = self.value.get(name) {
                self.below(rule, value, name)?;
            }
        }
        Ok(true)
    }

    /// What `schema` leaves to any name beside its properties is listed by it.
    fn additional(
        &self,
        schema: &Value,
        rule: &Value,
        listed: &mut Vec<String>,
    ) -> Result<bool, String> {
        if *rule == Value::Bool(false) {
            return Ok(true);
        }
        let properties = &schema["properties"];
        let all = self.value.as_object().into_iter().flatten();
        for (name, value) in all.filter(|(name, _)| properties.get(name).is_none()) {
            listed.push(name.clone());
            self.below(rule, value, name)?;
        }
        Ok(false)
    }

    fn below(&self, rule: &Value, value: &Value, name: &str) -> Result<(), String> {
        let at = format!("{}/{name}", self.at);
        fits(self.document, rule, value, &at)
    }

    /// The keywords that list no fields.
    fn plain(&self, keyword: &str, rule: &Value) -> Result<(), String> {
        match keyword {
            "items" => self.items(rule),
            "oneOf" | "anyOf" => self.alternatives(keyword == "oneOf", rule),
            "required" => self.required(rule),
            "propertyNames" => self.names(rule),
            "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" => {
                self.bound(keyword, rule)
            }
            "type" => self.of_type(rule),
            "enum" => {
                let is_one = rule.as_array().is_some_and(|all| all.contains(self.value));
                self.unless(is_one, "is not in the enum")
            }
            "const" => self.unless(rule == self.value, "is not the constant"),
            "format" => self.format(rule.as_str().unwrap_or_default()),
            "pattern" => self.pattern(rule.as_str().unwrap_or_default()),
            // Free of rules for an answer.
            "description" | "example" | "examples" | "default" | "title" | "deprecated" => Ok(()),
            other => Err(format!(
                "{}: the keyword {other} is not understood here",
                self.at
            )),
        }
    }

    fn items(&self, rule: &Value) -> Result<(), String> {
        let mut all = self.value.as_array().into_iter().flatten().enumerate();
        all.try_for_each(|(index, value)| self.below(rule, value, &index.to_string()))
    }

    fn alternatives(&self, is_one: bool, rule: &Value) -> Result<(), String> {
        let all = rule.as_array().into_iter().flatten();
        let fitting = all.filter(|rule| self.fits(rule).is_ok()).count();
        let is_good = fitting == 1 || !is_one && fitting > 1;
        self.unless(is_good, "fits none of the alternatives, or several")
    }

    fn required(&self, rule: &Value) -> Result<(), String> {
        let mut names = rule.as_array().into_iter().flatten();
        let is_missing = |name: &&Value| {
            let name = name.as_str().unwrap_or_default();
            self.value.is_object() && self.value.get(name).is_none()
        };
        match names.find(is_missing) {
            None => Ok(()),
            Some(name) => Err(format!(
                "{} has no {}",
                self.at,
                name.as_str().unwrap_or_default()
            )),
        }
    }

    fn names(&self, rule: &Value) -> Result<(), String> {
        let mut names = self.value.as_object().into_iter().flatten();
        names.try_for_each(|(name, _)| self.below(rule, &Value::from(name.as_str()), name))
    }

    /// A bound says nothing of what it does not measure.
    fn bound(&self, keyword: &str, rule: &Value) -> Result<(), String> {
        let size = match keyword {
            "minimum" | "maximum" => self.value.as_f64(),
            "minLength" | "maxLength" => {
                self.value.as_str().map(|text| text.chars().count() as f64)
            }
            _ => self.value.as_array().map(|items| items.len() as f64),
        };
        let limit = rule.as_f64();
        let Some((size, limit)) = size.zip(limit) else {
            return self.unless(
                limit.is_some(),
                &format!("has a {keyword} that is no number"),
            );
        };
        let (is_good, fault) = match keyword.starts_with("min") {
            true => (size >= limit, "is too small, short or few"),
            false => (size <= limit, "is too large, long or many"),
        };
        self.unless(is_good, fault)
    }

    fn of_type(&self, rule: &Value) -> Result<(), String> {
        let value = self.value;
        let is = |kind: &&str| match *kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "number" => value.is_number(),
            "integer" => value.is_i64() || value.is_u64(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        };
        let kinds: Vec<_> = match rule {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect(),
        };
        let fault = format!("is no {}", kinds.join(" and no "));
        self.unless(kinds.iter().any(is), &fault)
    }

    fn format(&self, format: &str) -> Result<(), String> {
        let text = self.value.as_str();
        let is_good = match format {
            "uuid" => text.is_none_or(|text| text.parse::<uuid::Uuid>().is_ok()),
            "date-time" => text.is_none_or(|text| text.parse::<jiff::Timestamp>().is_ok()),
            "int32" => {
                let all = f64::from(i32::MIN)..=f64::from(i32::MAX);
                self.value
                    .as_f64()
                    .is_none_or(|number| all.contains(&number))
            }
            // Nothing that JSON does not say.
            "int64" | "double" | "password" => true,
            other => {
                return Err(format!(
                    "{}: the format {other} is not understood here",
                    self.at
                ));
            }
        };
        self.unless(is_good, &format!("is no {format}"))
    }

    /// One that fits anywhere in the text fits, unless it says where.
    fn pattern(&self, pattern: &str) -> Result<(), String> {
        let regex = Regex::new(pattern)
            .map_err(|error| format!("{}: the pattern is not understood: {error}", self.at))?;
        let is_good = self.value.as_str().is_none_or(|text| regex.is_match(text));
        self.unless(is_good, &format!("is not as {pattern}"))
    }

    fn unless(&self, good: bool, fault: &str) -> Result<(), String> {
        unless(good, &format!("{} {fault}", self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(schema: &Value, value: &Value) -> String {
        let document = json!({"parts": {"B": {"properties": {"b": {"type": "boolean"}}}}});
        let fitted = fits(&document, schema, value, "#");
        fitted.err().unwrap_or_default()
    }

    #[test]
    fn a_value_that_is_as_its_schema_says_is_no_fault_and_any_other_is() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "integer", "minimum": 1}, "b": {"type": ["string", "null"], "format": "uuid"}}});
        for (value, expected) in [
            (json!({"a": 1, "b": null}), ""),
            (json!({}), "has no a"),
            (json!({"a": "1"}), "#/a is no integer"),
            (json!({"a": 0}), "#/a is too small"),
            (json!({"a": 1, "b": "x"}), "#/b is no uuid"),
            (json!({"a": 1, "c": 1}), "#/c is not documented"),
            (json!([]), "is no object"),
        ] {
            let found = fault(&schema, &value);
            assert!(found.contains(expected), "{value}: {found}");
            assert_eq!(found.is_empty(), expected.is_empty(), "{value}: {found}");
        }
    }

    /// A value that each keyword lets pass, and one that it does not.
    #[test]
    fn every_keyword_is_held_against_a_value() {
        let cases = json!([
            [{"enum": ["a", 1]}, 1, "b"],
            [{"const": "a"}, "a", "b"],
            [{"maximum": 2}, 2, 3],
            [{"minLength": 2}, "éé", "é"],
            [{"maxLength": 2}, "éé", "ééé"],
            [{"minItems": 1}, [1], []],
            [{"maxItems": 1}, [1], [1, 1]],
            [{"pattern": "^[A-Z]{3}$"}, "EUR", "EURO"],
            [{"pattern": "[0-9]"}, "a1b", "ab"],
            [{"format": "date-time"}, "2026-01-01T00:00:00Z", "noon"],
            [{"format": "int32"}, 1, 4_294_967_296_i64],
            [{"items": {"type": "null"}}, [null], [1]],
            [{"propertyNames": {"maxLength": 1}}, {"a": 1}, {"ab": 1}],
            [{"additionalProperties": false}, {}, {"a": 1}],
            [{"additionalProperties": {"type": "null"}}, {"a": null}, {"a": 1}],
            [{"properties": {"a": {}}, "additionalProperties": {"type": "null"}}, {"a": 1, "b": null}, {"a": 1, "b": 1}],
            [{"properties": {"a": {"type": "null"}}, "additionalProperties": true}, {"a": null, "b": 1}, {"a": 1}],
            [{"properties": {"a": false}}, {}, {"a": null}],
            [{"items": false}, [], [1]],
            [{"oneOf": [{"type": "null"}, {"minimum": 1}]}, 1, 0],
            [{"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 1, 2],
            [{"anyOf": [{"maximum": 1}, {"minimum": 2}]}, 2, 1.5],
            [{"$ref": "#/parts/B"}, {"b": true}, {"b": 1}],
        ]);
        for case in cases.as_array().unwrap() {
            let [schema, good, bad] = [0, 1, 2].map(|n| &case[n]);
            assert_eq!(fault(schema, good), "", "{schema}");
            assert_ne!(fault(schema, bad), "", "{schema}");
        }
    }

    #[test]
    fn a_rule_says_nothing_of_what_it_does_not_measure() {
        let schema = json!({"minimum": 1, "maxLength": 1, "minItems": 1, "pattern": "x",
            "format": "uuid", "required": ["a"], "properties": {"a": {}}});
        assert_eq!(fault(&schema, &json!(true)), "");
    }

    #[test]
    fn parts_of_one_whole_leave_their_fields_to_each_other() {
        let schema = json!({"allOf": [{"$ref": "#/parts/B"}, {"properties": {"a": {}}}]});
        assert_eq!(fault(&schema, &json!({"a": 1, "b": true})), "");
        let found = fault(&schema, &json!({"a": 1, "c": 1}));
        assert_eq!(found, "#/c is not documented");
    }

    #[test]
    fn what_is_not_understood_is_a_fault_whatever_the_value() {
        for schema in [
            json!({"typ": "x"}),
            json!({"format": "colour"}),
            json!({"pattern": "("}),
            json!({"$ref": "#/parts/C"}),
            json!({"minimum": "x"}),
        ] {
            assert_ne!(fault(&schema, &json!("x")), "", "{schema}");
        }
    }
}
