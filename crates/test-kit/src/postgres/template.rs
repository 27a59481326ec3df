//! Databases that are migrated once and cloned for each test.

use super::database::{self, TestDatabase, drop_statement};
use super::shared::{self, OWNER, Shared};
use super::sql;
use crate::fail;
use crate::state::State;
use anyhow::{Context, bail};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many templates of one name are kept: one for each build of a few test binaries.
const KEPT: usize = 8;

/// Clones the template of this name, making it first when this build has none.
pub(crate) async fn clone_of<F>(name: &str, migrate: F) -> anyhow::Result<TestDatabase>
where
    F: AsyncFnOnce(String) -> anyhow::Result<()>,
{
    let family = family(name)?;
    let template = format!("{family}_{:016x}", build_fingerprint()?);
    // Nearly always the template is there, and cloning at once saves a connection.
    match database::create(Some(&template)).await {
        Err(error) if is_missing(&error) => {}
        result => return result,
    }
    let shared = shared::shared().await?;
    ensure(&shared, &family, &template, migrate).await?;
    database::create(Some(&template)).await
}

async fn ensure<F>(shared: &Shared, family: &str, template: &str, migrate: F) -> anyhow::Result<()>
where
    F: AsyncFnOnce(String) -> anyhow::Result<()>,
{
    if exists(shared, template).await? {
        return Ok(());
    }
    let lock_name = format!("postgres-{family}");
    let _lock = fail::blocking(move || State::open()?.lock(&lock_name)).await?;
    if exists(shared, template).await? {
        return Ok(());
    }
    drop_oldest(shared, family).await?;
    build(shared, template, migrate).await
}

/// Fills a database under a passing name, so that a template that exists is complete.
async fn build<F>(shared: &Shared, template: &str, migrate: F) -> anyhow::Result<()>
where
    F: AsyncFnOnce(String) -> anyhow::Result<()>,
{
    let partial = format!("{template}_new");
    let admin = shared.admin_url("postgres");
    let create = format!("CREATE DATABASE {partial} OWNER {OWNER} TEMPLATE template0");
    sql::run(&admin, &[drop_statement(&partial), create]).await?;
    migrate(shared.owner_url(&partial))
        .await
        .context("the template's migration failed")?;
    let statements = [
        format!("ALTER DATABASE {partial} ALLOW_CONNECTIONS false"),
        format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{partial}'"
        ),
        format!("ALTER DATABASE {partial} RENAME TO {template}"),
    ];
    sql::run(&admin, &statements).await
}

/// Whether PostgreSQL has no such template.
fn is_missing(error: &anyhow::Error) -> bool {
    let causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<sqlx::Error>());
    let codes = causes.filter_map(|cause| cause.as_database_error().and_then(|error| error.code()));
    codes.into_iter().any(|code| code == "3D000")
}

async fn exists(shared: &Shared, template: &str) -> anyhow::Result<bool> {
    let query = format!("SELECT datname::text FROM pg_database WHERE datname = '{template}'");
    Ok(!sql::column(&shared.admin_url("postgres"), &query)
        .await?
        .is_empty())
}

async fn drop_oldest(shared: &Shared, family: &str) -> anyhow::Result<()> {
    let admin = shared.admin_url("postgres");
    let query = format!(
        "SELECT datname::text FROM pg_database WHERE datname ~ '^{family}_[0-9a-f]{{16}}$' ORDER BY oid DESC OFFSET {}",
        KEPT - 1
    );
    let old = sql::column(&admin, &query).await?;
    let statements: Vec<_> = old.iter().map(|name| drop_statement(name)).collect();
    sql::run(&admin, &statements).await
}

/// The part of a template's name that all builds share.
fn family(name: &str) -> anyhow::Result<String> {
    let fits = !name.is_empty() && name.len() <= 32;
    if !fits
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    {
        bail!("a template's name has 1 to 32 of a-z, 0-9 and _, and {name:?} has not");
    }
    Ok(format!("template_{name}"))
}

/// Tells one build of the running test binary from another, since migrations are compiled in.
fn build_fingerprint() -> anyhow::Result<u64> {
    let program = std::env::current_exe()?;
    let metadata = program.metadata()?;
    let mut hasher = DefaultHasher::new();
    (program, metadata.len(), metadata.modified()?).hash(&mut hasher);
    Ok(hasher.finish())
}
