//! Pods whose own sidecar cannot read the secret set, while the operator can.
//!
//! Owns how long that is let pass and what is told of it; until the next generation nothing else tells of
//! such a pod, which serves on with its last good set. Pure: a sidecar says since when, so nothing has to be
//! remembered, and what is told changes with the pods and their classes alone (I-05). It must never tell more
//! of a failure than its class (I-04).

use jiff::{SignedDuration, Timestamp};

use super::observed::{Observed, PodComponent, PodFacts};
use super::phase::Waiting;
use super::reason;
use super::text::listed;

/// By then a sidecar has tried several times.
const LET_PASS: SignedDuration = SignedDuration::from_secs(120);

/// Which pods have read nothing for too long.
#[must_use]
pub fn waiting(seen: &Observed, now: Timestamp) -> Option<Waiting> {
    let asked = || seen.pods.iter().filter(|pod| counts(pod));
    let stale: Vec<String> = asked().filter_map(|pod| told(pod, now)).collect();
    if stale.is_empty() {
        return None;
    }
    let (count, total) = (stale.len(), asked().count());
    Some(Waiting::fault(
        reason::SECRETS_STALE,
        format!(
            "{count} of {total} pods cannot read the secret set and serve with the last good one: {}",
            listed(stale)
        ),
        "see kubectl logs POD -c secrets; a pod takes it up by itself when it can read it again",
    ))
}

fn counts(pod: &PodFacts) -> bool {
    pod.component == PodComponent::Api && !pod.terminating && !pod.ended
}

// A sidecar that was just started has not failed yet, however old the set is that it found.
fn told(pod: &PodFacts, now: Timestamp) -> Option<String> {
    let class = pod.failure()?;
    let lasts = now.duration_since(pod.secrets.as_ref()?.backend.stale_since?);
    (lasts >= LET_PASS).then(|| format!("{} ({class})", pod.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use erpgo_secret_set::{BackendState, PodState, ToldClass};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A pod whose sidecar has failed since `stale` with `class`.
    fn pod(name: &str, stale: Option<i64>, class: Option<&str>) -> PodFacts {
        PodFacts {
            name: name.into(),
            secrets: Some(PodState {
                backend: BackendState {
                    healthy: class.is_none(),
                    stale_since: stale.map(at),
                    error_class: class.map(|word| ToldClass::from(word.to_owned())),
                    ..BackendState::default()
                },
                ..PodState::default()
            }),
            ..PodFacts::default()
        }
    }

    fn causes(pods: &[PodFacts], now: i64) -> Option<String> {
        let seen = Observed {
            pods: pods.to_vec(),
            ..Observed::default()
        };
        waiting(&seen, at(now)).map(|waiting| waiting.cause)
    }

    #[test]
    fn a_pod_is_named_with_its_class_once_it_has_failed_for_two_minutes() {
        let pods = [
            pod("shop-b", None, None),
            pod("shop-a", Some(1000), Some("denied")),
        ];
        assert_eq!(causes(&pods, 1119), None);
        let told = causes(&pods, 1120).unwrap();
        assert!(told.starts_with("1 of 2 pods "), "{told}");
        assert!(told.ends_with(": shop-a (denied)"), "{told}");
        // Time alone is no news.
        assert_eq!(causes(&pods, 90_000), Some(told));
    }

    #[test]
    fn the_order_of_pods_is_no_news() {
        let one = pod("shop-a", Some(1000), Some("denied"));
        let other = pod("shop-b", Some(1010), Some("unreachable"));
        let told = causes(&[one.clone(), other.clone()], 2000);
        assert!(told.is_some());
        assert_eq!(told, causes(&[other, one], 2000));
    }

    #[test]
    fn who_goes_has_ended_or_has_just_begun_is_not_told_of() {
        let stale = || pod("shop-a", Some(1000), Some("denied"));
        assert!(causes(&[stale()], 2000).is_some());
        let mut others = [stale(), stale(), stale(), stale(), stale()];
        others[0].terminating = true;
        others[1].ended = true;
        others[2].component = PodComponent::Migration;
        // It does not answer.
        others[3].secrets = None;
        // Its sidecar was restarted and has not tried yet.
        others[4] = pod("shop-a", Some(1000), None);
        assert_eq!(causes(&others, 2000), None);
        // Without any set it is not ready, which is told.
        assert_eq!(causes(&[pod("shop-a", None, Some("denied"))], 2000), None);
    }

    #[test]
    fn five_pods_are_named_and_the_rest_are_counted() {
        let name = |index| format!("shop-{index}");
        let pods: Vec<PodFacts> = (0..8)
            .map(|index| pod(&name(index), Some(1000), Some("unreachable")))
            .collect();
        let told = causes(&pods, 2000).unwrap();
        assert!(told.starts_with("8 of 8 pods "), "{told}");
        assert!(
            told.contains("shop-4 ") && !told.contains("shop-5"),
            "{told}"
        );
        assert!(told.ends_with(", 3 more"), "{told}");
    }

    #[test]
    fn what_a_pod_calls_a_class_is_bounded() {
        let long = "x".repeat(10_000);
        let told = causes(&[pod("shop-a", Some(1000), Some(&long))], 2000).unwrap();
        assert!(told.len() < 200, "{}", told.len());
    }
}
