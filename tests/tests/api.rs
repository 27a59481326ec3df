//! Tests against a real kube-apiserver with etcd.

#[cfg(test)]
mod api {
    mod admission;
    mod defaults;
    mod finalizers;
    mod rbac;
    mod requests;
    mod ssa_ownership;
    mod zero_writes;
}
