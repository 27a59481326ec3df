//! The one signed request.
//!
//! Owns `GetSecretValue`: URL, headers and signature (Signature Version 4, by `aws-sigv4`).

use std::path::PathBuf;
use std::time::SystemTime;

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use serde::Serialize;

use super::credentials::Credentials;
use super::fault::check;
use super::wire;
use crate::backend::{AGENT, BackendError, Reading, Revision, send};
use crate::http::{Endpoint, Exchange, Trust};

const WHAT: &str = "reading the document";
const SERVICE: &str = "secretsmanager";
const JSON: &str = "application/x-amz-json-1.1";
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const GET: &str = "secretsmanager.GetSecretValue";

/// One secret and where it is.
pub(super) struct Signed {
    exchange: Exchange,
    region: String,
    place: String,
    body: Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue<'a> {
    secret_id: &'a str,
    version_stage: &'a str,
}

impl Signed {
    pub(super) fn new(
        endpoint: Endpoint,
        ca_file: Option<PathBuf>,
        region: String,
        secret_id: String,
    ) -> Self {
        let trust = ca_file.filter(|_| endpoint.secure).map(Trust::new);
        let asked = GetSecretValue {
            secret_id: &secret_id,
            version_stage: "AWSCURRENT",
        };
        // Serialising two strings into memory has no failing case.
        let body = Bytes::from(serde_json::to_vec(&asked).unwrap_or_default());
        Self {
            exchange: Exchange::new(endpoint, trust),
            region,
            place: format!("AWS secret {secret_id}"),
            body,
        }
    }

    pub(super) async fn read(
        &self,
        credentials: &Credentials,
        known: Option<&Revision>,
    ) -> Result<Reading, BackendError> {
        let request = self.request(credentials, SystemTime::now())?;
        let answer = send(&self.exchange, request).await?;
        let answer = check(WHAT, &self.place, self.exchange.endpoint(), answer)?;
        Ok(wire::stored(&answer.body)?.reading(known))
    }

    fn request(
        &self,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<Request<Full<Bytes>>, BackendError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header(CONTENT_TYPE, JSON)
            .header(TARGET, GET)
            .header(USER_AGENT, AGENT)
            .body(Full::new(self.body.clone()))
            .map_err(|_| unusable("the request cannot be made"))?;
        for (name, value) in self.signature(credentials, now)? {
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    fn signature(
        &self,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, BackendError> {
        let failed = || unusable("the request cannot be signed");
        let identity = credentials.clone().into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| failed())?;
        let endpoint = self.exchange.endpoint();
        let host = endpoint.authority();
        let headers = [
            ("content-type", JSON),
            ("host", host.as_str()),
            ("x-amz-target", GET),
        ];
        let scheme = if endpoint.secure { "https" } else { "http" };
        let url = format!("{scheme}://{host}/");
        let body = SignableBody::Bytes(&self.body);
        let signable = SignableRequest::new("POST", url, headers.into_iter(), body);
        let signed = sign(signable.map_err(|_| failed())?, &parameters.into());
        let (instructions, _) = signed.map_err(|_| failed())?.into_parts();
        let named = instructions.headers().map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            let mut value = HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        named.collect::<Option<_>>().ok_or_else(failed)
    }
}

fn unusable(problem: &'static str) -> BackendError {
    BackendError::malformed(WHAT, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::PlainHttp;
    use std::time::Duration;

    // What botocore 1.44 computes for the same request, key and second.
    #[test]
    fn the_signature_is_the_one_that_aws_computes() {
        let endpoint = "https://secretsmanager.eu-central-1.amazonaws.com";
        let endpoint = Endpoint::parse(endpoint, PlainHttp::LoopbackOnly).unwrap();
        let signed = Signed::new(endpoint, None, "eu-central-1".into(), "erpgo/shop".into());
        let key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", key, None, None, "test");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let request = signed.request(&credentials, at).unwrap();
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-amz-date"), "20260101T000000Z");
        assert_eq!(header("authorization"), EXPECTED);
    }

    const EXPECTED: &str = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/eu-central-1/secretsmanager/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=73827ce786cba7f94a2d3c0750fa206898064c3d587de441d8112200d81d1a20";
}
