//! What AWS's errors mean.
//!
//! Owns the mapping from error codes to classes. A message is never kept: it may quote what was sent.

use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

use crate::secrets::error::SecretsError;

/// The error as the place that asked has to tell it apart.
pub(super) enum Fault {
    /// No such secret, or no version with the label.
    Absent,
    /// There is one already, or the token was used for another value.
    Exists,
    /// The label is not where the request says.
    Moved,
    /// Anything else.
    Other(SecretsError),
}

impl From<Fault> for SecretsError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Absent => Self::NoMount,
            Fault::Exists | Fault::Moved => Self::Malformed {
                what: "the request was refused",
            },
            Fault::Other(error) => error,
        }
    }
}

/// Classifies a failed request; `doing` is what a person is told.
pub(super) fn of<E: ProvideErrorMetadata>(
    doing: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> Fault {
    match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            by_code(doing, context.err().code().unwrap_or_default(), status)
        }
        SdkError::TimeoutError(_) => Fault::Other(SecretsError::Silent(None)),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            Fault::Other(SecretsError::Silent(None))
        }
        SdkError::ConstructionFailure(_) => Fault::Other(SecretsError::Denied { doing }),
        _ => Fault::Other(SecretsError::Unreachable(None)),
    }
}

fn by_code(doing: &'static str, code: &str, status: u16) -> Fault {
    Fault::Other(match code {
        "ResourceNotFoundException" => return Fault::Absent,
        "ResourceExistsException" => return Fault::Exists,
        "InvalidParameterException" => return Fault::Moved,
        "InvalidRequestException" => SecretsError::Deleted,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded" => throttled(),
        "AccessDenied"
        | "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "InvalidIdentityToken"
        | "IDPRejectedClaim"
        | "AuthFailure"
        | "OptInRequired"
        | "DecryptionFailure"
        | "EncryptionFailure" => SecretsError::Denied { doing },
        _ if status == 429 => throttled(),
        _ if status >= 500 => SecretsError::Unreachable(None),
        _ if matches!(status, 401 | 403) => SecretsError::Denied { doing },
        _ => SecretsError::Malformed { what: "error code" },
    })
}

// The SDK has waited by itself before it gave up.
fn throttled() -> SecretsError {
    SecretsError::Throttled { wait: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(code: &str, status: u16) -> &'static str {
        SecretsError::from(by_code("reading", code, status)).class()
    }

    #[test]
    fn r06_4_failures_of_aws_are_told_apart() {
        assert_eq!(class("ThrottlingException", 400), "throttled");
        assert_eq!(class("AccessDeniedException", 400), "denied");
        assert_eq!(class("ExpiredTokenException", 400), "denied");
        assert_eq!(class("InvalidRequestException", 400), "deleted");
        assert_eq!(class("InternalServiceError", 500), "unreachable");
        assert_eq!(class("", 503), "unreachable");
        assert_eq!(class("SomethingNew", 400), "malformed");
        assert!(matches!(
            by_code("reading", "ResourceNotFoundException", 400),
            Fault::Absent
        ));
        assert!(matches!(
            by_code("moving", "InvalidParameterException", 400),
            Fault::Moved
        ));
    }
}
