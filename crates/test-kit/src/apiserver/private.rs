//! A cluster of one test, which may stop and start its API server and run the controller manager.

use super::access::TestCluster;
use super::control_plane::ControlPlane;
use crate::private::Private;
use crate::{fail, port};
use anyhow::bail;
use rustix::process::Signal;
use std::ops::Deref;

/// A private etcd and kube-apiserver.
#[derive(Debug)]
pub struct PrivateCluster {
    cluster: TestCluster,
    plane: ControlPlane,
    controller_manager: Option<Private>,
    apiserver: Private,
    #[expect(dead_code, reason = "held for its drop, which stops etcd last")]
    etcd: Private,
}

/// Starts a cluster of one's own; this takes about ten seconds.
pub async fn private() -> PrivateCluster {
    fail::unless(fail::blocking(PrivateCluster::launch).await)
}

impl PrivateCluster {
    /// Starts kube-controller-manager too: garbage is collected, Deployments make ReplicaSets and
    /// pods, namespaces end. No pod ever runs.
    pub fn with_controller_manager(mut self) -> Self {
        fail::unless(self.start_controller_manager());
        self
    }

    /// Kills the API server; connections to it are refused from now on.
    pub fn stop(&mut self) {
        fail::unless(self.apiserver.stop(Signal::KILL));
    }

    /// Starts the stopped API server again, with all its data, and waits until it is ready.
    pub fn start(&mut self) {
        fail::unless(run_apiserver(&mut self.apiserver, &self.plane));
    }

    fn launch() -> anyhow::Result<Self> {
        port::retry(Self::launch_once)
    }

    fn launch_once() -> anyhow::Result<Self> {
        let mut etcd = Private::new("etcd")?;
        let mut apiserver = Private::new("apiserver")?;
        let plane = ControlPlane::create(etcd.dir())?;
        etcd.spawn(plane.etcd_command()?)?;
        let log = etcd.log().to_owned();
        plane.wait_etcd(&log, || etcd.still_running())?;
        run_apiserver(&mut apiserver, &plane)?;
        let cluster = TestCluster::new(plane.access().clone());
        Ok(Self {
            cluster,
            plane,
            controller_manager: None,
            apiserver,
            etcd,
        })
    }

    fn start_controller_manager(&mut self) -> anyhow::Result<()> {
        let mut process = Private::new("controller-manager")?;
        process.spawn(self.plane.controller_manager_command()?)?;
        self.controller_manager = Some(process);
        Ok(())
    }
}

impl Deref for PrivateCluster {
    type Target = TestCluster;

    fn deref(&self) -> &TestCluster {
        &self.cluster
    }
}

fn run_apiserver(process: &mut Private, plane: &ControlPlane) -> anyhow::Result<()> {
    process.spawn(plane.apiserver_command()?)?;
    let log = process.log().to_owned();
    // The caller may be on a runtime's thread, where the probe's own runtime must not block.
    let waiter = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| plane.wait_api(&log, || process.still_running()));
        waiting.join()
    });
    waiter.unwrap_or_else(|_| bail!("the wait for kube-apiserver panicked"))
}
