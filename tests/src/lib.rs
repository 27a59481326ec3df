//! What the tests against a real API server share: the manifests and the cluster.
//!
//! The tests themselves are in `tests/`. Nothing here may know what the operator does inside.

pub mod cluster;
pub mod manifests;
pub mod operator;
pub mod shop;
pub mod sidecars;
pub mod wait;
