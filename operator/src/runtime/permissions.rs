//! Every permission that the operator's code uses, and no other.
//!
//! Owns [`PERMISSIONS`]: the chart's RBAC is rendered from it and a test compares the two. A verb
//! that is added here without a use in the code, or used without being here, is a defect. Secrets
//! are neither listed nor watched.

/// Where a permission holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In every namespace that is watched: a Role there, or a ClusterRole in cluster mode.
    Watched,
    /// In the operator's own namespace.
    Own,
}

/// What must be in use for the permission to be needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Always.
    Always,
    /// Only with more than one replica of the operator.
    LeaderElection,
    /// Only where the prometheus-operator's CRDs are installed.
    Monitoring,
    /// Only where the Gateway API is installed.
    GatewayApi,
    /// Only where an `ErpGo` logs in to its backend with a token of its ServiceAccount.
    VaultKubernetesAuth,
}

/// Verbs on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// API group; empty for the core.
    pub group: &'static str,
    /// Resource, with its subresource.
    pub resource: &'static str,
    /// Verbs, in alphabetical order.
    pub verbs: &'static [&'static str],
    /// Where it holds.
    pub scope: Scope,
    /// When it is needed.
    pub need: Need,
}

const CHILD: &[&str] = &["create", "delete", "get", "list", "patch", "watch"];
// Never pruned: they are wanted for as long as the ErpGo is there, and its owner references do the rest.
const KEPT_CHILD: &[&str] = &["create", "get", "list", "patch", "watch"];
// Watched by nobody: the reconcile at rest reads them by name.
const OPTIONAL_CHILD: &[&str] = &["create", "delete", "get", "patch"];

const fn watched(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> Permission {
    Permission {
        group,
        resource,
        verbs,
        scope: Scope::Watched,
        need: Need::Always,
    }
}

const fn when(need: Need, permission: Permission) -> Permission {
    Permission { need, ..permission }
}

/// Every permission.
pub const PERMISSIONS: &[Permission] = &[
    watched("erpgo.io", "erpgos", &["get", "list", "patch", "watch"]),
    watched("erpgo.io", "erpgos/status", &["patch"]),
    // For owner references that block the owner's deletion.
    watched("erpgo.io", "erpgos/finalizers", &["update"]),
    watched("", "serviceaccounts", KEPT_CHILD),
    watched("rbac.authorization.k8s.io", "roles", KEPT_CHILD),
    watched("rbac.authorization.k8s.io", "rolebindings", KEPT_CHILD),
    watched("", "configmaps", KEPT_CHILD),
    watched("", "services", KEPT_CHILD),
    watched("apps", "deployments", KEPT_CHILD),
    // A Job is created and deleted, never patched.
    watched(
        "batch",
        "jobs",
        &["create", "delete", "get", "list", "watch"],
    ),
    watched("autoscaling", "horizontalpodautoscalers", CHILD),
    watched("policy", "poddisruptionbudgets", CHILD),
    watched("networking.k8s.io", "networkpolicies", CHILD),
    watched("networking.k8s.io", "ingresses", CHILD),
    watched("", "pods", &["list", "watch"]),
    // By name only. `patch` serves the rotation of the secret set, `delete` deletionPolicy Delete.
    watched("", "secrets", &["create", "delete", "get", "patch"]),
    // Listed by the uid of a migration Job that has no pod: nothing else tells why.
    watched("events.k8s.io", "events", &["create", "list"]),
    when(
        Need::VaultKubernetesAuth,
        watched("", "serviceaccounts/token", &["create"]),
    ),
    when(
        Need::Monitoring,
        watched("monitoring.coreos.com", "servicemonitors", OPTIONAL_CHILD),
    ),
    when(
        Need::Monitoring,
        watched("monitoring.coreos.com", "prometheusrules", OPTIONAL_CHILD),
    ),
    when(
        Need::GatewayApi,
        watched("gateway.networking.k8s.io", "httproutes", OPTIONAL_CHILD),
    ),
    Permission {
        group: "coordination.k8s.io",
        resource: "leases",
        verbs: &["create", "get", "update"],
        scope: Scope::Own,
        need: Need::LeaderElection,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_neither_listed_nor_watched_and_nothing_is_a_wildcard() {
        for permission in PERMISSIONS {
            let all = [permission.group, permission.resource];
            assert!(!all.contains(&"*"), "{permission:?}");
            for verb in permission.verbs {
                assert!(
                    !matches!(
                        *verb,
                        "*" | "escalate" | "bind" | "impersonate" | "deletecollection"
                    ),
                    "{permission:?}"
                );
            }
            if permission.resource == "secrets" {
                assert_eq!(permission.verbs, ["create", "delete", "get", "patch"]);
            }
        }
    }

    #[test]
    fn each_resource_is_listed_once_with_sorted_verbs() {
        let mut seen = std::collections::HashSet::new();
        for permission in PERMISSIONS {
            assert!(
                seen.insert((permission.group, permission.resource)),
                "{permission:?}"
            );
            assert!(permission.verbs.is_sorted(), "{permission:?}");
        }
    }
}
