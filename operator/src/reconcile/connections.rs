//! Whether the database has a connection for whatever pods may ask for.
//!
//! Owns [`shortage`]. It is no fault: the database serves as long as not all pods are busy at once. So
//! it is told beside what is well, in the message of `Ready` and by one Event, and nothing waits for
//! it. How many there are the last migration has heard. Pure.

use erpgo_crds::{ConditionType, ErpGoStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::observed::Observed;
use super::phase::Phase;
use super::plan::Plan;
use super::reason;
use super::status::EventNote;
use super::valid::ValidErpGo;

/// Why the database may have too few connections, and what to do; nothing when it has enough or did
/// not say.
#[must_use]
pub fn shortage(app: &ValidErpGo, seen: &Observed) -> Option<String> {
    let report = seen.migration_job.as_ref()?.report.as_ref()?;
    let has = i64::from(report.connections?);
    let pods = i64::from(app.most_pods());
    // One beside its pool, on which a pod hears of changes.
    let each = i64::from(app.pool.max_connections) + 1;
    let asked = pods * each;
    (asked > has).then(|| {
        format!(
            "{pods} pods may ask for {asked} connections, {each} each, and the database has {has}: \
             lower spec.database.pool.maxConnections or the number of pods, or raise max_connections \
             of the server"
        )
    })
}

/// The Event of a shortage that `Ready` begins to tell.
pub(super) fn event(old: &ErpGoStatus, plan: &Plan) -> Option<EventNote> {
    let shortage = plan.shortage.as_ref()?;
    let was_told = |told: &Condition| {
        told.type_ == ConditionType::Ready.as_str() && told.message.contains(shortage)
    };
    let is_told = plan.phase == Phase::Settled && plan.waiting.is_none();
    let is_news = is_told && !old.conditions.iter().any(was_told);
    is_news.then(|| EventNote {
        warning: true,
        reason: reason::TOO_FEW_CONNECTIONS,
        action: "Reconcile",
        message: shortage.clone(),
    })
}
