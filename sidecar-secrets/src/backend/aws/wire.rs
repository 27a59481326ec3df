//! The bodies of AWS's answers.
//!
//! Owns the shapes and their parsing. What an answer holds becomes a [`Secret`], a name or a time; a
//! parse error keeps none of the text (I-04).

use erpgo_secret_set::Secret;
use jiff::Timestamp;
use serde::Deserialize;

use crate::backend::stored::Stored;
use crate::backend::{BackendError, Revision};

/// Credentials that somebody granted.
pub(super) struct Grant {
    pub(super) access_key_id: Secret,
    pub(super) secret_access_key: Secret,
    pub(super) session_token: Secret,
    pub(super) expiration: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: Secret,
    version_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentAnswer {
    access_key_id: Secret,
    secret_access_key: Secret,
    token: Secret,
    expiration: Timestamp,
}

pub(super) fn stored(body: &[u8]) -> Result<Stored, BackendError> {
    let problem = "it holds no SecretString with a VersionId";
    let answer: SecretValue = serde_json::from_slice(body)
        .map_err(|_| BackendError::malformed("the document", problem))?;
    Ok(Stored {
        document: answer.secret_string,
        revision: Revision(answer.version_id),
    })
}

/// What the node's agent answers.
pub(super) fn of_agent(body: &[u8]) -> Result<Grant, BackendError> {
    let answer: AgentAnswer = serde_json::from_slice(body)
        .map_err(|_| BackendError::malformed("the login", "it holds no credentials"))?;
    Ok(Grant {
        access_key_id: answer.access_key_id,
        secret_access_key: answer.secret_access_key,
        session_token: answer.token,
        expiration: answer.expiration,
    })
}

/// What STS answers.
pub(super) fn of_sts(body: &[u8]) -> Result<Grant, BackendError> {
    let part = |name| {
        element(body, name)
            .ok_or_else(|| BackendError::malformed("the login", "it holds no credentials"))
    };
    let expiration = part("Expiration")?
        .parse()
        .map_err(|_| BackendError::malformed("the login", "its Expiration is no time"))?;
    Ok(Grant {
        access_key_id: Secret::new(part("AccessKeyId")?.to_owned()),
        secret_access_key: Secret::new(part("SecretAccessKey")?.to_owned()),
        session_token: Secret::new(part("SessionToken")?.to_owned()),
        expiration,
    })
}

/// The text of the first element of this name. Enough for STS, whose elements of interest have no
/// attributes and hold no character that XML escapes.
pub(super) fn element<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.trim()).filter(|inner| !inner.is_empty() && !inner.contains(['<', '&']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use erpgo_secret_set::ErrorClass;

    const STS: &str = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult><Credentials>\n<SessionToken>tok/en+==</SessionToken><SecretAccessKey>key</SecretAccessKey><Expiration>2026-11-24T10:00:00.123Z</Expiration><AccessKeyId>ASIA</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

    #[test]
    fn both_sources_of_credentials_are_read() {
        let agent = r#"{"AccessKeyId":"ASIA","SecretAccessKey":"key","Token":"tok/en+==","AccountId":"1","Expiration":"2026-11-24T10:00:00.123Z"}"#;
        for grant in [of_sts(STS.as_bytes()), of_agent(agent.as_bytes())] {
            let grant = grant.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(grant.access_key_id.expose_secret(), "ASIA");
            assert_eq!(grant.secret_access_key.expose_secret(), "key");
            assert_eq!(grant.session_token.expose_secret(), "tok/en+==");
            assert_eq!(grant.expiration.to_string(), "2026-11-24T10:00:00.123Z");
        }
    }

    #[test]
    fn what_is_no_answer_is_malformed_and_is_not_quoted() {
        for text in [
            "",
            "canary",
            "{\"canary\":1}",
            "<AccessKeyId>canary",
            "{\"SecretString\":{\"canary\":1},\"VersionId\":\"v\"}",
            "{\"SecretBinary\":\"canary\",\"VersionId\":\"v\"}",
        ] {
            let errors = [
                stored(text.as_bytes()).map(|_| ()).unwrap_err(),
                of_agent(text.as_bytes()).map(|_| ()).unwrap_err(),
                of_sts(text.as_bytes()).map(|_| ()).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.class(), ErrorClass::Malformed);
                assert!(
                    !format!("{error} {error:?}").contains("canary"),
                    "{error:?}"
                );
            }
        }
    }
}
