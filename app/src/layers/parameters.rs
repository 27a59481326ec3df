//! Parameters that no handler reads.
//!
//! Owns [`Closed`]: the operations that have no query parameters, as the OpenAPI document says. Where an
//! operation has some, its own reader lists every fault at once. A parameter that does nothing would
//! leave its sender believing that it did.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use http::Method;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use crate::error::{Error, FieldError};

/// Faults that are listed.
const MAX_FAULTS: usize = 20;

/// Operations without query parameters.
#[derive(Clone, Debug, Default)]
pub struct Closed(Arc<HashSet<(Method, String)>>);

impl Closed {
    /// Those of `document` under `/api/`: probes come with what their senders like.
    #[must_use]
    pub fn of(document: &OpenApi) -> Self {
        let mut closed = HashSet::new();
        for (path, item) in document
            .paths
            .paths
            .iter()
            .filter(|(path, _)| path.starts_with("/api/"))
        {
            let operations = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in operations {
                if operation
                    .as_ref()
                    .is_some_and(|operation| !reads_the_query(operation))
                {
                    closed.insert((method, path.clone()));
                }
            }
        }
        Self(Arc::new(closed))
    }

    /// The refusal of what stands in the query of `request`, if its operation has no parameters there.
    pub(super) fn refuse(&self, request: &Request) -> Option<Response> {
        let query = request.uri().query().filter(|query| !query.is_empty())?;
        let template = request.extensions().get::<MatchedPath>()?;
        let place = (asked(request.method()), template.as_str().to_owned());
        // Nothing but separators names no parameter.
        let faults = Some(faults(query)).filter(|faults| !faults.is_empty())?;
        let is_closed = self.0.contains(&place);
        is_closed.then(|| Error::invalid(faults).into_response())
    }
}

fn reads_the_query(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        // None is shared in this document; one that were could be anything.
        RefOr::Ref(_) => true,
    })
}

/// The operation that a method asks for: a HEAD is a GET whose answer has no body.
fn asked(method: &Method) -> Method {
    match *method {
        Method::HEAD => Method::GET,
        _ => method.clone(),
    }
}

fn faults(query: &str) -> Vec<FieldError> {
    let named = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    let fault = |name: std::borrow::Cow<'_, str>| {
        let shown: String = name.chars().take(64).collect();
        let pointer = format!("#/query/{shown}");
        FieldError::new(
            pointer,
            "unknown_parameter",
            "this parameter is not known here",
        )
    };
    named.take(MAX_FAULTS).map(fault).collect()
}
