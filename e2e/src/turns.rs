//! Two database roles and two Redis users that take turns, as the guides set them up.
//!
//! Owns their names and passwords on the node's PostgreSQL and Redis. It is the person who gives the
//! idle ones new passwords, writes the new URLs into the Secrets, and takes the old passwords away.

use anyhow::{Context as _, Result};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

use crate::roles;
use crate::stage::{self, Stage};
use crate::users::{self, acl, redis_admin};

/// The URLs of one turn.
#[derive(Clone)]
pub struct Credentials {
    role: String,
    database_password: String,
    redis_password: String,
    database: String,
    redis: String,
}

/// Who has the turn, and who had it before.
pub struct Turns {
    present: Credentials,
    former: Option<Credentials>,
}

impl Turns {
    /// Makes both roles and users anew and writes the first URLs into the Secrets `database` and `redis`.
    ///
    /// # Errors
    /// When PostgreSQL, Redis or the API server refuses.
    pub async fn begin(stage: &Stage) -> Result<Self> {
        let mut admin = stage::admin_connection().await?;
        for side in ["a", "b"] {
            roles::make_member(&mut admin, &format!("{}_{side}", stage.namespace)).await?;
        }
        let present = Credentials::make(stage, "a")?;
        present.grant(&mut admin).await?;
        present.write(stage).await?;
        Ok(Self {
            present,
            former: None,
        })
    }

    /// Who has the turn now.
    #[must_use]
    pub const fn present(&self) -> &Credentials {
        &self.present
    }

    /// Gives the idle ones new passwords and writes their URLs into the Secrets.
    ///
    /// # Errors
    /// When PostgreSQL, Redis or the API server refuses.
    pub async fn turn(&mut self, stage: &Stage) -> Result<()> {
        let next = self.prepare(stage).await?;
        next.write(stage).await?;
        self.former = Some(std::mem::replace(&mut self.present, next));
        Ok(())
    }

    /// Takes the passwords of those before away, as a person does when the old versions are retired.
    ///
    /// # Errors
    /// When nobody had the turn before, or PostgreSQL or Redis refuses.
    pub async fn clear(&self) -> Result<()> {
        let former = self.former.as_ref();
        former.context("nobody had the turn before")?.clear().await
    }

    /// Gives the idle ones new passwords; no Secret has their URLs yet.
    ///
    /// # Errors
    /// When PostgreSQL or Redis refuses.
    pub async fn prepare(&self, stage: &Stage) -> Result<Credentials> {
        let side = if self.present.role.ends_with("_a") {
            "b"
        } else {
            "a"
        };
        let next = Credentials::make(stage, side)?;
        next.grant(&mut stage::admin_connection().await?).await?;
        Ok(next)
    }

    /// Removes roles and users; the database must be gone.
    ///
    /// # Errors
    /// When PostgreSQL or Redis refuses.
    pub async fn end(self, stage: &Stage) -> Result<()> {
        let mut admin = stage::admin_connection().await?;
        let mut redis = redis_admin().await?;
        for side in ["a", "b"] {
            let role = format!("{}_{side}", stage.namespace);
            let drop = format!("DROP ROLE IF EXISTS \"{role}\"");
            admin.execute(AssertSqlSafe(drop)).await?;
            let mut removed = acl("DELUSER");
            removed.arg(&role);
            removed.query_async::<()>(&mut redis).await?;
        }
        Ok(())
    }
}

impl Credentials {
    fn make(stage: &Stage, side: &str) -> Result<Self> {
        let role = format!("{}_{side}", stage.namespace);
        let password = || uuid::Uuid::new_v4().simple().to_string();
        let (database_password, redis_password) = (password(), password());
        let database = stage.database_url()?;
        let redis = stage::service_url("REDIS_URL")?;
        Ok(Self {
            database: with_login(&database, &role, &database_password)?,
            redis: with_login(&redis, &role, &redis_password)?,
            role,
            database_password,
            redis_password,
        })
    }

    async fn clear(&self) -> Result<()> {
        let mut admin = stage::admin_connection().await?;
        let clear = format!("ALTER ROLE \"{}\" PASSWORD NULL", self.role);
        admin.execute(AssertSqlSafe(clear)).await?;
        let mut reset = acl("SETUSER");
        reset.arg(&self.role).arg("resetpass");
        reset.query_async::<()>(&mut redis_admin().await?).await?;
        Ok(())
    }

    /// The passwords, for a search.
    #[must_use]
    pub fn passwords(&self) -> [String; 2] {
        [self.database_password.clone(), self.redis_password.clone()]
    }

    /// The URL of the database, as pods know it.
    #[must_use]
    pub fn database_url(&self) -> String {
        stage::in_cluster(&self.database)
    }

    /// The same with a wrong password.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn wrong_database_url(&self) -> Result<String> {
        let wrong = with_login(&self.database, &self.role, "not-the-password")?;
        Ok(stage::in_cluster(&wrong))
    }

    /// Puts both URLs into the Secrets, as pods know them.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn write(&self, stage: &Stage) -> Result<()> {
        for (name, url) in [("database", &self.database), ("redis", &self.redis)] {
            let url = stage::in_cluster(url);
            stage.put_secret(name, json!({"url": url})).await?;
        }
        Ok(())
    }

    async fn grant(&self, admin: &mut PgConnection) -> Result<()> {
        let give = format!(
            "ALTER ROLE \"{}\" PASSWORD '{}'",
            self.role, self.database_password
        );
        admin.execute(AssertSqlSafe(give)).await?;
        let redis = &mut redis_admin().await?;
        users::make_member(redis, &self.role, Some(&self.redis_password)).await
    }
}

// scheme://user:password@host/name
pub(crate) fn with_login(url: &str, user: &str, password: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("no URL")?;
    let (_, place) = rest.split_once('@').context("a URL without a login")?;
    Ok(format!("{scheme}://{user}:{password}@{place}"))
}
