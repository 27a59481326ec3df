//! Which sidecar runs beside the API.
//!
//! Owns [`choose`]: the image that the spec names; where it names none, the operator's default of the
//! time when the image of the API began to serve. A default that came later, with an upgrade of the
//! operator, waits for the next image of the API, since it must roll no pods (I-06). Pure.

use erpgo_crds::{ChosenBy, ErpGoStatus, ServingSidecar};

use super::config::Config;
use super::observed::Observed;
use super::valid::ValidErpGo;

/// The sidecar beside `image` of the API, in its pods and in the Job of its migrations.
#[must_use]
pub fn choose(
    app: &ValidErpGo,
    image: &str,
    status: Option<&ErpGoStatus>,
    seen: &Observed,
    config: &Config,
) -> ServingSidecar {
    if let Some(named) = &app.sidecar.image {
        return ServingSidecar {
            image: named.clone(),
            chosen_by: ChosenBy::Spec,
        };
    }
    let kept = match recorded(image, status) {
        // One that the spec named goes when it is named no more, and the pods roll for that.
        Some(sidecar) => match sidecar.chosen_by {
            ChosenBy::Spec => None,
            ChosenBy::Operator => Some(sidecar.image.clone()),
        },
        None => applied(image, seen),
    };
    ServingSidecar {
        image: kept.unwrap_or_else(|| config.sidecar_image.clone()),
        chosen_by: ChosenBy::Operator,
    }
}

fn recorded<'a>(image: &str, status: Option<&'a ErpGoStatus>) -> Option<&'a ServingSidecar> {
    let serves = |status: &&ErpGoStatus| status.serving_image.as_deref() == Some(image);
    status.filter(serves)?.serving_sidecar.as_ref()
}

// Nothing is recorded when the status was lost, when an older operator wrote it, or when one ended
// between the Deployment and the status. The default would roll every pod then, so what the operator
// itself applied stands for the record. A hand edit does not: whoever made it owns the field now, so
// that it is not in `seen`, and the pods that it rolled are rolled back to the default.
fn applied(image: &str, seen: &Observed) -> Option<String> {
    let live = seen.deployment.as_ref()?;
    live.sidecar_image.clone().filter(|_| live.image == image)
}
