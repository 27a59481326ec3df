//! When a right counts that was just granted: the API server's caches hear of roles and bindings a
//! moment after they were written, each for itself.

use super::access::TestCluster;
use crate::fail;
use anyhow::{Context, bail};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use std::time::Duration;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

impl TestCluster {
    /// Waits until a service account, given as its namespace and its name, may do this. It is the
    /// administrator who asks: the account has no request in the audit log.
    pub async fn until_allowed(&self, account: (&str, &str), right: &ResourceAttributes) {
        fail::unless(self.wait_until_allowed(account, right).await);
    }

    async fn wait_until_allowed(
        &self,
        (namespace, name): (&str, &str),
        right: &ResourceAttributes,
    ) -> anyhow::Result<()> {
        let reviews: Api<SubjectAccessReview> = Api::all(self.client());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{namespace}:{name}")),
                resource_attributes: Some(right.clone()),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let deadline = Instant::now() + LIMIT;
        loop {
            let answer = reviews.create(&PostParams::default(), &review).await;
            let answer = answer.with_context(|| format!("no review of {namespace}/{name}"))?;
            if answer.status.is_some_and(|status| status.allowed) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("{namespace}/{name} lacks a right after {LIMIT:?}: {right:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
