//! What the operator makes of a Vault that throttles, is sealed, has revoked its login or may be read alone:
//! the right word, and one version for each write however often it is tried.

use erpgo_operator::secrets::{Revision, WriteId};
use serde_json::{Value, json};

use super::bench::CANARY;
use super::suite::{Backend, created, done, failures, shown, successor, text};
use super::vault::{ByAppRole, PATH, RIGHTS, Vault};

// Look, write.
const REQUESTS_OF_A_WRITE: usize = 2;
const QUOTA: &str = "sys/quotas/rate-limit/mount";

impl Vault<ByAppRole> {
    // Serves this many requests to the mount, and in the hour after them none.
    async fn serve(&self, requests: usize) {
        let headers = json!({"enable_rate_limit_response_headers": true});
        self.server.write("sys/quotas/config", &headers).await;
        let quota = json!({"path": "secret/", "rate": requests, "interval": "1h"});
        self.server.write(QUOTA, &quota).await;
    }

    async fn serve_all(&self) {
        self.server.delete(QUOTA).await;
    }

    async fn asked(&self, area: &str) -> reqwest::Response {
        self.asked_at(&format!("secret/{area}/{PATH}")).await
    }

    // Root's token and those of logins that are in use.
    async fn tokens(&self) -> usize {
        let listed = self.asked_at("auth/token/accessors?list=true").await;
        let listed: Value = listed.json().await.unwrap();
        listed["data"]["keys"].as_array().unwrap().len()
    }

    async fn asked_at(&self, path: &str) -> reqwest::Response {
        let url = format!("{}/v1/{path}", self.server.url());
        let token = self.server.root_token();
        let sent = reqwest::Client::new()
            .get(url)
            .header("X-Vault-Token", token);
        sent.send().await.unwrap()
    }

    async fn holds(&self, revision: &Revision, text_of_it: &str, versions: usize) {
        let held = self.here().held().await;
        assert_eq!(held.revision, *revision);
        assert_eq!(text(&held.document), text_of_it);
        let metadata: Value = self.asked("metadata").await.json().await.unwrap();
        assert_eq!(metadata["data"]["current_version"], versions);
    }
}

#[tokio::test]
async fn i10_a_write_that_vault_throttles_at_any_request_is_done_once_by_the_next_try() {
    let vault = Vault::<ByAppRole>::start().await;
    created(&vault).await;
    for through in 0..REQUESTS_OF_A_WRITE {
        let here = vault.here();
        // With the read that comes first; a limit of none cannot be set.
        vault.serve(through + 1).await;
        let held = here.held().await;
        let next = successor(&held.document, "next");
        let id = WriteId::derive("r1", &format!("step {through}"));
        here.is_throttled(&held.revision, &next, &id).await;
        let refused = vault.asked("data").await;
        assert_eq!(refused.status(), 429);
        let wait = refused.headers()["retry-after"].to_str().unwrap();
        assert!((1..=3600).contains(&wait.parse::<u64>().unwrap()), "{wait}");
        vault.serve_all().await;
        // It does as it was told, and does not ask whether it still must. Another operator was told nothing.
        let asked = here.secrets.read(&here.erpgo).await;
        assert_eq!(asked.err().unwrap().class(), "throttled");
        let again = successor(&held.document, "again");
        let there = vault.here();
        let revision = done(there.write(&held.revision, &again, &id).await);
        vault.holds(&revision, &text(&again), through + 2).await;
    }
}

#[tokio::test]
async fn i10_a_sealed_vault_is_told_and_the_write_is_done_once_when_it_is_unsealed() {
    let vault = Vault::<ByAppRole>::start().await;
    let (here, held) = created(&vault).await;
    let next = successor(&held.document, "next");
    let id = WriteId::derive("r1", "stage");
    vault.server.seal().await;
    // Who is logged in hears it, and who would log in.
    for setting in [&here, &vault.here()] {
        for error in failures(setting, &held, &next, &id).await {
            assert_eq!(error.class(), "sealed", "{error:?}");
            assert!(error.is_transient(), "{error:?}");
            assert!(!shown(&error).contains(CANARY), "{error:?}");
        }
    }
    vault.server.unseal().await;
    let revision = done(here.write(&held.revision, &next, &id).await);
    assert_eq!(done(here.write(&held.revision, &next, &id).await), revision);
    vault.holds(&revision, &text(&next), 2).await;
}

#[tokio::test]
async fn what_a_policy_forbids_costs_one_login_however_often_it_is_tried() {
    let vault = Vault::<ByAppRole>::start().await;
    let (_, held) = created(&vault).await;
    let next = successor(&held.document, "next");
    let id = WriteId::derive("r1", "stage");
    let before = vault.tokens().await;
    let denied = vault.denied().await;
    for _ in 0..3 {
        for error in failures(&denied, &held, &next, &id).await {
            assert_eq!(error.class(), "denied", "{error:?}");
        }
    }
    let logins = vault.tokens().await - before;
    // On a machine so busy that it took a minute, one more.
    assert!((1..=2).contains(&logins), "{logins} logins");
}

#[tokio::test]
async fn i10_a_login_that_was_revoked_is_replaced_by_one_and_the_write_is_done_once() {
    let vault = Vault::<ByAppRole>::start().await;
    let (here, held) = created(&vault).await;
    let logged_in = vault.tokens().await;
    let logins = "sys/leases/revoke-prefix/auth/approle/login";
    vault.server.write(logins, &json!({"sync": true})).await;
    assert_eq!(vault.tokens().await, logged_in - 1, "the login is gone");
    let next = successor(&held.document, "next");
    let id = WriteId::derive("r1", "stage");
    let revision = done(here.write(&held.revision, &next, &id).await);
    assert_eq!(vault.tokens().await, logged_in, "one login, and no other");
    vault.holds(&revision, &text(&next), 2).await;
}

#[tokio::test]
async fn i10_a_vault_that_may_be_read_alone_is_told_and_the_write_is_done_once_later() {
    let vault = Vault::<ByAppRole>::start().await;
    let (here, held) = created(&vault).await;
    let next = successor(&held.document, "next");
    let id = WriteId::derive("r1", "stage");
    vault.server.read_policy("operator", PATH).await;
    let tried = here
        .secrets
        .replace(&here.erpgo, &held.revision, &next, &id);
    let error = tried.await.unwrap_err();
    assert_eq!(error.class(), "denied", "{error:?}");
    assert!(!error.is_transient(), "{error:?}");
    assert!(!shown(&error).contains(CANARY), "{error:?}");
    vault.holds(&held.revision, &text(&held.document), 1).await;
    vault.server.policy("operator", RIGHTS).await;
    let revision = done(here.write(&held.revision, &next, &id).await);
    vault.holds(&revision, &text(&next), 2).await;
}
