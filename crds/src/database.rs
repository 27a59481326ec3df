//! The database of an ErpGo.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SecretKey;

/// PostgreSQL: how to reach it and how many connections to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.rotation) || self.rotation.adminSecretRef.name != self.secretRef.name \
    || self.rotation.adminSecretRef.key != self.secretRef.key")
    .message("spec.database.rotation.adminSecretRef must name another key than secretRef: pods work as a role that takes turns, never as the one that changes passwords"))]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// Secret key that holds `postgres://user:password@host:5432/database`. Required. Pods never mount
    /// it; without `rotation`, another URL in it begins a rotation. Pods refuse one whose database lacks
    /// the schema: restore it there first. The reference cannot be changed: another database is another
    /// ErpGo.
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("spec.database.secretRef is immutable: create another ErpGo for another database"))]
    pub secret_ref: SecretKey,
    /// Lets the operator change passwords: two roles take turns, by age and when it is asked to. The
    /// URL of `secretRef` is then the first one only. Default none: the credentials turn when the
    /// Secret of `secretRef` changes. A change takes hold with the next rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.roles.size() != 2 || self.roles[0] != self.roles[1]")
        .message("spec.database.rotation.roles must be two different roles: while pods work as one, the other gets a new password"))]
    #[x_kube(validation = Rule::new("self.roles.all(role, !role.startsWith('pg_'))")
        .message("spec.database.rotation.roles must not begin with pg_: such roles are PostgreSQL's own"))]
    pub rotation: Option<DatabaseRotation>,
    /// Connection pool of each pod. Default: what its fields say. A change rolls the pods.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self.minConnections <= self.maxConnections")
        .message("spec.database.pool.minConnections must be at most maxConnections"))]
    pub pool: Pool,
}

/// Two roles that take turns, and who changes their passwords: docs/guides/database-roles.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseRotation {
    /// The two roles, of 1 to 63 characters of `a-z`, `0-9` and `_`. Required. Neither owns tables;
    /// both act as the role that does. A change takes hold with the next rotation.
    #[schemars(
        length(min = 2, max = 2),
        inner(length(max = 63), regex(pattern = r"^[a-z_][a-z0-9_]*$"))
    )]
    pub roles: Vec<String>,
    /// Secret key that holds the URL of a role that may change the passwords of the two. Required. A
    /// Job of the operator alone mounts it. A change counts for the next Job.
    pub admin_secret_ref: SecretKey,
}

/// Connections that one pod holds. A change rolls the pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Pool {
    /// Most connections, 1 to 100. Default 10. Each pod holds one more, on which it hears of changes:
    /// pods times both must stay below the server's `max_connections`. A change rolls the pods.
    #[schemars(range(min = 1, max = 100))]
    pub max_connections: i32,
    /// Connections kept open when idle, 0 to 10. Default 1. A change rolls the pods.
    #[schemars(range(min = 0, max = 10))]
    pub min_connections: i32,
    /// Seconds after which an idle connection is closed, 1 to 1800. Default 600. A change rolls the
    /// pods.
    #[schemars(range(min = 1, max = 1800))]
    pub idle_timeout_seconds: i32,
    /// Seconds after which any connection is replaced, 60 to 3600. Default 1800. A change rolls the
    /// pods.
    #[schemars(range(min = 60, max = 3600))]
    pub max_lifetime_seconds: i32,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            max_connections: 10,
            min_connections: 1,
            idle_timeout_seconds: 600,
            max_lifetime_seconds: 1800,
        }
    }
}
