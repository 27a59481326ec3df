//! Who logs in to a backend.
//!
//! Owns [`Account`] and the requests for tokens of its ServiceAccount. A token is used once, within
//! seconds, and is not kept.

use erpgo_secret_set::Secret;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};

use super::error::SecretsError;

// Shortest life that a TokenRequest may ask for.
const TOKEN_SECONDS: i64 = 600;

/// Who logs in: the ServiceAccount `name` in `namespace`, or the credentials kept there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// Namespace of the `ErpGo`.
    pub namespace: String,
    /// Name of the `ErpGo`, which is also that of its ServiceAccount.
    pub name: String,
}

impl Account {
    /// A fresh token of the ServiceAccount for `audience`.
    pub(super) async fn token(
        &self,
        client: &Client,
        audience: &str,
    ) -> Result<Secret, SecretsError> {
        let api: Api<ServiceAccount> = Api::namespaced(client.clone(), &self.namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.to_owned()],
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer: Result<TokenRequest, kube::Error> = api
            .create_subresource("token", &self.name, &PostParams::default(), &request)
            .await;
        match answer {
            Ok(granted) => granted
                .status
                .map(|status| Secret::new(status.token))
                .ok_or(SecretsError::Malformed {
                    what: "token request",
                }),
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                Err(SecretsError::NoServiceAccount)
            }
            Err(source) => Err(SecretsError::Kubernetes {
                doing: "asking for a ServiceAccount token",
                source,
            }),
        }
    }
}
