//! Two logins of one stage that take turns, and one that changes their passwords.
//!
//! Owns their names and first passwords, and the Secrets with their URLs.

use anyhow::{Result, bail};
use serde_json::json;

use crate::stage::{self, Stage};
use crate::turns::with_login;

pub(crate) struct Pair {
    pub(crate) names: [String; 2],
    pub(crate) admin: String,
    /// Of the first one and of the administrator.
    pub(crate) passwords: [String; 2],
}

impl Pair {
    pub(crate) fn of(stage: &Stage) -> Self {
        let password = || uuid::Uuid::new_v4().simple().to_string();
        let shop = stage.namespace.replace('-', "_");
        Self {
            names: ["a", "b"].map(|side| format!("{shop}_{side}")),
            admin: format!("{shop}_rotation"),
            passwords: [password(), password()],
        }
    }

    /// Writes `url` with each of the two logins that have a password into a Secret of `secrets`.
    pub(crate) async fn write(&self, stage: &Stage, url: &str, secrets: [&str; 2]) -> Result<()> {
        let logins = [&self.names[0], &self.admin]
            .into_iter()
            .zip(&self.passwords);
        for (secret, (login, password)) in secrets.into_iter().zip(logins) {
            let url = stage::in_cluster(&with_login(url, login, password)?);
            stage.put_secret(secret, json!({"url": url})).await?;
        }
        Ok(())
    }

    /// Who of the two `url` logs in as, and the other one.
    pub(crate) fn of_url<'a>(&'a self, url: &str) -> Result<(&'a str, &'a str)> {
        let [a, b] = &self.names;
        let is_of = |name: &String| url.contains(&format!("//{name}:"));
        match (is_of(a), is_of(b)) {
            (true, _) => Ok((a, b)),
            (_, true) => Ok((b, a)),
            _ => bail!("the URL is of neither {a} nor {b}"),
        }
    }
}
