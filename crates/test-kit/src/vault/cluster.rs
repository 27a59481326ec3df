//! Three Vault servers with integrated storage, of which one is active and the others stand by.
//!
//! Owns how they are initialised and joined, who is active, and deaths without notice. Each is a process of
//! its own on loopback ports of its own; what they store lies in memory, where there is enough, and goes with
//! them. They elect within seconds, and on a machine that stands still for half a second even when nobody
//! died: what asks them must stand an election at any time, as the requests of the kit as root do.

use super::program::Role;
use super::{TestVault, http};
use crate::{fail, wait};
use anyhow::Context;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Index;
use std::time::Duration;

/// The fewest of which one can die and the others still elect.
const SIZE: usize = 3;
/// For what they do by themselves: an election, a join, a vote that is given.
const LIMIT: Duration = Duration::from_secs(120);
/// For one answer; who steps down or takes over gives none meanwhile.
const ANSWER: Duration = Duration::from_secs(5);
const MAX_ANSWER: u64 = 64 * 1024;
/// Between two rounds of questions, so that these are not what the servers are busy with.
const PAUSE: Duration = Duration::from_millis(50);
// What the health of a server says.
const ACTIVE: u16 = 200;
const STANDBY: u16 = 429;

/// Running servers; each is killed when the handle is dropped.
#[derive(Debug)]
pub struct VaultCluster {
    members: Vec<TestVault>,
}

/// Who does what, by number.
#[derive(Clone, Debug)]
pub struct Elected {
    /// The active server.
    pub active: usize,
    /// All others that run.
    pub standbys: Vec<usize>,
}

/// Starts a cluster of one's own; this takes about ten seconds. Logins are by AppRole or JWT.
pub async fn cluster() -> VaultCluster {
    fail::unless(VaultCluster::launch().await)
}

impl Index<usize> for VaultCluster {
    type Output = TestVault;

    fn index(&self, number: usize) -> &TestVault {
        &self.members[number]
    }
}

impl VaultCluster {
    /// Waits until one is active and every other that runs stands by.
    pub async fn elected(&self) -> Elected {
        let running = self.members.iter().filter(|member| member.private.runs());
        let others = running.count().saturating_sub(1);
        let found = self.until(0, "electing an active Vault", move |servers| {
            let said: Vec<_> = servers.iter().map(|server| health(*server).ok()).collect();
            Elected::of(&said).filter(|elected| elected.standbys.len() == others)
        });
        fail::unless(found.await)
    }

    /// Waits until no server is active: too few are left to elect one, and who was has noticed it.
    pub async fn leaderless(&self) {
        let found = self.until(0, "losing the active Vault", |servers| {
            let is_active = |server: &SocketAddr| health(*server).is_ok_and(|said| said == ACTIVE);
            (!servers.iter().any(is_active)).then_some(())
        });
        fail::unless(found.await);
    }

    /// Kills a server, which hands nothing over; connections to it are refused from now on.
    pub fn kill(&mut self, number: usize) {
        fail::unless(self.members[number].private.stop(Signal::KILL));
    }

    /// Starts a server that was killed, with all that it had stored, and unseals it.
    pub async fn restart(&mut self, number: usize) {
        let mut member = self.members.remove(number);
        let started = fail::blocking(move || member.run().map(|()| member)).await;
        self.members.insert(number, fail::unless(started));
        fail::unless(self.unseal(number).await);
    }

    async fn launch() -> anyhow::Result<Self> {
        let start = || {
            let member = |_| TestVault::launch(Role::member()?, Ipv4Addr::LOCALHOST);
            (0..SIZE).map(member).collect::<anyhow::Result<Vec<_>>>()
        };
        let members = fail::blocking(start).await?;
        let mut cluster = Self { members };
        cluster.initialise().await?;
        cluster.unseal(0).await?;
        cluster.prepare().await?;
        for number in 1..SIZE {
            cluster.join(number).await?;
        }
        cluster.all_vote().await?;
        Ok(cluster)
    }

