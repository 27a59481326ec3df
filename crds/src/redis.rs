//! The Redis of an ErpGo.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::SecretKey;

/// Redis: how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.rotation) || self.rotation.adminSecretRef.name != self.secretRef.name \
    || self.rotation.adminSecretRef.key != self.secretRef.key")
    .message("spec.redis.rotation.adminSecretRef must name another key than secretRef: pods work as a user that takes turns, never as the one that changes passwords"))]
#[serde(rename_all = "camelCase")]
pub struct Redis {
    /// Secret key that holds `redis://:password@host:6379/0`. Required. Pods never mount it. Without
    /// `rotation`, a change of the reference, or another URL in the Secret, begins a rotation.
    pub secret_ref: SecretKey,
    /// Lets the operator change passwords: two users take turns, by age and when it is asked to. The
    /// URL of `secretRef` is then the first one only. Default none: the credentials turn when the
    /// Secret of `secretRef` changes. A change takes hold with the next rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.users.size() != 2 || self.users[0] != self.users[1]")
        .message("spec.redis.rotation.users must be two different users: while pods work as one, the other gets a new password"))]
    #[x_kube(validation = Rule::new("self.users.all(user, user != 'default')")
        .message("spec.redis.rotation.users must not name default: whoever gives no user works as it"))]
    pub rotation: Option<RedisRotation>,
}

/// Two users that take turns, and who changes their passwords: docs/guides/redis-users.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisRotation {
    /// The two users of Redis' access list, of 1 to 63 characters of `a-z`, `0-9`, `_` and `-`, the
    /// first one of `a-z` or `_`. Required. Both may use the same keys and channels. A change takes
    /// hold with the next rotation.
    #[schemars(
        length(min = 2, max = 2),
        inner(length(max = 63), regex(pattern = r"^[a-z_][a-z0-9_-]*$"))
    )]
    pub users: Vec<String>,
    /// Secret key that holds the URL of a user that may change the passwords of the two. Required. A
    /// Job of the operator alone mounts it. A change counts for the next Job.
    pub admin_secret_ref: SecretKey,
}
