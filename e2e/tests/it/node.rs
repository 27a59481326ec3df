//! The node that the journeys run on.

use anyhow::Result;
use erpgo_e2e::{beside, smoke};

/// Sidecars, memory for secrets, names, NodePorts on loopback, databases and metrics of pods: where one is missing,
/// the journeys fail for other reasons than those that they tell.
#[tokio::test]
async fn the_node_has_what_the_product_relies_on() -> Result<()> {
    let _beside = beside().await;
    smoke()
}
