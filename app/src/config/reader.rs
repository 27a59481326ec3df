//! One tree of raw values in, typed settings out, every fault on the way noted.
//!
//! Owns [`Reader`]. Each read takes its key out of the tree; what is left at the end was asked for
//! by nobody and is therefore unknown.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use figment::value::{Dict, Value};

/// Raw values by dotted path, and the faults found so far.
pub(super) struct Reader {
    values: BTreeMap<String, Value>,
    known: Vec<&'static str>,
    faults: Vec<String>,
}

impl Reader {
    pub(super) fn new(tree: Dict) -> Self {
        let mut values = BTreeMap::new();
        flatten("", tree, &mut values);
        Self {
            values,
            known: Vec::new(),
            faults: Vec::new(),
        }
    }

    pub(super) fn fault(&mut self, key: &str, rule: impl Display) {
        self.faults.push(format!("{key} {rule}"));
    }

    /// Whether what was read of `key` is a default in place of what was set.
    pub(super) fn has_refused(&self, key: &str) -> bool {
        let fault = format!("{key} ");
        self.faults.iter().any(|text| text.starts_with(&fault))
    }

    /// Every fault, unknown keys included.
    pub(super) fn finish(mut self) -> Vec<String> {
        for key in self.values.keys() {
            let mut text = format!("{key} is not a setting");
            if let Some(near) = nearest(key, &self.known) {
                let _ = write!(text, "; did you mean {near}");
            }
            self.faults.push(text);
        }
        self.faults
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.values.remove(key)
    }

    fn take_text(&mut self, key: &'static str) -> Option<String> {
        let value = self.take(key)?;
        let text = scalar(&value);
        if text.is_none() {
            self.fault(key, "must be a single value");
        }
        text
    }

    pub(super) fn text(&mut self, key: &'static str, default: &str) -> String {
        let text = self.take_text(key).unwrap_or_else(|| default.to_owned());
        if text.trim().is_empty() {
            self.fault(key, "must not be empty");
        }
        text
    }

    pub(super) fn parsed<T>(&mut self, key: &'static str, default: &str, form: &str) -> T
    where
        T: FromStr + From<std::net::SocketAddr>,
    {
        let text = self.text(key, default);
        text.parse().unwrap_or_else(|_| {
            self.fault(key, format_args!("must be {form}"));
            T::from(std::net::SocketAddr::from(([0, 0, 0, 0], 0)))
        })
    }

    pub(super) fn optional<T: FromStr>(&mut self, key: &'static str, form: &str) -> Option<T> {
        let text = self.take_text(key).filter(|text| !text.is_empty())?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fault(key, format_args!("must be {form}"));
        }
        parsed
    }

    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        match self.take_text(key).as_deref() {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(_) => {
                self.fault(key, "must be true or false");
                default
            }
        }
    }

    pub(super) fn number<T>(&mut self, key: &'static str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let Some(text) = self.take_text(key) else {
            return default;
        };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (least, most) = (range.start(), range.end());
                self.fault(key, format_args!("must be a number from {least} to {most}"));
                default
            }
        }
    }

    /// Seconds: a bare number, or one with `ms`, `s`, `m`, `h` or `d` behind it.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default_seconds: u64,
        range_seconds: RangeInclusive<u64>,
    ) -> Duration {
        let default = Duration::from_secs(default_seconds);
        let Some(text) = self.take_text(key) else {
            return default;
        };
        let least = Duration::from_secs(*range_seconds.start());
        let most = Duration::from_secs(*range_seconds.end());
        match parse_duration(&text) {
            Some(duration) if duration >= least && duration <= most => duration,
            _ => {
                let rule = format!(
                    "must be a duration such as 30s or 15m, from {}s to {}s",
                    least.as_secs(),
                    most.as_secs()
                );
                self.fault(key, rule);
                default
            }
        }
    }

    /// A list, or one text with commas.
    pub(super) fn list<T: FromStr>(&mut self, key: &'static str, form: &str) -> Vec<T> {
        let items: Vec<String> = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(_, items)) => items.iter().filter_map(scalar).collect(),
            Some(value) => scalar(&value)
                .unwrap_or_default()
                .split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect(),
        };
        let mut parsed = Vec::with_capacity(items.len());
        for item in items {
            match item.parse() {
                Ok(value) => parsed.push(value),
                Err(_) => self.fault(key, format_args!("has {item:?}, which is not {form}")),
            }
        }
        parsed
    }
}

fn flatten(prefix: &str, tree: Dict, into: &mut BTreeMap<String, Value>) {
    for (key, value) in tree {
        let path = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Dict(_, inner) => flatten(&path, inner, into),
            // An empty section of a YAML file.
            Value::Empty(..) => {}
            value => {
                into.insert(path, value);
            }
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, c) => Some(c.to_string()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Num(_, number) => number
            .to_u128()
            .map(|n| n.to_string())
            .or_else(|| number.to_i128().map(|n| n.to_string()))
            .or_else(|| number.to_f64().map(|n| n.to_string())),
        Value::Empty(..) | Value::Dict(..) | Value::Array(..) => None,
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let factor = match unit.trim() {
        "ms" => return Some(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(factor).map(Duration::from_secs)
}

fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, best) = known.iter().map(|k| (edits(key, k), *k)).min()?;
    (distance <= 3).then_some(best)
}

// Levenshtein, one row at a time; keys are short.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("30"), Some(Duration::from_secs(30)));
        assert_eq!(parse_duration("2h"), Some(Duration::from_secs(7_200)));
        for bad in ["", "s", "-1s", "1w", "1.5s", "99999999999999999999s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_duration_panics(text in ".{0,30}") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn edits_are_zero_only_between_equals(a in "[a-z._]{0,12}", b in "[a-z._]{0,12}") {
            prop_assert_eq!(edits(&a, &b) == 0, a == b);
        }
    }
}
