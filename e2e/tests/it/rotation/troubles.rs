//! What the guide to rotations says of backends and documents that are not as they should be.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Deletion, Load, Session, Shown, until};
use serde_json::{Value, json};

use super::{KEYS, Play, RATE, SOON, accepted_by_every_pod, refused_by_every_pod};
use crate::faults::named;
use crate::first_run::READY;

/// What a sidecar calls a set that is not valid, and one that is not there.
const MALFORMED: &str = "malformed";
const NOT_FOUND: &str = "not_found";

/// What must not change through a trouble.
struct Calm {
    load: Load,
    pods: Vec<String>,
    witness: Session,
}

impl Play {
    async fn calm(&self) -> Result<Calm> {
        Ok(Calm {
            pods: self.stage.ready_pods().await?,
            witness: self.witness().await?,
            load: self.crowd.work(RATE),
        })
    }

    async fn still_calm(&self, calm: Calm) -> Result<()> {
        let report = calm.load.stop().await?;
        println!(
            "{}: through the trouble: {}",
            self.stage.namespace,
            report.told()
        );
        report.is_clean()?;
        ensure!(
            self.stage.ready_pods().await? == calm.pods,
            "the pods changed"
        );
        ensure!(
            self.stage.restarts().await? == 0,
            "a container was restarted"
        );
        accepted_by_every_pod(&self.stage, &calm.witness.access_token).await
    }

    /// A rotation that is asked for while Vault is sealed waits, and goes on when it is unsealed.
    pub(super) async fn a_sealed_vault_makes_it_wait(&self) -> Result<()> {
        let vault = self.backend.as_vault().context("no Vault")?;
        let calm = self.calm().await?;
        let before = self.stage.kids().await?;
        vault.seal().await;
        named(
            &self.stage,
            "Degraded",
            "True",
            &["BackendUnreachable", "sealed"],
        )
        .await?;
        let told = self.follow("sealed", &[]).await?;
        let is_sealed = |line: &str| line.split_whitespace().eq(["Sealed", "true"]);
        ensure!(
            told.contains("(sealed)") && told.lines().any(is_sealed),
            "{told}"
        );
        self.stage.rotate("jwt", "while Vault is sealed").await?;
        named(
            &self.stage,
            "Degraded",
            "True",
            &["sealed", "last good set"],
        )
        .await?;
        ensure!(
            self.stage.kids().await? == before,
            "a key turned without its backend"
        );
        self.guide
            .run_typing(&self.stage, "unseal", &vault.unseal_key())
            .await?;
        self.stage.turned(&before, &["jwt"]).await?;
        self.stage.condition("Degraded", "False", READY).await?;
        self.still_calm(calm).await
    }

    /// A database URL with a wrong password is refused by the pods and rolled back.
    pub(super) async fn a_refused_set_is_rolled_back(&mut self) -> Result<()> {
        let calm = self.calm().await?;
        let before = self.stage.kids().await?;
        let next = self.changer.by_hand()?.prepare(&self.stage).await?;
        for password in next.passwords() {
            self.canaries.add("a password that is new", &password)?;
        }
        let wrong = next.wrong_database_url()?;
        let wrong = [("NEW_URL", wrong.as_str())];
        self.follow("new-url", &wrong).await?;
        self.follow("rotate-database", &[]).await?;
        let reason = self.is_rolled_back().await?;
        println!("{}: rolled back: {reason}", self.stage.namespace);
        ensure!(reason.contains("refused it: database (next)"), "{reason}");
        ensure!(self.stage.kids().await? == before, "a key turned");
        let told = self.follow("why", &[]).await?;
        ensure!(told.trim_end() == reason, "not {reason} but {told}");
        let right = next.database_url();
        let right = [("NEW_URL", right.as_str())];
        self.follow("new-url", &right).await?;
        self.follow("again", &[]).await?;
        // Redis keeps its user; nobody turns after this.
        self.stage.turned(&before, &["database"]).await?;
        self.still_calm(calm).await
    }

    async fn is_rolled_back(&self) -> Result<String> {
        until("the rotation to be rolled back", SOON, || async {
            let last = self.stage.rotation().await?.last;
            let aborted = last.filter(|last| last.outcome == "Aborted");
            Ok(aborted
                .map(|last| last.reason)
                .ok_or_else(|| "it was not".to_owned()))
        })
        .await
    }

