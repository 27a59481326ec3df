//! Logging in to AWS as an `ErpGo`.
//!
//! Owns [`Sessions`]: one client with its credentials for each `ErpGo`, so that a reconcile at rest
//! neither asks for a ServiceAccount token nor assumes a role. A client is used for two thirds of the
//! life of its credentials and dropped at the first refusal.

use std::time::{Duration, Instant, SystemTime};

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use erpgo_crds::{AwsAuth, AwsBackend, AwsWebIdentity};

use super::fault;
use crate::secrets::account::Account;
use crate::secrets::error::SecretsError;
use crate::secrets::kubernetes::Store;
use crate::secrets::sessions::{self, Session};

const TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 3;
const HOUR: Duration = Duration::from_secs(3600);
// What a Secret holds may be replaced at any time.
const STATIC: Duration = Duration::from_secs(300);
const MAX_SESSIONS: usize = 1_000;
const SESSION_NAME: &str = "erpgo-operator";

/// Clients in use.
#[derive(Default)]
pub(in crate::secrets) struct Sessions(sessions::Sessions<String, Client, MAX_SESSIONS>);

/// Who logs in where.
pub(super) struct Login<'a> {
    pub(super) kube: &'a kube::Client,
    pub(super) account: &'a Account,
    pub(super) settings: &'a AwsBackend,
    pub(super) ca: Option<&'a str>,
}

struct Granted {
    provider: SharedCredentialsProvider,
    lasts: Duration,
}

impl Sessions {
    /// The cached client, or a new one from a login.
    pub(super) async fn client(&self, login: &Login<'_>) -> Result<Client, SecretsError> {
        let settings = login.fingerprint();
        if let Some(client) = self.0.get(login.account, &settings, Client::clone) {
            return Ok(client);
        }
        let http = http(login.settings, login.ca)?;
        let granted = login.credentials(&http).await?;
        let client = login.client(http, granted.provider);
        let session = Session {
            settings,
            login: client.clone(),
            until: Instant::now() + granted.lasts * 2 / 3,
        };
        self.0.keep(login.account.clone(), session);
        Ok(client)
    }

    /// Forgets credentials that were refused.
    pub(super) fn forget(&self, account: &Account) {
        self.0.forget(account);
    }
}

impl Login<'_> {
    fn fingerprint(&self) -> String {
        let settings = serde_json::to_string(self.settings).unwrap_or_default();
        format!("{settings}{}", self.ca.unwrap_or_default())
    }

    fn client(&self, http: SharedHttpClient, provider: SharedCredentialsProvider) -> Client {
        let mut config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.settings.region.clone()))
            .credentials_provider(provider)
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts());
        config.set_endpoint_url(self.settings.endpoint.clone());
        Client::from_conf(config.build())
    }

    async fn credentials(&self, http: &SharedHttpClient) -> Result<Granted, SecretsError> {
        match &self.settings.auth {
            AwsAuth {
                web_identity: Some(identity),
                ..
            } => self.assume(identity, http).await,
            AwsAuth {
                static_credentials_secret_ref: Some(secret),
                ..
            } => self.kept(&secret.name).await,
            AwsAuth {
                pod_identity: Some(_),
                ..
            } => Ok(of_this_pod(http)),
            AwsAuth {
                web_identity: None,
                pod_identity: None,
                static_credentials_secret_ref: None,
            } => Err(SecretsError::Settings(
                "no way to log in: set auth.webIdentity, auth.podIdentity or auth.staticCredentialsSecretRef",
            )),
        }
    }

    async fn assume(
        &self,
        identity: &AwsWebIdentity,
        http: &SharedHttpClient,
    ) -> Result<Granted, SecretsError> {
        let token = self.account.token(self.kube, &identity.audience).await?;
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.settings.region.clone()))
            .http_client(http.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts());
        config.set_endpoint_url(self.settings.sts_endpoint.clone());
        let answer = aws_sdk_sts::Client::from_conf(config.build())
            .assume_role_with_web_identity()
            .role_arn(identity.operator_role())
            .role_session_name(SESSION_NAME)
            .web_identity_token(token.expose_secret())
            .send()
            .await;
        let answer = answer.map_err(|error| refused(&error))?;
        let given = answer.credentials().ok_or(SecretsError::Malformed {
            what: "assumed role",
        })?;
        let until = SystemTime::try_from(*given.expiration()).ok();
        let lasts = until.and_then(|until| until.duration_since(SystemTime::now()).ok());
        let session = Some(given.session_token().to_owned());
        let (id, key) = (given.access_key_id(), given.secret_access_key());
        Ok(Granted {
            provider: credentials(id, key, session),
            lasts: lasts.unwrap_or_default().min(HOUR),
        })
    }

    async fn kept(&self, name: &str) -> Result<Granted, SecretsError> {
        let store = Store::new(self.kube.clone(), &self.account.namespace);
        let id = store.require(name, "access-key-id").await?;
        let key = store.require(name, "secret-access-key").await?;
        let (id, key) = (id.expose_secret().trim(), key.expose_secret().trim());
        Ok(Granted {
            provider: credentials(id, key, None),
            lasts: STATIC,
        })
    }
}

// The node's agent refreshes by itself; the client need not be made anew for it.
fn of_this_pod(http: &SharedHttpClient) -> Granted {
    let config = ProviderConfig::without_region().with_http_client(http.clone());
    let provider = EcsCredentialsProvider::builder().configure(&config).build();
    Granted {
        provider: SharedCredentialsProvider::new(provider),
        lasts: HOUR,
    }
}

fn credentials(id: &str, key: &str, session: Option<String>) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(id, key, session, None, SESSION_NAME))
}

// A role that does not trust the token, or a token that STS cannot check, is for a person to mend.
fn refused<E: aws_sdk_secretsmanager::error::ProvideErrorMetadata>(
    error: &aws_sdk_secretsmanager::error::SdkError<
        E,
        aws_sdk_secretsmanager::config::http::HttpResponse,
    >,
) -> SecretsError {
    match SecretsError::from(fault::of("the login", error)) {
        SecretsError::Malformed { .. } => SecretsError::Denied { doing: "the login" },
        other => other,
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(TIMEOUT / 2)
        .operation_timeout(TIMEOUT)
        .build()
}

fn http(settings: &AwsBackend, ca: Option<&str>) -> Result<SharedHttpClient, SecretsError> {
    let addresses = [&settings.endpoint, &settings.sts_endpoint];
    let plain = |address: &&String| address.starts_with("http:");
    if !settings.allow_http && addresses.into_iter().flatten().any(|a| plain(&a)) {
        return Err(SecretsError::Settings(
            "an endpoint is plain http: use https, or set allowHttp for a development server",
        ));
    }
    let trust = match ca {
        None => TrustStore::default(),
        Some(pem) => {
            // The SDK takes a bundle unread and would only fail, or panic, at the first request.
            super::super::vault::certificates(pem)?;
            TrustStore::empty().with_pem_certificate(pem)
        }
    };
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|_| SecretsError::Settings("no TLS client can be made"))?;
    Ok(Builder::new()
        .tls_provider(Provider::rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https())
}
