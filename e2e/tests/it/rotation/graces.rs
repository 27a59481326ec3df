//! A version that ends because its grace is over, and not because somebody says so.
//!
//! The shortest grace of a token's key is an hour, and twenty minutes come on top: here the status is made
//! to say that most of it has passed. Its end comes by the operator's clock.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Shown, until};

use super::{Play, SOON, accepted_by_every_pod, refused_by_every_pod};

/// That of jwt by default, and how far the clocks of two operators may be apart.
const GRACE: Duration = Duration::from_secs((24 * 60 + 20) * 60);
const LEFT: Duration = Duration::from_secs(20);

impl Play {
    /// The guide's planned rotation; then the former version of jwt goes by itself, and not before it is
    /// time.
    pub(super) async fn a_grace_ends_by_itself(&mut self) -> Result<()> {
        self.is_told_beforehand().await?;
        let witness = self.witness().await?;
        let before = self.stage.kids().await?;
        let old = before.get("jwt").context("no key of access tokens")?;
        self.follow("rotate", &[]).await?;
        let now = self.stage.turned(&before, &["jwt", "refresh"]).await?;
        self.remember().await?;
        self.crowd.renew().await?;
        self.has_its_grace(old).await?;
        let end = self.stage.shorten("jwt", GRACE, LEFT).await?;
        self.is_held_to_its_grace(old).await?;
        accepted_by_every_pod(&self.stage, &witness.access_token).await?;
        self.stage.refused("jwt", old).await?;
        let removed = self.stage.rotation().await?.removed;
        let gone = removed.iter().find(|gone| gone.kid == *old);
        let gone = gone.context("it is not among the removed")?;
        ensure!(gone.at >= end, "{gone:?} has a grace until {end:?}");
        refused_by_every_pod(&self.stage, Shown::Access(&witness.access_token)).await?;
        ensure!(self.stage.kids().await? == now, "a key turned");
        println!(
            "{}: jwt/{old} had a grace until {}, was removed at {} and is refused by every pod",
            self.stage.namespace, end.0, gone.at.0
        );
        Ok(())
    }

    async fn is_told_beforehand(&self) -> Result<()> {
        let told = self.follow("preview", &[]).await?;
        for words in [
            "jwt: a drawn value; the old one is accepted for 24 hours more",
            "database: the URL in key url of Secret database, if it is new",
            "all 2 must agree",
        ] {
            ensure!(told.contains(words), "{words:?} is not in {told}");
        }
        Ok(())
    }

    async fn has_its_grace(&self, old: &str) -> Result<()> {
        until("the beginning of the grace", SOON, || async {
            let keys = self.stage.rotation().await?.keys;
            let begun = keys
                .iter()
                .any(|one| one.previous.as_deref() == Some(old) && one.switched_at.is_some());
            Ok(if begun {
                Ok(())
            } else {
                Err(format!("{keys:?}"))
            })
        })
        .await
    }

    /// Asked for another rotation, the operator says that there is a grace.
    async fn is_held_to_its_grace(&self, old: &str) -> Result<()> {
        self.stage.rotate("jwt", "while it has a grace").await?;
        let expected = format!("jwt is not rotated while {old} is in its grace");
        until("an Event of the refusal", SOON, || async {
            let events = self.stage.events().await?;
            let is_it = |(reason, message): &(String, String)| {
                reason == "RotationRefused" && message.contains(&expected)
            };
            Ok(if events.iter().any(is_it) {
                Ok(())
            } else {
                Err(format!("{events:?}"))
            })
        })
        .await
    }
}
