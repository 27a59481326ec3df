//! Processes that end without notice at each step of a rotation.
//!
//! Owns how a step is made to last: a pod cannot acknowledge until the step waits for it. The operator has no
//! restarts here: a pod of it that died is replaced.

use anyhow::{Context as _, Result, bail, ensure};
use erpgo_e2e::{Kids, OPERATOR, OPERATOR_NAMESPACE, Process, Session, Shown, Silence, until};

use super::{Play, RATE, SOON, accepted_by_every_pod, refused_by_every_pod};

pub(super) const API: &str = "erpgo";
const SIDECAR: &str = "sidecar-secrets";
const IN_PROGRESS: &str = "RotationInProgress";

/// Who dies, and the key that turns meanwhile.
#[derive(Clone, Copy)]
struct Death {
    victim: &'static str,
    key: &'static str,
}

/// A pod of the API.
pub(super) struct Member {
    pub(super) name: String,
    uid: String,
}

impl Member {
    pub(super) fn process(&self, name: &str) -> Result<Process> {
        Process::of_pod(&self.uid, name)
    }

    pub(super) fn sidecar(&self) -> Result<Process> {
        self.process(SIDECAR)
    }

    pub(super) fn silence(&self) -> Result<Silence> {
        Silence::of_pod(&self.uid)
    }
}

impl Play {
    /// Sidecar, API and operator die at each step: nobody uses a new key before all are back, and then
    /// everybody does; what has its grace is accepted all the while, and what was removed is refused.
    pub(super) async fn killed_processes_are_waited_for(&mut self) -> Result<()> {
        // Each with a key of its own: at the end its former version has its grace.
        for (victim, key) in [(SIDECAR, "jwt"), (API, "refresh"), (OPERATOR, "pepper")] {
            let death = Death { victim, key };
            if victim == API {
                // What it was asked when it died is lost.
                self.dies_at_each_step(death).await?;
            } else {
                self.dies_unnoticed(death).await?;
            }
        }
        Ok(())
    }

    // Neither sidecar nor operator stands between a request and its answer.
    async fn dies_unnoticed(&mut self, death: Death) -> Result<()> {
        let load = self.crowd.work(RATE);
        self.dies_at_each_step(death).await?;
        let report = load.stop().await?;
        println!(
            "{}: through the deaths of {}: {}",
            self.stage.namespace,
            death.victim,
            report.told()
        );
        report.is_clean()
    }

    // In turn in one pod and the other, so that the kubelet restarts them without a long wait.
    async fn dies_at_each_step(&mut self, death: Death) -> Result<()> {
        let restarts = self.stage.restarts().await?;
        let [first, second] = self.members().await?;
        let witness = self.witness().await?;
        let before = self.stage.kids().await?;
        self.dies_at_stage(death, &first, &before).await?;
        self.remember().await?;
        accepted_by_every_pod(&self.stage, &witness.access_token).await?;
        self.dies_in_grace(death, &second).await?;
        accepted_by_every_pod(&self.stage, &witness.access_token).await?;
        self.nobody_needs(death.key, &before).await?;
        self.dies_at_removal(death, &first, &before).await?;
        self.ends_what_it_signed(death.key, &witness).await?;
        self.dies_at_promote(death, &first, &second).await?;
        let now = self.stage.restarts().await?;
        let deaths = if death.victim == OPERATOR { 0 } else { 4 };
        let ends = self.stage.ends().await?;
        ensure!(
            now == restarts + deaths,
            "{now} restarts after {restarts}:\n{ends}"
        );
        self.crowd.renew().await?;
        self.remember().await
    }

    /// No session and no password hash needs a version of `key` that was current before.
    async fn nobody_needs(&self, key: &str, before: &Kids) -> Result<()> {
        self.crowd.renew().await?;
        // Hashing takes longer than a request that has left with a token of before.
        self.crowd.sign_in().await?;
        if key == "pepper" {
            self.witness().await?;
            self.no_hash_needs(before.get(key).context("no pepper")?)
                .await?;
        }
        Ok(())
    }

    async fn ends_what_it_signed(&self, key: &str, witness: &Session) -> Result<()> {
        match key {
            "jwt" => refused_by_every_pod(&self.stage, Shown::Access(&witness.access_token)).await,
            "refresh" => {
                refused_by_every_pod(&self.stage, Shown::Refresh(&witness.refresh_token)).await
            }
            // A pepper signs nothing: who is signed in stays so.
            _ => accepted_by_every_pod(&self.stage, &witness.access_token).await,
        }
    }

    async fn dies_at_stage(&mut self, death: Death, pod: &Member, before: &Kids) -> Result<()> {
        let silence = pod.silence()?;
        self.ask_to_turn(death, "at Stage").await?;
        self.waits_for("Stage", pod).await?;
        ensure!(
            self.stage.kids().await? == *before,
            "the key turned without a pod"
        );
        self.dies(death, pod, Some(silence)).await?;
        self.stage.turned(before, &[death.key]).await?;
        self.told(death, "Stage");
        Ok(())
    }

    async fn dies_in_grace(&mut self, death: Death, pod: &Member) -> Result<()> {
        self.dies(death, pod, None).await?;
        self.told(death, "Grace");
        Ok(())
    }

    async fn dies_at_removal(&mut self, death: Death, pod: &Member, before: &Kids) -> Result<()> {
        let kid = before.get(death.key).context("a key without a kid")?;
        let silence = pod.silence()?;
        self.stage.revoke(death.key, kid).await?;
        self.is_removed_without_proof(death.key, kid).await?;
        self.dies(death, pod, Some(silence)).await?;
        self.stage.refused(death.key, kid).await?;
        self.told(death, "Removal");
        Ok(())
    }

