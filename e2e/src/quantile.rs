//! The share of a run that was faster than a time.

use std::time::Duration;

/// The time that `share` (0 to 1) of `values` do not exceed; nothing for none.
pub(crate) fn quantile(mut values: Vec<Duration>, share: f64) -> Duration {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index below 2^32"
    )]
    let index = (last as f64 * share).round() as usize;
    values.get(index).copied().unwrap_or_default()
}
