//! What pods say of their dependencies.
//!
//! Owns the question `GET /health/ready` to each pod of the API: a pod that serves without Redis, or
//! does not serve for want of its database, says so there and nowhere in its Kubernetes status. It
//! decides nothing. A pod that does not answer within a second says nothing. At most sixteen pods
//! are asked at once, and answers are bounded (I-12). A reason names no address and no value (I-04).

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures::{StreamExt as _, stream};
use reqwest::Method;
use serde::Deserialize;

use crate::pod_port::{AT_ONCE, PodPort, bounded};
use crate::reconcile::build::pod::HTTP;
use crate::reconcile::observed::{Complaint, Dependency};
use crate::reconcile::text::bounded_to;

/// Where the API is asked.
pub const PORT: u16 = HTTP.number;
const MAX_REASON: usize = 200;

/// The client for the pods' readiness.
pub struct Complaints {
    port: PodPort,
}

/// The part of the answer that is looked at.
#[derive(Deserialize)]
struct Health {
    #[serde(default)]
    checks: BTreeMap<String, Check>,
}

#[derive(Deserialize)]
struct Check {
    status: String,
    #[serde(default)]
    reason: Option<String>,
}

impl Complaints {
    /// A client for ports as pods have them.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        Self::with_port(PORT)
    }

    fn with_port(port: u16) -> Result<Self, reqwest::Error> {
        PodPort::new(port).map(|port| Self { port })
    }

    /// What `pods` complain of, one entry for each dependency.
    pub async fn of(&self, pods: &[IpAddr]) -> Vec<Complaint> {
        let asked = stream::iter(pods.iter().copied()).map(|pod| self.ask(pod));
        let answers: Vec<Option<Health>> = asked.buffer_unordered(AT_ONCE).collect().await;
        let answers: Vec<Health> = answers.into_iter().flatten().collect();
        [Dependency::Database, Dependency::Redis]
            .into_iter()
            .filter_map(|dependency| complaint(dependency, &answers))
            .collect()
    }

    async fn ask(&self, pod: IpAddr) -> Option<Health> {
        let asked = self.port.request(Method::GET, pod, "/health/ready");
        // Both 200 and 503 carry the checks.
        let answer = asked.send().await.ok()?;
        serde_json::from_slice(&bounded(answer).await?).ok()
    }
}

fn complaint(dependency: Dependency, answers: &[Health]) -> Option<Complaint> {
    let reasons: Vec<&str> = answers
        .iter()
        .filter_map(|health| health.checks.get(dependency.as_str()))
        .filter(|check| check.status == "unhealthy")
        .map(|check| check.reason.as_deref().unwrap_or_default())
        .collect();
    // The order of answers must not make news of the same complaint.
    let reason = reasons.iter().min()?;
    Some(Complaint {
        dependency,
        reason: bounded_to(reason, MAX_REASON),
        pods: i32::try_from(reasons.len()).unwrap_or(i32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(checks: &str) -> Health {
        serde_json::from_str(&format!(r#"{{"status":"x","checks":{checks}}}"#)).unwrap()
    }

    #[test]
    fn the_failed_checks_are_counted_by_dependency() {
        let answers = [
            health(
                r#"{"database":{"status":"healthy","latency_ms":1.0},"redis":{"status":"unhealthy","reason":"b"}}"#,
            ),
            health(r#"{"redis":{"status":"unhealthy","reason":"a"}}"#),
            health(r#"{"redis":{"status":"disabled"}}"#),
            health("{}"),
        ];
        assert_eq!(complaint(Dependency::Database, &answers), None);
        let found = complaint(Dependency::Redis, &answers).unwrap();
        assert_eq!((found.reason.as_str(), found.pods), ("a", 2));
    }

    #[tokio::test]
    async fn pods_that_answer_nonsense_or_nothing_say_nothing() {
        let router = axum::Router::new().route(
            "/health/ready",
            axum::routing::get(|| async { "x".repeat(100_000) }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let complaints = Complaints::with_port(address.port()).unwrap();
        // Nothing listens on the second address.
        let pods = [address.ip(), "127.0.0.9".parse().unwrap()];
        assert_eq!(complaints.of(&pods).await, []);
    }
}
