//! A cluster that has all that an `ErpGo` refers to, and nothing of its own.
//!
//! Owns [`present`], which a plan without a cluster begins with. Pure.

use erpgo_crds::ErpGo;

use super::observed::{ApiPresence, Observed, SecretSetState, SecretSource};

/// Every input is there and valid; nothing has run yet.
#[must_use]
pub fn present(erpgo: &ErpGo) -> Observed {
    let spec = &erpgo.spec;
    Observed {
        database_secret: SecretSource::Present,
        redis_secret: spec.redis.as_ref().map(|_| SecretSource::Present),
        bootstrap_secret: spec.bootstrap_admin.as_ref().map(|_| SecretSource::Present),
        secret_set: SecretSetState::Present { generation: 1 },
        available_apis: ApiPresence {
            service_monitor: true,
            prometheus_rule: true,
            http_route: true,
        },
        ..Observed::default()
    }
}
