//! Pods that cannot acknowledge.
//!
//! Owns the one rule in a pod's own network that keeps its API's answers from its sidecar. The API serves on
//! meanwhile and the kubelet finds it alive, which one that is stopped is for half a minute only. Must never keep
//! anything else from anybody: a Service gives its clients ports at random, the sidecar's number among them.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::net::TcpSocket;

use crate::Process;
use crate::pods::HTTP;

/// Holds the pod's network while containers come and go.
const SANDBOX: &str = "pause";
/// Where the sidecar listens for its API, on the loopback that they share.
const ACK: u16 = 8791;
/// How long a client waits for a connection.
const SOON: Duration = Duration::from_secs(5);

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

    /// A client of the pod with this address is heard from the port of the sidecar's number, too.
    ///
    /// # Errors
    /// When the API takes no connection from there.
    pub async fn spares_clients(&self, pod: IpAddr) -> Result<()> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        // Reset at its end, so that it can be made again at once.
        socket.set_zero_linger()?;
        socket.bind((Ipv4Addr::UNSPECIFIED, ACK).into())?;
        let connected = tokio::time::timeout(SOON, socket.connect((pod, HTTP).into())).await;
        let connected = connected.context("no answer")?;
        connected.with_context(|| format!("a client of {pod} at port {ACK}"))?;
        Ok(())
    }

    fn rule(&self, verb: &str) -> Result<()> {
        let network = format!("--net=/proc/{}/ns/net", self.0.id());
        let rule = format!("OUTPUT -o lo -p tcp --dport {ACK} -j REJECT --reject-with tcp-reset");
        let output = Command::new("nsenter")
            .args([&network, "iptables", "--wait", verb])
            .args(rule.split_ascii_whitespace())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "iptables {verb} {rule}: {said}");
        Ok(())
    }
}
