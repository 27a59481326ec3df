//! What the operator makes of a Vault with standbys: any server will do, an election is told by the right
//! word and waited for, and each write is one version, whenever the active server dies.

use std::cell::Cell;

use erpgo_operator::secrets::{Held, Revision, SecretsError, WriteId, Written};
use erpgo_secret_set::Document;
use erpgo_test_kit::vault::{self, Elected, VaultCluster};
use erpgo_tests::wait;
use serde_json::Value;

use super::bench::{Bench, CANARY, Setting};
use super::middleman::Middleman;
use super::suite::{done, failures, shown, successor, text};
use super::vault::{ByAppRole, PATH, admit, setting_at};

// Read, write, delete: a failure is told at the first request of each.
const REQUESTS_OF_FAILURES: usize = 3;
const SERVERS: usize = 3;

/// A cluster of Vaults in which the operator may log in.
struct Ha {
    bench: Bench,
    cluster: VaultCluster,
    auth: Value,
}

impl Ha {
    async fn start() -> Self {
        let (bench, cluster) = (Bench::new().await, vault::cluster().await);
        let auth = admit::<ByAppRole>(&bench, &cluster[0]).await;
        Self {
            bench,
            cluster,
            auth,
        }
    }

    fn at(&self, server: usize) -> Setting {
        self.behind(&self.cluster[server].url())
    }

    fn behind(&self, address: &str) -> Setting {
        setting_at(&self.bench, address, &self.auth)
    }

    async fn versions(&self) -> u64 {
        let active = self.cluster.elected().await.active;
        self.cluster[active].kv_versions(PATH).await
    }

    // Who reads it at any server that runs sees the same.
    async fn holds(&self, revision: &Revision, text_of_it: &str, versions: u64) {
        let Elected { active, standbys } = self.cluster.elected().await;
        for server in standbys.into_iter().chain([active]) {
            let there = held(&self.at(server)).await;
            assert_eq!(there.revision, *revision);
            assert_eq!(text(&there.document), text_of_it);
        }
        assert_eq!(self.versions().await, versions);
    }
}

// As the operator does: what fails for now is tried again.
async fn patiently<T>(what: &str, attempt: impl AsyncFn() -> Result<T, SecretsError>) -> T {
    let tried = wait::until(what, async || match attempt().await {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            passes(&error);
            Ok(None)
        }
    });
    tried.await.unwrap()
}

async fn held(here: &Setting) -> Held {
    let read = patiently("a read", async || here.secrets.read(&here.erpgo).await);
    read.await.expect("a document")
}

async fn write(here: &Setting, from: &Revision, document: &Document, id: &WriteId) -> Written {
    let write = async || {
        let (secrets, erpgo) = (&here.secrets, &here.erpgo);
        secrets.replace(erpgo, from, document, id).await
    };
    patiently("a write", write).await
}

fn passes(error: &SecretsError) {
    assert_eq!(error.class(), "unreachable", "{error:?}");
    assert!(error.is_transient(), "{error:?}");
    assert!(!shown(error).contains(CANARY), "{error:?}");
}

// One after the other: a cluster is dear, and each leaves it whole.
#[tokio::test]
async fn i10_any_server_of_a_vault_will_do_and_no_death_of_the_active_one_doubles_a_write() {
    let mut ha = Ha::start().await;
    a_standby_serves_as_the_active_server_does(&ha).await;
    let standby = ha.cluster.elected().await.standbys[0];
    while_none_is_active_it_is_told_and_afterwards_done(&mut ha, standby).await;
    let active = ha.cluster.elected().await.active;
    while_none_is_active_it_is_told_and_afterwards_done(&mut ha, active).await;
    a_write_whose_answer_died_with_the_active_server_is_recognised(&mut ha).await;
    of_writes_during_an_election_each_is_done_once(&mut ha).await;
}