    async fn dies_at_promote(&mut self, death: Death, other: &Member, pod: &Member) -> Result<()> {
        let before = self.stage.kids().await?;
        let silence = other.silence()?;
        self.ask_to_turn(death, "at Promote").await?;
        let silence = self.is_held_at_promote(other, silence, pod).await?;
        self.dies(death, pod, Some(silence)).await?;
        self.stage.turned(&before, &[death.key]).await?;
        self.told(death, "Promote");
        Ok(())
    }

    // The other pod holds Stage until this one, which has agreed to it, is held as well.
    pub(super) async fn is_held_at_promote(
        &self,
        other: &Member,
        silent: Silence,
        pod: &Member,
    ) -> Result<Silence> {
        self.waits_for("Stage", other).await?;
        let silence = pod.silence()?;
        silent.end()?;
        self.waits_for("Promote", pod).await?;
        Ok(silence)
    }

    /// Kills, lets the pod speak, and waits until what was killed is back.
    async fn dies(
        &mut self,
        Death { victim, .. }: Death,
        pod: &Member,
        silence: Option<Silence>,
    ) -> Result<()> {
        let restarts = self.stage.restarts().await?;
        if victim == OPERATOR {
            self.stage.node.operator()?.kill()?;
        } else {
            pod.process(victim)?.kill()?;
        }
        silence.map_or(Ok(()), Silence::end)?;
        if victim == OPERATOR {
            let node = &self.stage.node;
            self.since.keep(node, OPERATOR_NAMESPACE, OPERATOR)?;
            node.replace_operator().await?;
        } else {
            self.is_restarted(restarts).await?;
            let (node, namespace) = (&self.stage.node, &self.stage.namespace);
            self.since.keep(node, namespace, &pod.name)?;
        }
        self.two_are_ready().await
    }

    async fn is_restarted(&self, restarts: i32) -> Result<()> {
        until("the container to be restarted", SOON, || async {
            let now = self.stage.restarts().await?;
            let told = format!("{now} restarts after {restarts}");
            Ok(if now > restarts { Ok(()) } else { Err(told) })
        })
        .await
    }

    async fn ask_to_turn(&self, Death { victim, key }: Death, step: &str) -> Result<()> {
        let reason = format!("{victim} dies {step}");
        self.stage.rotate(key, &reason).await
    }

    fn told(&self, Death { victim, key }: Death, step: &str) {
        println!(
            "{}: {key} went on after {victim} was killed at {step}",
            self.stage.namespace
        );
    }

    pub(super) async fn members(&self) -> Result<[Member; 2]> {
        let members = self.all_members().await?;
        members.try_into().ok().context("there are not two pods")
    }

    pub(super) async fn all_members(&self) -> Result<Vec<Member>> {
        let pods = self.stage.pods().await?.into_iter();
        let member = |pod: k8s_openapi::api::core::v1::Pod| {
            let (name, uid) = (pod.metadata.name?, pod.metadata.uid?);
            Some(Member { name, uid })
        };
        Ok(pods.filter_map(member).collect())
    }

    /// The rotation is at `step` and waits for this pod alone, one of two: status, condition and metrics
    /// say so.
    pub(super) async fn waits_for(&self, step: &str, pod: &Member) -> Result<()> {
        until(&format!("the rotation to wait at {step}"), SOON, || async {
            let Some(active) = self.stage.rotation().await?.active else {
                return Ok(Err("no rotation is under way".to_owned()));
            };
            let counted = (active.acknowledged, active.total);
            let told = format!("{}: {counted:?} {:?}", active.step, active.missing);
            let missing = active.missing.iter().map(|missing| &missing.pod);
            let waits = active.step == step && counted == (1, 2) && missing.eq([&pod.name]);
            Ok(if waits { Ok(()) } else { Err(told) })
        })
        .await?;
        until(&format!("what is told of {step}"), SOON, || async {
            let now = self.stage.condition_now(IN_PROGRESS, "True").await?;
            Ok(match now {
                Ok(told) if told.contains("1 of 2 pods") && told.contains(&pod.name) => Ok(()),
                Ok(told) | Err(told) => Err(told),
            })
        })
        .await?;
        self.is_measured(step).await
    }

    async fn is_measured(&self, step: &str) -> Result<()> {
        let number = match step {
            "Stage" => 2.0,
            "Promote" => 3.0,
            other => bail!("nobody waits for a pod at {other}"),
        };
        let namespace = self.stage.namespace.as_str();
        let labels = [("namespace", namespace), ("erpgo", "shop")];
        until(&format!("the number of {step}"), SOON, || async {
            let metrics = self.stage.node.operator_metrics().await?;
            let now = metrics.value("erpgo_rotation_step", &labels);
            let is_it = now == Some(number);
            Ok(is_it.then_some(()).ok_or_else(|| format!("it is {now:?}")))
        })
        .await
    }

    async fn is_removed_without_proof(&self, key: &str, kid: &str) -> Result<()> {
        until("the removal to wait for the pod", SOON, || async {
            let removed = self.stage.rotation().await?.removed;
            let mut these = removed.iter().filter(|one| one.key == key);
            let waits = these.any(|gone| gone.kid == kid && gone.refused_at.is_none());
            Ok(if waits {
                Ok(())
            } else {
                Err(format!("{removed:?}"))
            })
        })
        .await
    }
}