    // The first one, whose keys are then those of all.
    async fn initialise(&mut self) -> anyhow::Result<()> {
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let made = http::call(&self.members[0], Method::PUT, "sys/init", Some(&shares)).await?;
        let made = made.unwrap_or_default();
        let (token, key) = (text(&made["root_token"])?, text(&made["keys_base64"][0])?);
        for member in &mut self.members {
            member.root_token.clone_from(&token);
            if let Role::Member(member) = &mut member.role {
                member.unseal_key.clone_from(&key);
            }
        }
        Ok(())
    }

    async fn unseal(&self, number: usize) -> anyhow::Result<()> {
        self.members[number].unseal().await;
        self.until(number, "unsealing Vault", move |servers| {
            let said = health(servers[number]).ok()?;
            matches!(said, ACTIVE | STANDBY).then_some(())
        })
        .await
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        self.until(0, "making the first Vault active", |servers| {
            (health(servers[0]).ok()? == ACTIVE).then_some(())
        })
        .await?;
        let first = &self.members[0];
        // As long as a member must be well before it has a vote.
        let stable = json!({"server_stabilization_time": "1s"});
        first
            .write("sys/storage/raft/autopilot/configuration", &stable)
            .await;
        let kv = json!({"type": "kv", "options": {"version": "2"}});
        first.write("sys/mounts/secret", &kv).await;
        Ok(())
    }

    async fn join(&self, number: usize) -> anyhow::Result<()> {
        let first = json!({"leader_api_addr": self.members[0].url()});
        self.members[number]
            .write("sys/storage/raft/join", &first)
            .await;
        self.unseal(number).await
    }

    // Before that, the death of one may be the end of all.
    async fn all_vote(&self) -> anyhow::Result<()> {
        let token = self.members[0].root_token.clone();
        self.until(0, "giving every Vault a vote", move |servers| {
            let voters = servers
                .iter()
                .filter_map(|server| voters(*server, &token).ok());
            (voters.max()? == SIZE).then_some(())
        })
        .await
    }

    // Away from the runtime, with the log of one of them.
    async fn until<T, F>(&self, log: usize, what: &'static str, condition: F) -> anyhow::Result<T>
    where
        T: Send + 'static,
        F: Fn(&[SocketAddr]) -> Option<T> + Send + 'static,
    {
        let log = self.members[log].private.log().to_owned();
        let servers: Vec<_> = self.members.iter().map(TestVault::address).collect();
        let round = move || {
            let met = condition(&servers);
            if met.is_none() {
                std::thread::sleep(PAUSE);
            }
            Ok(met)
        };
        fail::blocking(move || wait::until(what, LIMIT, &log, round)).await
    }
}

impl Elected {
    fn of(said: &[Option<u16>]) -> Option<Self> {
        let (mut active, mut standbys) = (None, Vec::new());
        for (number, said) in said.iter().enumerate() {
            match *said {
                Some(ACTIVE) => active = Some(number),
                Some(STANDBY) => standbys.push(number),
                _ => {}
            }
        }
        Some(Self {
            active: active?,
            standbys,
        })
    }
}

fn health(server: SocketAddr) -> anyhow::Result<u16> {
    let answer = ask(server, "HEAD /v1/sys/health", "")?;
    let status = answer.split(' ').nth(1).context("no status")?;
    Ok(status.parse()?)
}

fn voters(server: SocketAddr, token: &str) -> anyhow::Result<usize> {
    let token = format!("X-Vault-Token: {token}\r\n");
    let answer = ask(server, "GET /v1/sys/storage/raft/configuration", &token)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    let answer: Value = serde_json::from_str(body)?;
    let members = answer["data"]["config"]["servers"].as_array();
    let members = members.into_iter().flatten();
    Ok(members.filter(|member| member["voter"] == true).count())
}

// No redirect is followed, and no runtime is needed.
fn ask(server: SocketAddr, what: &str, header: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(format!("{what} HTTP/1.0\r\n{header}\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}

fn text(value: &Value) -> anyhow::Result<String> {
    let text = value.as_str().map(str::to_owned);
    text.context("Vault gave no key and no token")
}
