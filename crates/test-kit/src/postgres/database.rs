//! A database of one test on the shared server, dropped with its handle.

use super::shared::{self, OWNER, Shared};
use super::{sql, template};
use crate::fail;
use crate::process::Process;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Names of tests' databases begin with this and their owner's process.
const PREFIX: &str = "test_";

/// A fresh database that no other test sees.
#[derive(Debug)]
pub struct TestDatabase {
    shared: Shared,
    name: String,
    roles: Mutex<Vec<String>>,
}

impl TestDatabase {
    /// Clones a database that `migrate` has filled, once per `name` and build of the test binary.
    ///
    /// `migrate` gets the URL of the template's owner and must close its connections.
    pub async fn template<F>(name: &str, migrate: F) -> Self
    where
        F: AsyncFnOnce(String) -> anyhow::Result<()>,
    {
        fail::unless(template::clone_of(name, migrate).await)
    }

    /// The URL of the role that owns the database; it is no superuser.
    pub fn url(&self) -> String {
        self.shared.owner_url(&self.name)
    }

    /// The superuser's URL for this database.
    pub fn admin_url(&self) -> String {
        self.shared.admin_url(&self.name)
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the server listens, for a proxy in front of it.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.shared.port()).into()
    }

    /// Drops the database and waits until it is gone.
    pub async fn remove(mut self) {
        let statements = self.statements();
        fail::unless(sql::run(&self.shared.admin_url("postgres"), &statements).await);
    }

    /// Creates a role that may log in and owns nothing, and returns its URL for this database.
    pub async fn role(&self) -> String {
        let role = fail::unless(new_name());
        let statement = format!("CREATE ROLE {role} LOGIN PASSWORD '{role}'");
        fail::unless(sql::run(&self.admin_url(), &[statement]).await);
        self.roles
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(role.clone());
        self.shared.role_url(&role, &role, &self.name)
    }

    /// What drops all of it.
    fn statements(&mut self) -> Vec<String> {
        let roles = self
            .roles
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut statements = vec![drop_statement(&self.name)];
        statements.extend(roles.iter().map(|role| drop_role_statement(role)));
        statements
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statements = self.statements();
        sql::run_detached(self.shared.admin_url("postgres"), statements);
    }
}

/// Creates a database, empty or as a copy of the template.
pub(crate) async fn create(template: Option<&str>) -> anyhow::Result<TestDatabase> {
    let shared = shared::shared().await?;
    sweep_once(&shared).await?;
    let name = new_name()?;
    // Copying files costs a third of logging their contents, where a checkpoint costs nothing.
    let statement = format!(
        "CREATE DATABASE {name} OWNER {OWNER} STRATEGY file_copy TEMPLATE {}",
        template.unwrap_or("template0")
    );
    sql::run(&shared.admin_url("postgres"), &[statement]).await?;
    Ok(TestDatabase {
        shared,
        name,
        roles: Mutex::default(),
    })
}

/// The statement that drops a database with whatever is still connected to it.
pub(crate) fn drop_statement(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
}

fn drop_role_statement(role: &str) -> String {
    format!("DROP ROLE IF EXISTS {role}")
}

fn new_name() -> anyhow::Result<String> {
    let (pid, started) = Process::current()?.parts();
    let id = uuid::Uuid::new_v4().simple().to_string();
    Ok(format!("{PREFIX}{pid}_{started}_{}", &id[..12]))
}

/// Drops the databases and roles of dead processes, once in this process's life.
async fn sweep_once(shared: &Shared) -> anyhow::Result<()> {
    static SWEPT: AtomicBool = AtomicBool::new(false);
    if SWEPT.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let url = shared.admin_url("postgres");
    let databases = left(
        &url,
        "SELECT datname::text FROM pg_database WHERE datname LIKE 'test\\_%'",
    )
    .await?;
    let roles = left(
        &url,
        "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'test\\_%'",
    )
    .await?;
    let databases: Vec<_> = databases.iter().map(|name| drop_statement(name)).collect();
    sql::run(&url, &databases).await?;
    let roles: Vec<_> = roles.iter().map(|name| drop_role_statement(name)).collect();
    // Another process may be dropping the same ones, which PostgreSQL refuses; no test minds one that stays.
    let _ = sql::run(&url, &roles).await;
    Ok(())
}

/// The names that `query` finds whose owner is dead.
async fn left(url: &str, query: &str) -> anyhow::Result<Vec<String>> {
    let mut names = sql::column(url, query).await?;
    names.retain(|name| !owner_lives(name));
    Ok(names)
}

/// Whether the process in the name of a database or role runs; a name that does not parse is left alone.
fn owner_lives(name: &str) -> bool {
    let mut parts = name.trim_start_matches(PREFIX).split('_');
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u64>().ok());
    match (number(parts.next()), number(parts.next())) {
        (Some(pid), Some(started)) => {
            Process::from_parts(pid, started).is_none_or(Process::is_alive)
        }
        _ => true,
    }
}
