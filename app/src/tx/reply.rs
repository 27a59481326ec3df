//! An answer that can be stored and given again.
//!
//! Owns [`Reply`].

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::error::{Error, Result};

/// Says that the answer is that of an earlier request with the same key.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What a write answers. It is shown to its client alone: there may be a secret in the body.
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Path of what was made.
    pub location: Option<String>,
    /// Version of what was made.
    pub etag: Option<String>,
    /// JSON, or nothing.
    pub body: String,
    /// Whether an earlier request has had this effect.
    pub replayed: bool,
}

impl Reply {
    /// 201 with `body` as JSON.
    ///
    /// # Errors
    /// When `body` cannot be written as JSON.
    pub fn created(location: String, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_string(body)
            .map_err(|error| Error::internal("write an answer as JSON", error))?;
        Ok(Self {
            status: StatusCode::CREATED,
            location: Some(location),
            etag: None,
            body,
            replayed: false,
        })
    }

    /// 204.
    #[must_use]
    pub fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            location: None,
            etag: None,
            body: String::new(),
            replayed: false,
        }
    }

    /// The same with the version of what was made.
    #[must_use]
    pub fn with_etag(self, etag: String) -> Self {
        Self {
            etag: Some(etag),
            ..self
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = if self.body.is_empty() {
            self.status.into_response()
        } else {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (self.status, kind, self.body).into_response()
        };
        let headers = response.headers_mut();
        let optional = [(header::LOCATION, self.location), (header::ETAG, self.etag)];
        for (name, value) in optional {
            if let Some(value) = value.and_then(|text| HeaderValue::from_str(&text).ok()) {
                headers.insert(name, value);
            }
        }
        if self.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
