//! Settings of `erpgo-operator run`.
//!
//! Owns [`RunArgs`]: flags, each with an environment variable, so that a Deployment and a shell can
//! both say it. No flag takes a secret.

use std::net::SocketAddr;

use clap::Args;

use super::watches::Reach;
use crate::reconcile::config::Config;

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people at a terminal.
    Text,
}

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Watch this namespace only; without it, every namespace
    #[arg(long, env = "ERPGO_OPERATOR_NAMESPACE")]
    pub namespace: Option<String>,
    /// Image of the sidecar that renders secrets; a change reaches pods with the next spec.image
    #[arg(
        long,
        env = "ERPGO_OPERATOR_SIDECAR_IMAGE",
        default_value = concat!("erpgo.local/sidecar-secrets:", env!("CARGO_PKG_VERSION"))
    )]
    pub sidecar_image: String,
    /// Address of /livez, /readyz and /metrics
    #[arg(
        long,
        env = "ERPGO_OPERATOR_METRICS_LISTEN",
        default_value = "0.0.0.0:8081"
    )]
    pub metrics_listen: SocketAddr,
    /// Wait for the leader lease before working, for more than one replica
    #[arg(long, env = "ERPGO_OPERATOR_LEADER_ELECT")]
    pub leader_elect: bool,
    /// Name of that lease: operators of one namespace that serve others each need one of their own
    #[arg(
        long,
        env = "ERPGO_OPERATOR_LEASE_NAME",
        default_value = "erpgo-operator"
    )]
    pub lease_name: String,
    /// Namespace of the leader lease and of this operator; without it, that of the kubeconfig or pod
    #[arg(long, env = "POD_NAMESPACE")]
    pub own_namespace: Option<String>,
    /// Log filter, such as info or info,erpgo_operator=debug
    #[arg(long, env = "ERPGO_OPERATOR_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// Format of the log
    #[arg(
        long,
        env = "ERPGO_OPERATOR_LOG_FORMAT",
        value_enum,
        default_value = "json"
    )]
    pub log_format: LogFormat,
    /// OTLP/HTTP collector for traces, such as http://collector:4318
    #[arg(long, env = "ERPGO_OPERATOR_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

impl RunArgs {
    /// What shapes the objects that are built; `namespace` is the operator's own.
    #[must_use]
    pub fn plan_config(&self, namespace: &str) -> Config {
        Config {
            sidecar_image: self.sidecar_image.clone(),
            operator_namespace: namespace.to_owned(),
        }
    }

    /// Where the operator looks.
    #[must_use]
    pub fn reach(&self) -> Reach {
        // An empty variable is what a chart renders for "not set".
        match self.namespace.as_deref() {
            None | Some("") => Reach::Cluster,
            Some(name) => Reach::Namespace(name.to_owned()),
        }
    }
}
