//! What a write aims at.
//!
//! Owns [`Target`]: what the path names, and which versions of it the write may replace. It looks nothing up.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::ApiPath;
use super::etag::OptionalIfMatch;
use crate::error::Error;

/// The last parameter of the path, parsed, and the versions of it that the write may replace.
#[derive(Clone, Debug)]
pub struct Target<T> {
    /// What the path names.
    pub id: T,
    /// Which versions of it may be replaced.
    pub expected: OptionalIfMatch,
}

impl<T: FromStr + Send, S: Send + Sync> FromRequestParts<S> for Target<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let ApiPath(id) = ApiPath::<T>::from_request_parts(parts, state).await?;
        let expected = OptionalIfMatch::from_request_parts(parts, state).await?;
        Ok(Self { id, expected })
    }
}
