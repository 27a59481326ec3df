//! A PostgreSQL server of one test, which may stop, kill, freeze and start it.

use super::cluster::Cluster;
use super::{install, sql};
use crate::fail;
use crate::private::Private;
use rustix::process::Signal;
use std::net::{Ipv4Addr, SocketAddr};

const OWNER: &str = "erpgo";

/// A PostgreSQL server with one database, `erpgo`, owned by a role of the same name.
#[derive(Debug)]
pub struct PostgresServer {
    private: Private,
    cluster: Cluster,
}

/// Starts a server of one's own; this takes about two seconds.
pub async fn server() -> PostgresServer {
    launched(false).await
}

/// The same, and what it has committed survives a crash of the machine: for measurements.
pub async fn durable_server() -> PostgresServer {
    launched(true).await
}

async fn launched(durable: bool) -> PostgresServer {
    let server = fail::unless(fail::blocking(move || PostgresServer::launch(durable)).await);
    let statements = [
        format!(
            "CREATE ROLE {OWNER} LOGIN PASSWORD '{}'",
            server.cluster.password
        ),
        format!("CREATE DATABASE {OWNER} OWNER {OWNER} TEMPLATE template0"),
    ];
    fail::unless(sql::run(&server.cluster.admin_url("postgres"), &statements).await);
    server
}

impl PostgresServer {
    /// The URL of the role that owns the database; it is no superuser.
    pub fn url(&self) -> String {
        format!(
            "postgres://{OWNER}:{}@127.0.0.1:{}/{OWNER}",
            self.cluster.password, self.cluster.port
        )
    }

    /// The superuser's URL for the same database.
    pub fn admin_url(&self) -> String {
        self.cluster.admin_url(OWNER)
    }

    /// Where it listens, for a proxy in front of it.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.cluster.port).into()
    }

    /// Stops the server at once, as a crash would; what was committed is there after a start.
    pub fn stop(&mut self) {
        fail::unless(self.private.stop(Signal::QUIT));
    }

    /// Starts the stopped server again on the same port with the same data.
    pub fn start(&mut self) {
        fail::unless(self.run());
    }

    /// Stops and starts the server.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Freezes the process that accepts connections: new ones hang, those that are open go on.
    pub fn pause(&self) {
        fail::unless(self.private.signal(Signal::STOP));
    }

    /// Wakes a frozen server.
    pub fn resume(&self) {
        fail::unless(self.private.signal(Signal::CONT));
    }

    fn launch(durable: bool) -> anyhow::Result<Self> {
        let mut private = Private::new("postgres")?;
        install::give(private.dir())?;
        let mut cluster = Cluster::create(private.dir())?;
        cluster.durable = durable;
        cluster.start(|cluster| run(&mut private, cluster))?;
        Ok(Self { private, cluster })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        run(&mut self.private, &self.cluster)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Best effort: the private process is killed next in any case.
        let _ = self.private.stop(Signal::QUIT);
    }
}

fn run(private: &mut Private, cluster: &Cluster) -> anyhow::Result<()> {
    private.spawn(cluster.command()?)?;
    let log = private.log().to_owned();
    cluster.wait_ready(&log, || private.still_running())
}
