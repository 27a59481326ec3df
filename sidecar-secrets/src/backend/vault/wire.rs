//! The JSON of Vault's answers.
//!
//! Owns the shapes and their parsing. What an answer holds becomes a [`Secret`] or a number; a parse
//! error keeps none of the text, since the parser's own message may quote it (I-04).

use std::time::Duration;

use erpgo_secret_set::Secret;
use serde::Deserialize;

use crate::backend::stored::Stored;
use crate::backend::{BackendError, Revision};

/// A login that was granted.
pub(super) struct Granted {
    pub(super) token: Secret,
    pub(super) ttl: Duration,
    pub(super) renewable: bool,
}

#[derive(Deserialize)]
struct LoginAnswer {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: Secret,
    lease_duration: u64,
    renewable: bool,
    #[serde(default)]
    num_uses: u64,
}

#[derive(Deserialize)]
struct RenewAnswer {
    auth: RenewedAuth,
}

#[derive(Deserialize)]
struct RenewedAuth {
    lease_duration: u64,
}

#[derive(Deserialize)]
struct ReadAnswer {
    data: KvData,
}

#[derive(Deserialize)]
struct KvData {
    data: Fields,
    metadata: KvMetadata,
}

#[derive(Deserialize)]
struct Fields {
    document: Secret,
}

#[derive(Deserialize)]
struct KvMetadata {
    version: u64,
    created_time: String,
}

pub(super) fn granted(body: &[u8]) -> Result<Granted, BackendError> {
    let what = "the login";
    let answer: LoginAnswer = parse(body, what, "it holds no token")?;
    if answer.auth.num_uses != 0 {
        let problem = "the role issues tokens of limited use; set its token_num_uses to 0";
        return Err(BackendError::malformed(what, problem));
    }
    Ok(Granted {
        token: answer.auth.client_token,
        ttl: Duration::from_secs(answer.auth.lease_duration),
        renewable: answer.auth.renewable,
    })
}

pub(super) fn renewed(body: &[u8]) -> Result<Duration, BackendError> {
    let answer: RenewAnswer = parse(body, "the renewal", "it holds no lease_duration")?;
    Ok(Duration::from_secs(answer.auth.lease_duration))
}

pub(super) fn stored(body: &[u8]) -> Result<Stored, BackendError> {
    let problem = "it holds no text field `document`; the mount must be KV version 2";
    let answer: ReadAnswer = parse(body, "the document", problem)?;
    let KvMetadata {
        version,
        created_time,
    } = answer.data.metadata;
    Ok(Stored {
        document: answer.data.data.document,
        // A key that was deleted with its metadata counts from 1 again; the time tells them apart.
        revision: Revision(format!("{version}@{created_time}")),
    })
}

fn parse<'a, T: Deserialize<'a>>(
    body: &'a [u8],
    what: &'static str,
    problem: &'static str,
) -> Result<T, BackendError> {
    serde_json::from_slice(body).map_err(|_| BackendError::malformed(what, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use erpgo_secret_set::ErrorClass;

    // As Vault 1.21.1 answers; the values are made up.
    const LOGIN: &str = r#"{"request_id":"8a9b2c6e-58d8-4f0e-9b7e-1a4f6c0d2e11","lease_id":"","renewable":false,"lease_duration":0,"data":null,"wrap_info":null,"warnings":null,"auth":{"client_token":"hvs.canary","accessor":"acc","policies":["default","shop"],"token_policies":["default","shop"],"metadata":{"role":"shop"},"lease_duration":1200,"renewable":true,"entity_id":"e","token_type":"service","orphan":true,"mfa_requirement":null,"num_uses":0},"mount_type":"approle"}"#;
    const READ: &str = r#"{"request_id":"f0e1","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"document":"{\"canary\":1}"},"metadata":{"created_time":"2026-11-24T10:00:00.123456789Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":7}},"wrap_info":null,"warnings":null,"auth":null,"mount_type":"kv"}"#;

    #[test]
    fn a_login_gives_a_token_and_its_life() {
        let granted = granted(LOGIN.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(granted.token.expose_secret(), "hvs.canary");
        assert_eq!((granted.ttl.as_secs(), granted.renewable), (1200, true));
        assert_eq!(renewed(LOGIN.as_bytes()).unwrap().as_secs(), 1200);
    }

    #[test]
    fn a_token_of_limited_use_is_refused_with_the_way_out() {
        let limited = LOGIN.replace("\"num_uses\":0", "\"num_uses\":3");
        let error = granted(limited.as_bytes()).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("token_num_uses"), "{error}");
    }

    #[test]
    fn a_read_gives_the_document_and_a_revision() {
        let stored = stored(READ.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(stored.document.expose_secret(), r#"{"canary":1}"#);
        assert_eq!(
            stored.revision,
            Revision("7@2026-11-24T10:00:00.123456789Z".into())
        );
    }

    #[test]
    fn what_is_no_answer_is_malformed_and_is_not_quoted() {
        let kv1 = r#"{"data":{"document":"canary"}}"#;
        let object = READ.replace(r#""{\"canary\":1}""#, r#"{"canary":1}"#);
        for text in [
            "",
            "canary",
            "{\"auth\":\"canary\",\"data\":\"canary\"}",
            kv1,
            &object,
        ] {
            let errors = [
                granted(text.as_bytes()).map(|_| ()).unwrap_err(),
                renewed(text.as_bytes()).map(|_| ()).unwrap_err(),
                stored(text.as_bytes()).map(|_| ()).unwrap_err(),
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