async fn a_standby_serves_as_the_active_server_does(ha: &Ha) {
    let here = ha.at(ha.cluster.elected().await.standbys[0]);
    let read = patiently("a read", async || here.secrets.read(&here.erpgo).await);
    assert!(read.await.is_none());
    let first = async || here.secrets.ensure_first_generation(&here.erpgo).await;
    patiently("the first write", first).await;
    let first = held(&here).await;
    let second = successor(&first.document, "second");
    let id = WriteId::derive("standby", "stage");
    let revision = done(write(&here, &first.revision, &second, &id).await);
    let late = successor(&first.document, "late");
    let other = WriteId::derive("other", "stage");
    let written = write(&here, &first.revision, &late, &other).await;
    assert_eq!(written, Written::Conflict);
    let again = write(&here, &first.revision, &second, &id).await;
    assert_eq!(done(again), revision);
    ha.holds(&revision, &text(&second), 2).await;
}

async fn while_none_is_active_it_is_told_and_afterwards_done(ha: &mut Ha, left: usize) {
    let before = Middleman::before(ha.cluster[left].url()).await;
    // Who is logged in hears it, and who would log in.
    let (here, newcomer) = (ha.behind(before.url()), ha.behind(before.url()));
    let (held, versions) = (held(&here).await, ha.versions().await);
    let next = successor(&held.document, "elected");
    let id = WriteId::derive("none is active", &versions.to_string());
    let others: Vec<usize> = (0..SERVERS).filter(|server| *server != left).collect();
    for other in &others {
        ha.cluster.kill(*other);
    }
    ha.cluster.leaderless().await;
    for setting in [&here, &newcomer] {
        let asked = before.asked();
        for error in failures(setting, &held, &next, &id).await {
            passes(&error);
        }
        assert_eq!(before.asked() - asked, REQUESTS_OF_FAILURES);
    }
    ha.cluster.restart(others[0]).await;
    let revision = done(write(&here, &held.revision, &next, &id).await);
    ha.cluster.restart(others[1]).await;
    ha.holds(&revision, &text(&next), versions + 1).await;
}

async fn a_write_whose_answer_died_with_the_active_server_is_recognised(ha: &mut Ha) {
    let Elected { active, standbys } = ha.cluster.elected().await;
    let before = Middleman::before(ha.cluster[standbys[0]].url()).await;
    let here = ha.behind(before.url());
    let (held, versions) = (held(&here).await, ha.versions().await);
    let next = successor(&held.document, "unheard");
    let id = WriteId::derive("unheard", "stage");
    before.keep();
    let unheard = async {
        loop {
            let (secrets, erpgo) = (&here.secrets, &here.erpgo);
            let written = secrets.replace(erpgo, &held.revision, &next, &id).await;
            passes(&written.unwrap_err());
            if before.has_kept() {
                return;
            }
        }
    };
    let death = async {
        before.until_kept().await;
        ha.cluster.kill(active);
        before.lose();
    };
    let both = async { tokio::join!(unheard, death) };
    tokio::time::timeout(wait::LIMIT, both).await.unwrap();
    // After a crash the values may be drawn anew.
    let redrawn = successor(&held.document, "redrawn");
    let revision = done(write(&here, &held.revision, &redrawn, &id).await);
    ha.cluster.restart(active).await;
    ha.holds(&revision, &text(&next), versions + 1).await;
}

async fn of_writes_during_an_election_each_is_done_once(ha: &mut Ha) {
    let Elected { active, standbys } = ha.cluster.elected().await;
    let here = ha.at(standbys[0]);
    let (mut last, versions) = (held(&here).await, ha.versions().await);
    let (written, is_over) = (Cell::new(0), Cell::new(false));
    let writes = async {
        while !is_over.get() {
            let step = written.get().to_string();
            let document = successor(&last.document, &step);
            let id = WriteId::derive("election", &step);
            let revision = done(write(&here, &last.revision, &document, &id).await);
            last = Held { document, revision };
            written.set(written.get() + 1);
        }
        last
    };
    let death = async {
        until_more(&written, 3).await;
        ha.cluster.kill(active);
        ha.cluster.elected().await;
        until_more(&written, 3).await;
        is_over.set(true);
    };
    let (last, ()) = tokio::join!(writes, death);
    ha.cluster.restart(active).await;
    let versions = versions + written.get();
    ha.holds(&last.revision, &text(&last.document), versions)
        .await;
}

async fn until_more(written: &Cell<u64>, writes: u64) {
    let wanted = written.get() + writes;
    wait::until("writes", async || {
        Ok((written.get() >= wanted).then_some(()))
    })
    .await
    .unwrap();
}
