//! What is shipped beside the binaries: chart, manifests, Argo CD's health check.

#[cfg(test)]
mod packaging {
    mod admitted;
    mod argocd;
    mod chart;
    mod dashboards;
    mod dockerfiles;
    mod install;
    mod tree;
}
