//! The codes that clients may rely on.
//!
//! Owns [`Code`] with its status and title. A code is never renamed: clients branch on it.

use http::StatusCode;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:ident, $title:literal;)*) => {
        /// Machine-readable class of a problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The status that goes with it.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The same short sentence for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

// By hand: the derive does not see through the macro to the names on the wire.
impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .description(Some("Machine-readable class of a problem"))
            .into()
    }
}

impl ToSchema for Code {}

codes! {
    /// The input breaks a rule; `errors` says which.
    ValidationError = "VALIDATION_ERROR", BAD_REQUEST, "The request is not valid";
    /// The body is not JSON.
    InvalidJson = "INVALID_JSON", BAD_REQUEST, "The body is not JSON";
    /// No credentials, or none that can be read.
    Unauthorized = "UNAUTHORIZED", UNAUTHORIZED, "Authentication is required";
    /// E-mail or password wrong, or sign-in paused.
    InvalidCredentials = "INVALID_CREDENTIALS", UNAUTHORIZED, "Sign-in was refused";
    /// The token's time is over.
    TokenExpired = "TOKEN_EXPIRED", UNAUTHORIZED, "The token has expired";
    /// The token is not one of ours.
    TokenInvalid = "TOKEN_INVALID", UNAUTHORIZED, "The token is not valid";
    /// The session was ended.
    TokenRevoked = "TOKEN_REVOKED", UNAUTHORIZED, "The session has ended";
    /// A refresh token was used twice; the session is over.
    TokenReused = "TOKEN_REUSED", UNAUTHORIZED, "The session has ended";
    /// The caller lacks the permission.
    Forbidden = "FORBIDDEN", FORBIDDEN, "The permission is missing";
    /// The caller's roles allow it; the API key does not.
    InsufficientScope = "INSUFFICIENT_SCOPE", FORBIDDEN, "The API key does not reach that far";
    /// There is no such resource or route.
    NotFound = "NOT_FOUND", NOT_FOUND, "Not found";
    /// The route does not have this method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED, "The method is not allowed";
    /// The state of the resource does not allow it.
    Conflict = "CONFLICT", CONFLICT, "The state does not allow it";
    /// Another user has this e-mail.
    DuplicateEmail = "DUPLICATE_EMAIL", CONFLICT, "The e-mail is taken";
    /// Another role has this name.
    DuplicateName = "DUPLICATE_NAME", CONFLICT, "The name is taken";
    /// Another product has this SKU.
    DuplicateSku = "DUPLICATE_SKU", CONFLICT, "The SKU is taken";
    /// The resource is still in use.
    InUse = "IN_USE", CONFLICT, "The resource is in use";
    /// If-Match names another version.
    PreconditionFailed = "PRECONDITION_FAILED", PRECONDITION_FAILED, "The resource has changed";
    /// The body is larger than the limit.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is not application/json.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE, "The media type is not supported";
    /// The Idempotency-Key was used with another body.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", UNPROCESSABLE_ENTITY, "The key was used for another request";
    /// The same Idempotency-Key is being worked on.
    IdempotencyInFlight = "IDEMPOTENCY_IN_FLIGHT", CONFLICT, "The same request is in progress";
    /// If-Match is missing.
    PreconditionRequired = "PRECONDITION_REQUIRED", PRECONDITION_REQUIRED, "If-Match is required";
    /// Too many attempts; Retry-After says when.
    RateLimitExceeded = "RATE_LIMIT_EXCEEDED", TOO_MANY_REQUESTS, "Too many requests";
    /// Something here broke.
    InternalError = "INTERNAL_ERROR", INTERNAL_SERVER_ERROR, "Internal error";
    /// Something that the service needs is away, or it is shutting down.
    ServiceUnavailable = "SERVICE_UNAVAILABLE", SERVICE_UNAVAILABLE, "Temporarily unavailable";
    /// More work than can be done in time; Retry-After says when.
    Overloaded = "OVERLOADED", SERVICE_UNAVAILABLE, "Temporarily overloaded";
    /// The request took longer than its time.
    RequestTimeout = "REQUEST_TIMEOUT", GATEWAY_TIMEOUT, "The request took too long";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn p05_every_code_is_unique_and_is_an_error() {
        let texts: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status().as_u16() >= 400, "{code:?}");
            assert!(!code.title().is_empty());
            assert_eq!(
                serde_json::to_value(code).unwrap(),
                serde_json::Value::from(code.as_str())
            );
        }
    }
}
