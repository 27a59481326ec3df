//! What is shipped beside the binaries: chart, manifests, Argo CD's health check, and the scripts that a new user
//! runs first.

#[cfg(test)]
mod packaging {
    mod admitted;
    mod argocd;
    mod chart;
    mod dashboards;
    mod demo;
    mod dockerfiles;
    mod doctor;
    mod install;
    mod machine;
    mod tree;
}
