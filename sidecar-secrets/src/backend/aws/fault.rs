//! What AWS's error answers mean.
//!
//! Owns the mapping from status and error code to [`BackendError`]. The code alone is read; a message
//! may quote what was sent.

use hyper::StatusCode;
use serde::Deserialize;

use super::wire::element;
use crate::backend::BackendError;
use crate::http::{Answer, Endpoint};

#[derive(Deserialize)]
struct JsonError {
    #[serde(rename = "__type", default)]
    kind: String,
}

/// The answer, if it is a success.
pub(super) fn check(
    what: &'static str,
    place: &str,
    endpoint: &Endpoint,
    answer: Answer,
) -> Result<Answer, BackendError> {
    if answer.status == StatusCode::OK {
        return Ok(answer);
    }
    let (status, retry_after) = (answer.status.as_u16(), answer.retry_after);
    let code = code(&answer.body);
    Err(match code.as_str() {
        "ResourceNotFoundException" | "InvalidRequestException" => BackendError::NotFound {
            place: place.to_owned(),
        },
        code if is_throttle(code) || status == 429 => BackendError::Throttled { retry_after },
        code if is_refusal(code) || matches!(status, 401 | 403) => denied(what, status),
        _ if status == 400 => BackendError::malformed(what, "AWS calls the request wrong"),
        _ => BackendError::Server {
            backend: endpoint.to_string(),
            status,
            retry_after,
        },
    })
}

/// A refusal with the way out.
pub(super) fn denied(what: &'static str, status: u16) -> BackendError {
    BackendError::Denied {
        what,
        status,
        remedy: "check the role, whom it trusts, and its rights on the secret and its KMS key",
    }
}

fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded"
    )
}

// AWS sends most of these with status 400.
fn is_refusal(code: &str) -> bool {
    let named = [
        "AccessDenied",
        "ExpiredToken",
        "InvalidClientTokenId",
        "InvalidSignature",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "InvalidIdentityToken",
        "IDPRejectedClaim",
        "DecryptionFailure",
    ];
    named.iter().any(|name| code.starts_with(name))
}

// JSON from Secrets Manager, with or without a namespace before `#`; XML from STS.
fn code(body: &[u8]) -> String {
    let json: Option<JsonError> = serde_json::from_slice(body).ok();
    let kind = json.map(|error| error.kind);
    let kind = kind.or_else(|| element(body, "Code").map(str::to_owned));
    let kind = kind.unwrap_or_default();
    kind.rsplit('#').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::PlainHttp;
    use erpgo_secret_set::ErrorClass;
    use zeroize::Zeroizing;

    fn class(status: u16, body: &str) -> ErrorClass {
        let endpoint = Endpoint::parse("https://aws", PlainHttp::Allowed).unwrap();
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        };
        let Err(error) = check("reading", "the secret", &endpoint, answer) else {
            panic!("a success");
        };
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
        error.class()
    }

    #[test]
    fn r06_4_the_code_tells_throttled_denied_absent_and_broken_apart() {
        let json = |code: &str| format!(r#"{{"__type":"{code}","message":"canary"}}"#);
        assert_eq!(
            class(400, &json("ThrottlingException")),
            ErrorClass::Throttled
        );
        assert_eq!(
            class(
                400,
                &json("com.amazonaws.secretsmanager#AccessDeniedException")
            ),
            ErrorClass::Denied
        );
        assert_eq!(
            class(400, &json("ExpiredTokenException")),
            ErrorClass::Denied
        );
        assert_eq!(
            class(400, &json("ResourceNotFoundException")),
            ErrorClass::NotFound
        );
        assert_eq!(
            class(400, &json("ValidationException")),
            ErrorClass::Malformed
        );
        assert_eq!(class(500, "canary"), ErrorClass::Unreachable);
        assert_eq!(class(503, ""), ErrorClass::Unreachable);
        let xml = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>canary</Message></Error></ErrorResponse>";
        assert_eq!(class(400, xml), ErrorClass::Denied);
        assert_eq!(class(403, ""), ErrorClass::Denied);
    }
}
