//! The secret set in AWS Secrets Manager.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigMapKey, LocalName};

/// One secret in AWS Secrets Manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsBackend {
    /// Region, for example `eu-central-1`. Required. A change rolls the pods. Copy the secret there
    /// before.
    #[x_kube(validation = Rule::new("self.matches('^[a-z]{2}[a-z0-9-]*-[0-9]+$')")
        .message("spec.secrets.backend.aws.region must be a region such as eu-central-1"))]
    #[schemars(length(max = 40))]
    pub region: String,
    /// Name of the secret, for example `erpgo/shop`. Required. The operator creates it, or fills one
    /// that has no value yet. A change rolls the pods. Copy the secret before.
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9/_+=.@-]+$')")
        .message("spec.secrets.backend.aws.secretId must be a name of letters, digits and /_+=.@-, for example erpgo/shop"))]
    #[schemars(length(max = 500))]
    pub secret_id: String,
    /// Address of Secrets Manager, for example that of a VPC endpoint. Default: the region's own. A
    /// change rolls the pods.
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/ ]+/?$')")
        .message("spec.secrets.backend.aws.endpoint must be http(s)://HOST[:PORT] without a path"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300))]
    pub endpoint: Option<String>,
    /// Address of STS, for `webIdentity`. Default: the region's own. A change rolls the pods.
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/ ]+/?$')")
        .message("spec.secrets.backend.aws.stsEndpoint must be http(s)://HOST[:PORT] without a path"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300))]
    pub sts_endpoint: Option<String>,
    /// Allows `http` in `endpoint` and `stsEndpoint`, for a development server. Default false. A change
    /// rolls the pods.
    #[serde(default)]
    pub allow_http: bool,
    /// CA certificates that sign the endpoints' certificates. Default: the public roots in the image. A
    /// change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_config_map_ref: Option<ConfigMapKey>,
    /// How pods and operator log in. Required. A change rolls the pods.
    pub auth: AwsAuth,
}

/// Exactly one way to log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("[has(self.webIdentity), has(self.podIdentity), has(self.staticCredentialsSecretRef)].filter(set, set).size() == 1")
    .message("spec.secrets.backend.aws.auth takes exactly one of webIdentity, podIdentity and staticCredentialsSecretRef"))]
#[serde(rename_all = "camelCase")]
pub struct AwsAuth {
    /// A role that is assumed with the projected ServiceAccount token of this ErpGo (IRSA). Default
    /// none. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_identity: Option<AwsWebIdentity>,
    /// EKS Pod Identity: an association of the ServiceAccount `NAME` for the pods, and one of the
    /// operator's own ServiceAccount for the operator. Default none. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_identity: Option<AwsPodIdentity>,
    /// A Secret in this namespace with the keys `access-key-id` and `secret-access-key`, mounted as
    /// files and read again whenever they are needed. Default none. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_credentials_secret_ref: Option<LocalName>,
}

/// Web identity: the ServiceAccount `NAME` assumes the role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsWebIdentity {
    /// Role of the pods. Required. It needs `secretsmanager:GetSecretValue` on the secret. A change
    /// rolls the pods.
    #[x_kube(validation = Rule::new("self.matches('^arn:[a-z-]+:iam::[0-9]{12}:role/[^ ]+$')")
        .message("spec.secrets.backend.aws.auth.webIdentity.roleArn must be arn:aws:iam::ACCOUNT:role/NAME"))]
    #[schemars(length(max = 200))]
    pub role_arn: String,
    /// Role that the operator assumes as the same ServiceAccount. Default: `roleArn`. It needs to
    /// create and write the secret as well. A change is used by the operator's next login.
    #[x_kube(validation = Rule::new("self.matches('^arn:[a-z-]+:iam::[0-9]{12}:role/[^ ]+$')")
        .message("spec.secrets.backend.aws.auth.webIdentity.operatorRoleArn must be arn:aws:iam::ACCOUNT:role/NAME"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub operator_role_arn: Option<String>,
    /// Audience of the projected token. Default `sts.amazonaws.com`. A change rolls the pods.
    #[serde(default = "AwsWebIdentity::default_audience")]
    #[schemars(length(min = 1, max = 200))]
    pub audience: String,
}

impl AwsWebIdentity {
    fn default_audience() -> String {
        "sts.amazonaws.com".into()
    }

    /// The role of the operator.
    #[must_use]
    pub fn operator_role(&self) -> &str {
        self.operator_role_arn.as_deref().unwrap_or(&self.role_arn)
    }
}

/// EKS Pod Identity; it has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct AwsPodIdentity {}
