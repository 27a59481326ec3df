//! Tests against a real kube-apiserver with etcd.

#[cfg(test)]
mod api {
    mod admission;
    mod children;
    mod defaults;
    mod events;
    mod evicted;
    mod finalizers;
    mod lease;
    mod pause;
    mod rbac;
    mod redis;
    mod requests;
    mod scale;
    mod ssa_ownership;
    mod zero_writes;
}
