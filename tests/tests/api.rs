//! Tests against a real kube-apiserver with etcd.

#[cfg(test)]
mod api {
    mod administrator;
    mod admission;
    mod children;
    mod defaults;
    mod events;
    mod evicted;
    mod finalizers;
    #[path = "../crashes/http.rs"]
    mod http;
    mod lease;
    mod moves;
    mod otlp;
    mod pause;
    mod rbac;
    mod redis;
    mod refused;
    mod requests;
    mod scale;
    mod sidecars;
    mod ssa_ownership;
    mod traces;
    mod undone;
    mod zero_writes;
}
