//! The document in a Secret.
//!
//! Owns the two requests: the metadata alone to see whether anything changed, and the Secret by
//! name. Neither lists nor watches, so the Role needs `get` with one `resourceNames` entry. The
//! ServiceAccount token is read again each time, since the kubelet replaces it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use erpgo_secret_set::Secret;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{BackendError, Reading, Revision, send};
use crate::config::KubernetesConfig;
use crate::config::files::read_credential;
use crate::http::{Answer, Exchange, Trust};

const WHOLE: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const WHAT: &str = "the Secret";

/// A Secret and how to reach it.
pub(crate) struct Kubernetes {
    exchange: Exchange,
    config: KubernetesConfig,
}

#[derive(Deserialize)]
struct SecretObject {
    metadata: Metadata,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct MetadataObject {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "document.json")]
    document: Option<Secret>,
}

impl Kubernetes {
    pub(super) fn new(config: KubernetesConfig) -> Self {
        let trust = config.ca_file.clone().map(Trust::new);
        let exchange = Exchange::new(config.endpoint.clone(), trust);
        Self { exchange, config }
    }

    pub(super) async fn read(&self, known: Option<&Revision>) -> Result<Reading, BackendError> {
        if let Some(known) = known {
            let answer = self.get(METADATA).await?;
            if revision(&answer.body)? == *known {
                return Ok(Reading::Unchanged);
            }
        }
        let answer = self.get(WHOLE).await?;
        document(&answer.body)
    }

    async fn get(&self, accept: &'static str) -> Result<Answer, BackendError> {
        let request = self.request(accept)?;
        self.check(send(&self.exchange, request).await?)
    }

    fn request(&self, accept: &'static str) -> Result<Request<Full<Bytes>>, BackendError> {
        let credential = |source| BackendError::Credential { what: WHAT, source };
        let token = read_credential(&self.config.token_file).map_err(credential)?;
        let bearer = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
        let mut bearer =
            HeaderValue::from_str(&bearer).map_err(|_| malformed("no usable token"))?;
        bearer.set_sensitive(true);
        let KubernetesConfig {
            namespace, secret, ..
        } = &self.config;
        Request::builder()
            .method(Method::GET)
            .uri(format!("/api/v1/namespaces/{namespace}/secrets/{secret}"))
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, accept)
            .header(USER_AGENT, super::AGENT)
            .body(Full::default())
            .map_err(|_| malformed("no usable name"))
    }

    fn check(&self, answer: Answer) -> Result<Answer, BackendError> {
        let retry_after = answer.retry_after;
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(BackendError::Denied {
                what: "reading the Secret",
                status: answer.status.as_u16(),
                remedy: "check the ServiceAccount, its Role and the audience of its token",
            }),
            StatusCode::NOT_FOUND => Err(BackendError::NotFound {
                place: format!("Secret {}/{}", self.config.namespace, self.config.secret),
            }),
            StatusCode::TOO_MANY_REQUESTS => Err(BackendError::Throttled { retry_after }),
            other => Err(BackendError::Server {
                backend: self.exchange.endpoint().to_string(),
                status: other.as_u16(),
                retry_after,
            }),
        }
    }
}

fn malformed(problem: &'static str) -> BackendError {
    BackendError::malformed(WHAT, problem)
}

fn revision(body: &[u8]) -> Result<Revision, BackendError> {
    let object: MetadataObject =
        serde_json::from_slice(body).map_err(|_| malformed("no object with a resourceVersion"))?;
    Ok(Revision(object.metadata.resource_version))
}

fn document(body: &[u8]) -> Result<Reading, BackendError> {
    // The parser's own message may quote the text, so it is not kept.
    let object: SecretObject = serde_json::from_slice(body)
        .map_err(|_| malformed("no Secret object with a resourceVersion"))?;
    let encoded = object
        .data
        .and_then(|data| data.document)
        .ok_or_else(|| malformed("it has no key document.json"))?;
    // Decoded into a buffer of the final size, so that no copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(encoded.len()));
    STANDARD
        .decode_vec(encoded.expose_secret(), &mut bytes)
        .map_err(|_| malformed("the key document.json is not base64"))?;
    let revision = Revision(object.metadata.resource_version);
    Ok(Reading::Document { bytes, revision })
}

#[cfg(test)]
mod tests {
    use super::*;
    use erpgo_secret_set::ErrorClass;

    // As the API server 1.37 answers for a Secret with two keys.
    const RECORDED: &str = r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"shop-secret-set","namespace":"shop","uid":"0c6d3f6e-3b6c-4a44-9a53-3b0f0a1f3a55","resourceVersion":"4711","creationTimestamp":"2026-11-24T10:00:00Z","managedFields":[{"manager":"erpgo-operator","operation":"Apply","apiVersion":"v1","time":"2026-11-24T10:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:document.json":{}}}}]},"data":{"document.json":"eyJhIjoxfQ==","other":"Zm9v"},"type":"Opaque"}"#;

    fn error(text: &str) -> BackendError {
        document(text.as_bytes()).map(|_| ()).unwrap_err()
    }

    #[test]
    fn the_document_and_its_revision_are_read_from_the_one_key() {
        let Ok(Reading::Document { bytes, revision }) = document(RECORDED.as_bytes()) else {
            panic!("no document");
        };
        assert_eq!(bytes.as_slice(), br#"{"a":1}"#);
        assert_eq!(revision, Revision("4711".into()));
    }

    #[test]
    fn what_holds_no_document_is_malformed_and_is_not_quoted() {
        let no_key = RECORDED.replace("document.json\":\"", "canary\":\"");
        let no_base64 = RECORDED.replace("eyJhIjoxfQ==", "canary!");
        let no_data = RECORDED.replace("\"data\":{\"document", "\"canary\":{\"document");
        let wrong_type = RECORDED.replace("\"eyJhIjoxfQ==\"", "{\"canary\":1}");
        for text in [
            "",
            "canary",
            "[]",
            "{\"canary\":1}",
            &no_key,
            &no_base64,
            &no_data,
            &wrong_type,
        ] {
            let error = error(text);
            assert_eq!(error.class(), ErrorClass::Malformed, "{text}");
            assert!(
                !format!("{error} {error:?}").contains("canary"),
                "{error:?}"
            );
        }
    }
}
