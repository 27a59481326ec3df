//! The Redis of an ErpGo.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::SecretKey;

/// Redis: how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redis {
    /// Secret key that holds `redis://:password@host:6379/0`. It is read when the first secret
    /// generation is written; pods never mount it.
    pub secret_ref: SecretKey,
}
