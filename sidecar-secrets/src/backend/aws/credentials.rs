//! Where AWS credentials come from.
//!
//! Owns [`Source`]: a role assumed with the projected token, the node's agent, or two files. Token and
//! files are read each time, since the kubelet replaces them.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use erpgo_secret_set::Secret;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::fault::check;
use super::wire::{self, Grant};
use crate::backend::{AGENT, BackendError, send};
use crate::config::AwsAuth;
use crate::config::files::read_credential;
use crate::http::{Answer, Exchange, Trust};

const WHAT: &str = "the login";
const SESSION_NAME: &str = "sidecar-secrets";

/// What requests are signed with.
pub(super) type Credentials = aws_credential_types::Credentials;

/// Credentials and how long they live; zero means until they are replaced.
pub(super) struct Granted {
    pub(super) credentials: Credentials,
    pub(super) ttl: Duration,
}

/// One source of credentials.
pub(super) enum Source {
    WebIdentity {
        sts: Exchange,
        role_arn: String,
        token_file: PathBuf,
    },
    PodIdentity {
        agent: Exchange,
        path: String,
        token_file: PathBuf,
    },
    Files {
        access_key_id_file: PathBuf,
        secret_access_key_file: PathBuf,
    },
}

impl Source {
    pub(super) fn new(auth: AwsAuth, ca_file: Option<PathBuf>) -> Self {
        match auth {
            AwsAuth::WebIdentity {
                sts,
                role_arn,
                token_file,
            } => {
                let trust = ca_file.filter(|_| sts.secure).map(Trust::new);
                Self::WebIdentity {
                    sts: Exchange::new(sts, trust),
                    role_arn,
                    token_file,
                }
            }
            AwsAuth::PodIdentity {
                agent,
                path,
                token_file,
            } => Self::PodIdentity {
                agent: Exchange::new(agent, None),
                path,
                token_file,
            },
            AwsAuth::Files {
                access_key_id_file,
                secret_access_key_file,
            } => Self::Files {
                access_key_id_file,
                secret_access_key_file,
            },
        }
    }

    /// Whether getting them sends no request.
    pub(super) fn is_free(&self) -> bool {
        matches!(self, Self::Files { .. })
    }

    pub(super) async fn get(&self) -> Result<Granted, BackendError> {
        match self {
            Self::WebIdentity {
                sts,
                role_arn,
                token_file,
            } => {
                let token = credential(token_file)?;
                let answer = checked(sts, assume(role_arn, &token)?).await?;
                granted(wire::of_sts(&answer.body)?)
            }
            Self::PodIdentity {
                agent,
                path,
                token_file,
            } => {
                let token = credential(token_file)?;
                let answer = checked(agent, ask(path, &token)?).await?;
                granted(wire::of_agent(&answer.body)?)
            }
            Self::Files {
                access_key_id_file,
                secret_access_key_file,
            } => {
                let id = credential(access_key_id_file)?;
                let key = credential(secret_access_key_file)?;
                Ok(Granted {
                    credentials: credentials(&id, &key, None),
                    ttl: Duration::ZERO,
                })
            }
        }
    }
}

fn credential(path: &std::path::Path) -> Result<Secret, BackendError> {
    read_credential(path).map_err(|source| BackendError::Credential {
        what: "the AWS login",
        source,
    })
}

fn credentials(id: &Secret, key: &Secret, token: Option<&Secret>) -> Credentials {
    let token = token.map(|token| token.expose_secret().to_owned());
    Credentials::new(
        id.expose_secret(),
        key.expose_secret(),
        token,
        None,
        SESSION_NAME,
    )
}

fn granted(grant: Grant) -> Result<Granted, BackendError> {
    let left = grant.expiration.duration_since(Timestamp::now());
    let ttl = Duration::try_from(left).unwrap_or_default();
    if ttl.is_zero() {
        return Err(unusable("the credentials have expired: check the clocks"));
    }
    let Grant {
        access_key_id,
        secret_access_key,
        session_token,
        ..
    } = grant;
    Ok(Granted {
        credentials: credentials(&access_key_id, &secret_access_key, Some(&session_token)),
        ttl,
    })
}

// Not signed: the token is the proof.
fn assume(role_arn: &str, token: &Secret) -> Result<Request<Full<Bytes>>, BackendError> {
    let token = Zeroizing::new(escaped(token.expose_secret()));
    let form = Zeroizing::new(format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={SESSION_NAME}&WebIdentityToken={}",
        escaped(role_arn),
        token.as_str(),
    ));
    Request::builder()
        .method(Method::POST)
        .uri("/")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(USER_AGENT, AGENT)
        .body(Full::new(Bytes::copy_from_slice(form.as_bytes())))
        .map_err(|_| unusable("the request cannot be made"))
}

fn ask(path: &str, token: &Secret) -> Result<Request<Full<Bytes>>, BackendError> {
    let mut value = HeaderValue::from_str(token.expose_secret())
        .map_err(|_| unusable("the token cannot be sent"))?;
    value.set_sensitive(true);
    Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(AUTHORIZATION, value)
        .header(USER_AGENT, AGENT)
        .body(Full::default())
        .map_err(|_| unusable("the path cannot be sent"))
}

async fn checked(
    exchange: &Exchange,
    request: Request<Full<Bytes>>,
) -> Result<Answer, BackendError> {
    let answer = send(exchange, request).await?;
    check(WHAT, "the role", exchange.endpoint(), answer)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unusable(problem: &'static str) -> BackendError {
    BackendError::malformed(WHAT, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_holds_no_character_that_would_end_a_field() {
        assert_eq!(escaped("a-b_c.d~1"), "a-b_c.d~1");
        assert_eq!(
            escaped("arn:aws:iam::1:role/x&y=z +"),
            "arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx%26y%3Dz%20%2B"
        );
    }
}
