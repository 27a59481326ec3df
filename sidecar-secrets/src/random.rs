//! The one source of randomness, used for jitter alone.
//!
//! Owns the call to the kernel. Pure code takes a [`Unit`] as an argument and never comes here.

use crate::schedule::Unit;

/// A fresh number in `[0, 1)`.
pub(crate) fn unit() -> Unit {
    // Without randomness a pod still polls, only in step with its neighbours.
    Unit::from_bits(getrandom::u64().unwrap_or(u64::MAX / 2))
}
