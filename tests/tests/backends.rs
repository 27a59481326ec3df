//! One suite for every backend of the secret set, each run against the real thing.
//!
//! A backend is one file here, which says how to reach it, and one line below.

#[cfg(test)]
mod backends {
    mod aws;
    mod bench;
    mod kubernetes;
    mod suite;
    mod vault;

    suite::conformance!(in_kubernetes, kubernetes::Kubernetes);
    suite::conformance!(in_vault, vault::Vault);
    suite::conformance!(in_aws, aws::Aws);
}
