//! A real kube-apiserver with etcd: one that all tests of the checkout share, or one of one's own.
//!
//! There is no node, no scheduler and no controller manager: nothing collects garbage and no
//! Deployment makes pods, unless a private cluster asks for the controller manager.

mod access;
mod audit;
mod control_plane;
mod namespace;
mod pki;
mod private;
mod rights;
mod shared;

pub use access::TestCluster;
pub use audit::AuditEvent;
pub use namespace::TestNamespace;
pub use private::{PrivateCluster, private};

pub(crate) use shared::{down, status, up};

use crate::fail;
use crate::state::State;

/// Finds the shared cluster or starts it, which takes about ten seconds.
pub async fn cluster() -> TestCluster {
    let access = fail::blocking(|| up(&State::open()?)).await;
    TestCluster::new(fail::unless(access))
}
