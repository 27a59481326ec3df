//! Parameters that no handler reads.
//!
//! Owns [`Closed`]: the operations that have no query parameters, as the OpenAPI document says. Where an
//! operation has some, its own reader lists every fault at once. A parameter that does nothing would
//! leave its sender believing that it did.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
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
}

fn reads_the_query(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        // None is shared in this document; one that were could be anything.
        RefOr::Ref(_) => true,
    })
}

/// Refuses what stands in the query of an operation that has no parameters there.
pub async fn refuse(State(closed): State<Closed>, request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    if query.is_empty() {
        return next.run(request).await;
    }
    let template = request.extensions().get::<MatchedPath>();
    let place = template.map(|path| (asked(request.method()), path.as_str().to_owned()));
    if place.is_none_or(|place| !closed.0.contains(&place)) {
        return next.run(request).await;
    }
    let faults = faults(query);
    // Nothing but separators names no parameter.
    if faults.is_empty() {
        return next.run(request).await;
    }
    Error::invalid(faults).into_response()
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
