//! Outgoing mail of an ErpGo.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::LocalName;

/// Outgoing mail: codes for passwords and addresses, and news of a locked account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.credentialsSecretRef) || !self.smtpUrl.endsWith('?tls=none')")
    .message("spec.mail.credentialsSecretRef would be sent in clear: remove ?tls=none from spec.mail.smtpUrl"))]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    /// Where mail is handed in: `smtps://HOST[:PORT]` for TLS from the first byte, `smtp://HOST[:PORT]`
    /// for STARTTLS, which is required; `smtp://HOST[:PORT]?tls=none` speaks in clear. Required. A
    /// change rolls the pods.
    #[x_kube(validation = Rule::new("self.matches('^smtps://[^/@?# ]+/?$') || self.matches('^smtp://[^/@?# ]+/?([?]tls=(none|required))?$')")
        .message("spec.mail.smtpUrl must be smtps://HOST[:PORT] or smtp://HOST[:PORT], without credentials: they belong into spec.mail.credentialsSecretRef"))]
    #[schemars(length(max = 300))]
    pub smtp_url: String,
    /// A Secret in this namespace with the keys `username` and `password`. Default none: no
    /// authentication. A change rolls the pods; another value in the Secret is used by the next mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<LocalName>,
    /// The sender, for example `ERP of Example <erp@example.com>`. Required. A change rolls the pods.
    #[schemars(
        length(max = 300),
        regex(pattern = r"^([^<>@]*<[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$")
    )]
    pub from: String,
    /// Where links in mails lead, for example `https://erp.example.com/`. Default none: mails carry a
    /// code alone. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300), regex(pattern = r"^https?://[^\s@]+$"))]
    pub public_url: Option<String>,
}
