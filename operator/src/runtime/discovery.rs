//! Which APIs the cluster serves.
//!
//! Owns the check for our own CRD at start and the look for optional ones, which is repeated: a CRD
//! that is installed later switches its feature on without a restart, and one that is missing
//! switches off one feature and nothing else.

use std::time::Duration;

use kube::Client;
use tokio::sync::watch;

use crate::reconcile::observed::ApiPresence;

/// Time between two looks.
pub const REFRESH: Duration = Duration::from_secs(60);

const OWN: (&str, &str) = ("erpgo.io/v1alpha1", "erpgos");
const SERVICE_MONITOR: (&str, &str) = ("monitoring.coreos.com/v1", "servicemonitors");
const PROMETHEUS_RULE: (&str, &str) = ("monitoring.coreos.com/v1", "prometheusrules");
const HTTP_ROUTE: (&str, &str) = ("gateway.networking.k8s.io/v1", "httproutes");

/// Why the operator cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The CRD is not installed.
    #[error(
        "the cluster does not know ErpGo (erpgo.io/v1alpha1). Apply the CRD first: \
         erpgo-operator crd | kubectl apply --server-side -f -"
    )]
    NoCrd,
    /// The API cannot be asked.
    #[error("the Kubernetes API cannot be reached: check the kubeconfig or the ServiceAccount")]
    Api(#[source] kube::Error),
}

/// Fails unless the cluster serves `ErpGo`.
///
/// # Errors
/// [`DiscoveryError`] with the way out.
pub async fn require_crd(client: &Client) -> Result<(), DiscoveryError> {
    match serves(client, OWN).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(DiscoveryError::NoCrd),
        Err(source) => Err(DiscoveryError::Api(source)),
    }
}

/// Which optional APIs the cluster serves.
///
/// # Errors
/// When the API cannot be asked; absence is no error.
pub async fn presence(client: &Client) -> Result<ApiPresence, kube::Error> {
    Ok(ApiPresence {
        service_monitor: serves(client, SERVICE_MONITOR).await?,
        prometheus_rule: serves(client, PROMETHEUS_RULE).await?,
        http_route: serves(client, HTTP_ROUTE).await?,
    })
}

async fn serves(client: &Client, (version, plural): (&str, &str)) -> Result<bool, kube::Error> {
    match client.list_api_group_resources(version).await {
        Ok(list) => Ok(list
            .resources
            .iter()
            .any(|resource| resource.name == plural)),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Looks again and again and sends what changed. What could not be asked stays as it was.
pub async fn refresh(client: Client, sender: watch::Sender<ApiPresence>) {
    loop {
        tokio::time::sleep(REFRESH).await;
        match presence(&client).await {
            Ok(now) => {
                sender.send_if_modified(|before| {
                    let changed = *before != now;
                    *before = now;
                    changed
                });
            }
            Err(error) => tracing::debug!(%error, "the API could not be asked for its resources"),
        }
    }
}