    /// Waits until every pod has met its set as it is now, after `before`; all go on with what they have.
    async fn is_refused_by_every_pod(
        &self,
        class: &str,
        before: &BTreeMap<String, f64>,
        calm: &Calm,
    ) -> Result<()> {
        until("every pod to refuse its set", SOON, || async {
            let now = self.stage.failed_reads(class).await?;
            let more = |pod: &String, count: &f64| before.get(pod).is_some_and(|had| count > had);
            let all = !now.is_empty() && now.iter().all(|(pod, count)| more(pod, count));
            Ok(if all {
                Ok(())
            } else {
                Err(format!("{class}: {now:?} after {before:?}"))
            })
        })
        .await?;
        accepted_by_every_pod(&self.stage, &calm.witness.access_token).await
    }

    /// A document that was edited to something invalid is used by nobody and named; the guide's `mend` puts
    /// the one before back.
    pub(super) async fn an_edit_by_hand_is_refused(&self, mend: &str) -> Result<()> {
        let calm = self.calm().await?;
        let good = self.backend.document(&self.stage).await?;
        let mut bad = good.clone();
        let generation = good["generation"].as_u64().context("no generation")?;
        bad["generation"] = json!(generation + 1);
        bad["keys"]["jwt"]["current"]["value"] = json!("short");
        let before = self.stage.failed_reads(MALFORMED).await?;
        self.backend.write(&self.stage, &bad).await?;
        named(
            &self.stage,
            "Degraded",
            "True",
            &["SecretSetInvalid", "jwt", "write a valid document"],
        )
        .await?;
        self.is_refused_by_every_pod(MALFORMED, &before, &calm)
            .await?;
        self.follow(mend, &[]).await?;
        ensure!(
            self.backend.document(&self.stage).await? == good,
            "{mend} puts another document back"
        );
        self.stage.look().await?;
        self.stage.condition("Degraded", "False", READY).await?;
        self.still_calm(calm).await
    }

    /// A document that is deleted and not gone yet is told as such; the guide's `mend` brings it back as it
    /// was.
    pub(super) async fn a_deleted_document_comes_back(&self, mend: &str) -> Result<()> {
        let calm = self.calm().await?;
        let good = self.backend.document(&self.stage).await?;
        self.backend.delete(&self.stage, Deletion::ForNow).await?;
        named(
            &self.stage,
            "Degraded",
            "True",
            &["BackendUnreachable", "(deleted)", "restore it"],
        )
        .await?;
        ensure!(
            !self.backend.has_document(&self.stage).await?,
            "another set was made"
        );
        self.follow(mend, &[]).await?;
        ensure!(
            self.backend.document(&self.stage).await? == good,
            "{mend} brings another document back"
        );
        self.stage.look().await?;
        self.stage.condition("Degraded", "False", READY).await?;
        self.still_calm(calm).await
    }

    /// A document that is gone is not replaced by another one; restored from what the guide's `backup` kept,
    /// it goes on, up to the removal of what it held.
    pub(super) async fn a_lost_document_is_restored(
        &self,
        backup: &str,
        restore: &str,
    ) -> Result<()> {
        let calm = self.calm().await?;
        let before = self.stage.kids().await?;
        let had = self.stage.failed_reads(NOT_FOUND).await?;
        let lost = self.backend.document(&self.stage).await?;
        self.follow(backup, &[]).await?;
        self.backend.delete(&self.stage, Deletion::ForGood).await?;
        named(
            &self.stage,
            "Degraded",
            "True",
            &["SecretSetLost", "restore it from a backup"],
        )
        .await?;
        ensure!(
            !self.backend.has_document(&self.stage).await?,
            "another set was made"
        );
        self.is_refused_by_every_pod(NOT_FOUND, &had, &calm).await?;
        self.follow(restore, &[]).await?;
        self.holds_the_keys_of(&lost).await?;
        self.stage.look().await?;
        self.stage.condition("Degraded", "False", READY).await?;
        ensure!(self.stage.kids().await? == before, "a key turned");
        self.stage.rotate("jwt", "after the restore").await?;
        self.stage.turned(&before, &["jwt"]).await?;
        let old_token = calm.witness.access_token.clone();
        self.still_calm(calm).await?;
        self.crowd.renew().await?;
        let old = before.get("jwt").context("no key of access tokens")?;
        self.stage.revoke("jwt", old).await?;
        self.stage.refused("jwt", old).await?;
        refused_by_every_pod(&self.stage, Shown::Access(&old_token)).await
    }

    // What was previous may go meanwhile.
    async fn holds_the_keys_of(&self, lost: &Value) -> Result<()> {
        let now = self.backend.document(&self.stage).await?;
        for key in KEYS {
            let same = now["keys"][key]["current"] == lost["keys"][key]["current"];
            ensure!(same, "{key} is not what it was");
        }
        Ok(())
    }
}
