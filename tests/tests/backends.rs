//! One suite for every backend of the secret set, each run against the real thing.
//!
//! A backend is one file here, which says how to reach it, and one line below for each way to log in.
//! What one backend alone can do wrong is in a file beside it.

#[cfg(test)]
mod backends {
    mod aws;
    mod aws_faults;
    mod bench;
    #[path = "../crashes/http.rs"]
    mod http;
    mod kubernetes;
    mod middleman;
    mod suite;
    mod unruly;
    mod vault;
    mod vault_faults;
    mod vault_silent;
    mod vault_standby;

    suite::conformance!(in_kubernetes, kubernetes::Kubernetes);
    suite::conformance!(in_vault, vault::Vault<vault::ByAppRole>);
    suite::conformance!(in_vault_by_jwt, vault::Vault<vault::ByJwt>);
    suite::conformance!(in_vault_by_kubernetes, vault::Vault<vault::ByKubernetes>);
    suite::conformance!(in_aws, aws::Aws<aws::ByAccessKey>);
    suite::conformance!(in_aws_by_web_identity, aws::Aws<aws::ByWebIdentity>);
}
