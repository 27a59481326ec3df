//! One parameter of the path.
//!
//! Owns [`ApiPath`]. Text that cannot be an id names nothing: 404, like an id that nobody has.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use crate::error::{Code, Error};

/// The last parameter of the path, parsed.
#[derive(Clone, Copy, Debug)]
pub struct ApiPath<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let nothing = || Error::refused(Code::NotFound, "there is nothing under this id");
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| nothing())?;
        let (_, text) = params.iter().last().ok_or_else(nothing)?;
        text.parse().map(Self).map_err(|_| nothing())
    }
}
