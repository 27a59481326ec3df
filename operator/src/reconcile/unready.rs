//! What keeps pods from being ready and stands nowhere in their Kubernetes status.
//!
//! Owns what is told of a sidecar that gets no secret set though the operator reads it, and of Secrets without
//! which the kubelet starts no container. Pure: a pod says since when its sidecar runs. It must never tell more
//! of a failure than its class (I-04).

use erpgo_secret_set::{ErrorClass, ToldClass};
use jiff::{SignedDuration, Timestamp};

use super::observed::{Observed, PodComponent, PodFacts};
use super::phase::{self, Waiting};
use super::reason;
use super::valid::ValidErpGo;
use crate::rotation::LoginKey;

/// By then a sidecar has tried more than once, however long its image was pulled before.
const LET_PASS: SignedDuration = SignedDuration::from_secs(10);

/// What to do of a sidecar that needs nobody's doing, as far as is known.
const BY_ITSELF: &str = "it tries again by itself";

/// Which sidecar of `component` and `image` has got no secret set yet, and why.
#[must_use]
pub fn sidecar(
    seen: &Observed,
    component: PodComponent,
    image: &str,
    now: Timestamp,
) -> Option<Waiting> {
    let is_late = |at: Timestamp| now.duration_since(at) >= LET_PASS;
    phase::beginning(seen, component, image)
        .filter(|pod| pod.sidecar_started_at.is_some_and(is_late))
        .find_map(unfed)
}

fn unfed(pod: &PodFacts) -> Option<Waiting> {
    let class = pod.failure()?;
    let rendered = pod.secrets.as_ref()?.rendered_generation;
    let name = &pod.name;
    rendered.is_none().then(|| {
        Waiting::fault(
            reason::BACKEND_UNREACHABLE,
            format!(
                "the sidecar of pod {name} cannot read the secret set ({class}), which the operator can"
            ),
            format!("{}; see kubectl logs {name} -c secrets", way_out(class)),
        )
    })
}

fn way_out(class: &ToldClass) -> &'static str {
    let ToldClass::Known(class) = class else {
        return BY_ITSELF;
    };
    match class {
        ErrorClass::Denied => {
            "let pods do what the operator may: the login of spec.secrets.backend and its policy"
        }
        ErrorClass::NotFound => {
            "see that pods and the operator look at the same place in spec.secrets.backend"
        }
        ErrorClass::Unreachable => {
            "see that pods reach it: NetworkPolicies, DNS, the CA in spec.secrets.backend"
        }
        ErrorClass::Throttled
        | ErrorClass::Sealed
        | ErrorClass::Malformed
        | ErrorClass::Unwritable => BY_ITSELF,
    }
}

/// What pods wait for when the Secret for mail is not as it should be.
#[must_use]
pub fn mail(app: &ValidErpGo, seen: &Observed) -> Option<Waiting> {
    let secret = app.mail.as_ref()?.credentials_secret_ref.as_ref()?;
    phase::source(
        "spec.mail.credentialsSecretRef",
        &secret.name,
        "username and password",
        seen.mail_secret.as_ref()?,
    )
}

/// What a Job that changes a password waits for.
#[must_use]
pub fn login_admins(app: &ValidErpGo, seen: &Observed) -> Option<Waiting> {
    seen.login_admins.iter().find_map(|(key, found)| {
        let admin = &app.turns.get(key)?.admin;
        let field = match key {
            LoginKey::Database => "spec.database.rotation.adminSecretRef",
            LoginKey::Redis => "spec.redis.rotation.adminSecretRef",
        };
        phase::source(field, &admin.name, &admin.key, found)
    })
}
