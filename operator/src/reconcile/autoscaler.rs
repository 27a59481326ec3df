//! The autoscaler as far as it must be told of.
//!
//! Owns how long it may see nothing of the load before that is told: a new one, and one whose pods have just
//! begun, has no numbers for a while. Pure.

use jiff::{SignedDuration, Timestamp};

use super::observed::Observed;
use super::phase::Waiting;
use super::reason;
use super::text::bounded_to;
use super::valid::{Scale, ValidErpGo};

/// By then metrics-server has read each pod several times.
const LET_PASS: SignedDuration = SignedDuration::from_secs(180);
/// Longest reason that is told, in bytes.
const MAX_REASON: usize = 400;

/// What is told of an autoscaler that cannot see the load.
#[must_use]
pub fn waiting(app: &ValidErpGo, seen: &Observed, now: Timestamp) -> Option<Waiting> {
    let Scale::Auto(_) = app.scale else {
        return None;
    };
    let blind = seen.hpa.as_ref()?.blind.as_ref()?;
    let lasts = now.duration_since(blind.since?);
    (lasts >= LET_PASS).then(|| {
        let name = app.names.base();
        Waiting::fault(
            reason::AUTOSCALER_BLIND,
            format!(
                "the HorizontalPodAutoscaler {name} cannot see the load, so that nothing is scaled: {}",
                bounded_to(&blind.message, MAX_REASON)
            ),
            format!(
                "see that metrics-server runs (kubectl top pods) and kubectl describe hpa {name}; or remove spec.autoscaling and set spec.replicas"
            ),
        )
    })
}
