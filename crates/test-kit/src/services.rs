//! Starting, stopping and listing the shared services of a checkout.

use crate::state::State;
use crate::{apiserver, postgres, private};

/// Starts what is shared and not running, and returns a line for each service.
pub fn up() -> anyhow::Result<Vec<String>> {
    let state = State::open()?;
    postgres::up(&state)?;
    apiserver::up(&state)?;
    status()
}

/// A line for each shared service.
pub fn status() -> anyhow::Result<Vec<String>> {
    let state = State::open()?;
    let postgres = postgres::status(&state).map_or_else(
        || "PostgreSQL: not running".to_owned(),
        |shared| format!("PostgreSQL: {}", shared.admin_url("postgres")),
    );
    let apiserver = apiserver::status(&state).map_or_else(
        || "kube-apiserver: not running".to_owned(),
        |access| {
            format!(
                "kube-apiserver: {} (kubeconfig {})",
                access.url,
                access.dir.join("admin.kubeconfig").display()
            )
        },
    );
    Ok(vec![postgres, apiserver])
}

/// Stops what is shared, sweeps what dead test processes left, and removes all data.
pub fn down() -> anyhow::Result<()> {
    let state = State::open()?;
    private::sweep(&state.record("private"));
    postgres::down(&state)?;
    apiserver::down(&state)?;
    state.remove()
}
