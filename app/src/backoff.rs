//! Waits between two tries.
//!
//! Owns [`jittered`]: those who met at one try are not to meet again at the next.

use std::time::Duration;

/// Between three quarters and five quarters of `wait`.
pub(crate) fn jittered(wait: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    wait.mul_f64(0.75 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}
