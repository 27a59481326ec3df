//! The alerts of one `ErpGo`.
//!
//! Owns [`rules`]: which alerts there are, in which order, and what each of them says. An alert is a
//! ratio with a minimum of traffic wherever it is about a share, so that one failure at night pages
//! nobody. Every series is selected by namespace and name, so that two installations never answer for
//! each other. Pure; it must never look at a cluster or read a secret (I-04).

mod authentication;
mod cache;
mod connection_pool;
mod database;
mod down;
mod error_rate;
mod latency;
mod rotation_stuck;
mod rule;
mod secret_age;

use erpgo_crds::Alerts;
pub use rule::{Rule, Severity};

/// What the expressions are built from.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Namespace of the `ErpGo`.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Connections that one pod may hold.
    pub max_connections: i32,
    /// Whether pods are wanted at all: an installation that is scaled to zero is not down.
    pub serves: bool,
    /// Keys that are rotated by age.
    pub scheduled: &'a [&'static str],
    /// Days after which they are.
    pub interval_days: i32,
    /// The thresholds.
    pub thresholds: &'a Alerts,
}

impl Scope<'_> {
    /// A selector of this installation's series, with further matchers.
    fn series(&self, metric: &str, matchers: &[&str]) -> String {
        let namespace = format!("namespace=\"{}\"", self.namespace);
        let name = format!("erpgo=\"{}\"", self.name);
        let all: Vec<&str> = [namespace.as_str(), name.as_str()]
            .into_iter()
            .chain(matchers.iter().copied())
            .collect();
        format!("{metric}{{{}}}", all.join(","))
    }

    /// Increase a second over five minutes, all pods together.
    fn rate(&self, metric: &str, matchers: &[&str]) -> String {
        let series = self.series(metric, matchers);
        format!("sum by (namespace, erpgo) (rate({series}[5m]))")
    }
}

/// Requests of people and programs. Probes succeed while all else fails, and would thin it out.
const NOT_A_PROBE: &str = "path!~\"/health/.*\"";

/// Fewest events a second that a share is taken of: 30 in the five minutes that are looked at.
const ENOUGH: &str = "0.1";

/// Every alert of the installation.
#[must_use]
pub fn rules(scope: &Scope<'_>) -> Vec<Rule> {
    let mut rules = vec![
        error_rate::rule(scope),
        latency::rule(scope),
        database::rule(scope),
        connection_pool::rule(scope),
        cache::rule(scope),
        authentication::rule(scope),
        secret_age::rule(scope),
        rotation_stuck::rule(scope),
    ];
    if scope.serves {
        rules.push(down::rule(scope));
    }
    rules
}

fn share(percent: i32) -> f64 {
    f64::from(percent) / 100.0
}
