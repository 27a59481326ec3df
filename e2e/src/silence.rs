//! Pods that cannot acknowledge.
//!
//! Owns the one rule in a pod's own network that keeps its API's answers from its sidecar. The API serves on
//! meanwhile and the kubelet finds it alive, which one that is stopped is for half a minute only.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::Process;

/// Holds the pod's network while containers come and go.
const SANDBOX: &str = "pause";
const RULE: &str = "OUTPUT -p tcp --dport 8791 -j REJECT --reject-with tcp-reset";

/// A pod whose sidecar hears nothing of its API.
pub struct Silence(Process);

impl Silence {
    /// From now on the pod with this uid acknowledges nothing.
    ///
    /// # Errors
    /// When the pod does not run or iptables refuses.
    pub fn of_pod(uid: &str) -> Result<Self> {
        let silence = Self(Process::of_pod(uid, SANDBOX)?);
        silence.rule("--insert")?;
        Ok(silence)
    }

    /// What the API has to say is heard again, by a sidecar that was started meanwhile as well.
    ///
    /// # Errors
    /// When the pod has gone.
    pub fn end(self) -> Result<()> {
        self.rule("--delete")
    }

    fn rule(&self, verb: &str) -> Result<()> {
        let network = format!("--net=/proc/{}/ns/net", self.0.id());
        let output = Command::new("nsenter")
            .args([&network, "iptables", "--wait", verb])
            .args(RULE.split_ascii_whitespace())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "iptables {verb} {RULE}: {said}");
        Ok(())
    }
}
