//! A key is known to a stranger: it goes at once, with proof.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Answer, Shown};

use super::{KEYS, Play, RATE};

/// From the word to the last pod, with the proof in the status.
const GOAL: Duration = Duration::from_secs(5);

impl Play {
    /// Revokes what signs now; tells how long it took until every pod refused it and status said so.
    async fn emergency(&mut self, key: &str) -> Result<()> {
        let stolen = self.witness().await?;
        let token = if key == "refresh" {
            Shown::Refresh(&stolen.refresh_token)
        } else {
            Shown::Access(&stolen.access_token)
        };
        let before = self.stage.kids().await?;
        let kid = before.get(key).context("a key without a kid")?;
        let listed = self.follow("kids", &[]).await?;
        let line = format!("{key}/{kid} ");
        ensure!(
            listed.lines().any(|one| one.starts_with(&line)),
            "{key}/{kid} is not among {listed}"
        );
        let begun = Instant::now();
        let version = [("KEY", key), ("KID", kid.as_str())];
        self.follow("revoke", &version).await?;
        let proven = begun.elapsed();
        self.stage.refused(key, kid).await?;
        let answers = self.stage.answers(token).await?;
        let all = answers.iter().all(Answer::refuses_the_key);
        ensure!(
            all,
            "after the proof a pod still accepts {key}/{kid}: {answers:?}"
        );
        let asked = begun.elapsed();
        println!(
            "{}: {key}/{kid} revoked: proof in status after {proven:?}, every pod asked after {asked:?}",
            self.stage.namespace
        );
        ensure!(
            asked < GOAL,
            "{key}/{kid} was refused by every pod only after {asked:?}"
        );
        let others: Vec<&str> = KEYS.into_iter().filter(|other| *other != key).collect();
        let now = self.stage.kids().await?;
        ensure!(
            others.iter().all(|key| now.get(*key) == before.get(*key)),
            "another key turned: {before:?} to {now:?}"
        );
        self.remember().await
    }

    /// The key of access tokens, under load: every session lives on by a refresh.
    pub(super) async fn an_access_key_is_stolen(&mut self) -> Result<()> {
        let load = self.crowd.work(RATE);
        self.emergency("jwt").await?;
        self.crowd.renew().await?;
        let report = load.stop().await?;
        println!(
            "{}: through the emergency: {}",
            self.stage.namespace,
            report.told()
        );
        ensure!(
            report.failed == report.refused,
            "not only tokens of the old key were refused: {:?}",
            report.examples
        );
        ensure!(
            self.crowd.lost() == 0,
            "{} sessions were lost",
            self.crowd.lost()
        );
        Ok(())
    }

    /// The key of refresh tokens: sessions end, and everybody can sign in again.
    pub(super) async fn a_refresh_key_is_stolen(&mut self) -> Result<()> {
        self.emergency("refresh").await?;
        self.crowd.sign_in().await
    }
}
