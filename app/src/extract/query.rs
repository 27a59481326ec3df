//! The query string, parameter by parameter.
//!
//! Owns [`ApiQuery`] and [`Params`]. Every fault is listed at once, and a parameter that the handler
//! does not read is one: a misspelt filter must not return everything.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::error::{Error, FieldError};

/// What a handler reads from the query string.
pub trait FromQuery: Sized {
    /// Takes its parameters; faults are noted in `params`.
    fn read(params: &mut Params) -> Self;
}

/// The parameters of one request, and the faults found so far.
#[derive(Debug, Default)]
pub struct Params {
    values: BTreeMap<String, String>,
    faults: Vec<FieldError>,
}

/// The query string, parsed.
#[derive(Clone, Debug)]
pub struct ApiQuery<T>(pub T);

impl<T: FromQuery, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Parses `query`.
///
/// # Errors
/// Every fault at once.
pub fn parse<T: FromQuery>(query: &str) -> Result<T, Error> {
    let mut params = Params::split(query);
    let value = T::read(&mut params);
    let faults = params.finish();
    if faults.is_empty() {
        Ok(value)
    } else {
        Err(Error::invalid(faults))
    }
}

impl Params {
    fn split(query: &str) -> Self {
        let mut params = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let (name, value) = (name.into_owned(), value.into_owned());
            if params.values.contains_key(&name) {
                params.fault(&name, "duplicate", "this parameter is given twice");
            }
            params.values.insert(name, value);
        }
        params
    }

    /// Takes the parameter called `name`.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// Takes the parameter called `name` as a `T`; `rule` says what it must be.
    pub fn take_parsed<T: FromStr>(&mut self, name: &str, rule: &'static str) -> Option<T> {
        let text = self.take(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fault(name, "invalid_value", rule);
        }
        parsed
    }

    /// Notes that the parameter called `name` breaks a rule.
    pub fn fault(&mut self, name: &str, code: &'static str, rule: &'static str) {
        self.faults
            .push(FieldError::new(format!("#/query/{name}"), code, rule));
    }

    fn finish(mut self) -> Vec<FieldError> {
        for name in self.values.keys() {
            let shown: String = name.chars().take(64).collect();
            self.faults.push(FieldError::new(
                format!("#/query/{shown}"),
                "unknown_parameter",
                "this parameter is not known here",
            ));
        }
        self.faults
    }
}
