//! Settings of the API. Running pods take them up without a restart, all but `cors` and `http`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Least severe level that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures only.
    Error,
    /// And what may become one.
    Warn,
    /// And one line a request.
    #[default]
    Info,
    /// And what is needed to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// Settings of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Least severe level that is logged. Default `info`. A change reaches running pods within about a
    /// minute.
    pub log_level: LogLevel,
    /// Cross-origin requests. Default: none. A change rolls the pods.
    pub cors: Cors,
    /// Connections, requests and answers. Default: what its fields say. A change rolls the pods.
    // Left out where nothing is set: what is hashed of the settings must not change with the operator.
    #[serde(skip_serializing_if = "Http::is_unset")]
    pub http: Http,
    /// Limits on logins. Default: what its fields say. A change reaches running pods within about a
    /// minute.
    pub login_limits: LoginLimits,
    /// Limits on all other requests. Default: what its fields say. A change reaches running pods within
    /// about a minute.
    pub request_limits: RequestLimits,
    /// What is switched on. Default: what its fields say. A change reaches running pods within about a
    /// minute.
    pub features: Features,
}

/// Cross-origin requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Cors {
    /// Origins that browsers may call from, for example `https://erp.example.com`, at most 32. Default
    /// none; `*` is refused since the API uses credentials. A change rolls the pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(max = 300), regex(pattern = r"^https?://[^/*\s]+$"))
    )]
    pub allowed_origins: Vec<String>,
}

/// Connections, requests and answers. A change rolls the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// Addresses and networks of the proxies in front of the pods, for example `10.244.0.0/16`, at most
    /// 32: their `X-Forwarded-For` is believed, and nobody else's. Default none: behind an Ingress or a
    /// load balancer all clients then count as one address in the limits per address. A change rolls
    /// the pods.
    #[x_kube(validation = Rule::new("self.all(proxy, isIP(proxy) || isCIDR(proxy))")
        .message("spec.settings.http.trustedProxies takes addresses and networks such as 10.244.0.0/16"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 49)))]
    pub trusted_proxies: Vec<String>,
    /// Whether answers carry `Strict-Transport-Security`: browsers then insist on HTTPS for a year, for
    /// this host and all below it. Default true. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsts: Option<bool>,
    /// Bytes that the body of a request may have, 1024 to 67108864. Default 131072, which is room for
    /// every valid one; each connection may hold as many, within the memory of `spec.resources`. A
    /// change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024, max = 67_108_864))]
    pub max_body_bytes: Option<i32>,
    /// Seconds after which a request is given up, 1 to 300. Default 30. One that is under way when its
    /// pod ends has no more than `spec.termination.drainSeconds`. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300))]
    pub request_timeout_seconds: Option<i32>,
    /// Connections that a pod serves at once, 1 to 65536, those of probes among them; others wait until
    /// one ends. Default 1024. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub max_connections: Option<i32>,
}

impl Http {
    fn is_unset(&self) -> bool {
        *self == Self::default()
    }
}

/// Limits on logins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoginLimits {
    /// Attempts of one client address in `windowSeconds`, 1 to 10000. Default 5. A change reaches
    /// running pods within about a minute.
    #[schemars(range(min = 1, max = 10000))]
    pub attempts_per_address: i32,
    /// Seconds for which an attempt of an address counts, 1 to 86400. Default 900. A change reaches
    /// running pods within about a minute, with no restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub window_seconds: Option<i32>,
    /// Failures in a row after which an account is locked for `lockSeconds`, 1 to 100. Default 5. A
    /// change reaches running pods within about a minute.
    #[schemars(range(min = 1, max = 100))]
    pub failures_before_lock: i32,
    /// Seconds for which an account is locked, and within which its failures are counted, 1 to 86400.
    /// Default 900. A change reaches running pods within about a minute, with no restart; a lock that
    /// has begun ends when it was to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub lock_seconds: Option<i32>,
}

/// Limits on requests, each for one kind of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestLimits {
    /// Requests that read. Default 600000 a minute of an address, 300000 of a user. A change reaches
    /// running pods within about a minute.
    pub reads: RequestLimit,
    /// Requests that write. Default 600000 a minute of an address, 300000 of a user. A change reaches
    /// running pods within about a minute.
    pub writes: RequestLimit,
    /// Exports of whole lists or of a person's data. Default 6000 a minute of an address, 600 of a
    /// user. A change reaches running pods within about a minute.
    pub exports: RequestLimit,
}

/// Requests in a minute; what exceeds them is answered by 429 with `Retry-After`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestLimit {
    /// Requests a minute of one client address, 0 to 10000000; 0 sets no limit. Default: that of the
    /// kind of request. A change reaches running pods within about a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub per_address: Option<i32>,
    /// Requests a minute of one user, 0 to 10000000; 0 sets no limit. Default: that of the kind of
    /// request. A change reaches running pods within about a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub per_user: Option<i32>,
}

/// What can be switched on and off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Features {
    /// Whether the API serves its document and the page of it, below `/api/docs`. Default true. A change
    /// reaches running pods within about a minute, with no restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<bool>,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            attempts_per_address: 5,
            window_seconds: None,
            failures_before_lock: 5,
            lock_seconds: None,
        }
    }
}
