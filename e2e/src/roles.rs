//! Two database roles that the operator lets take turns, as the guide sets them up.
//!
//! Owns the roles of one stage and the role that changes their passwords. After the first URL no
//! password is written here: the operator draws them and its Jobs hand them to PostgreSQL.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::pair::Pair;
use crate::stage::{self, Stage};

/// The Secret with the URL of the role that changes passwords.
const ADMIN: &str = "database-admin";

/// The two roles and their administrator.
pub struct Roles(Pair);

impl Roles {
    /// Makes the roles anew and writes the URLs of the first and of the administrator into Secrets.
    ///
    /// # Errors
    /// When PostgreSQL or the API server refuses.
    pub async fn begin(stage: &Stage) -> Result<Self> {
        let roles = Self(Pair::of(stage));
        let mut superuser = stage::admin_connection().await?;
        roles.remove(&mut superuser).await?;
        for name in &roles.0.names {
            make_member(&mut superuser, name).await?;
        }
        roles.make_admin(&mut superuser).await?;
        let secrets = ["database", ADMIN];
        roles
            .0
            .write(stage, &stage.database_url()?, secrets)
            .await?;
        Ok(roles)
    }

    async fn make_admin(&self, superuser: &mut PgConnection) -> Result<()> {
        let ([a, b], admin) = (&self.0.names, &self.0.admin);
        let [first, of_admin] = &self.0.passwords;
        for statement in [
            format!("ALTER ROLE \"{a}\" PASSWORD '{first}'"),
            format!("CREATE ROLE \"{admin}\" LOGIN CREATEROLE PASSWORD '{of_admin}'"),
            format!("GRANT \"{a}\", \"{b}\" TO \"{admin}\" WITH ADMIN OPTION"),
        ] {
            superuser.execute(AssertSqlSafe(statement)).await?;
        }
        Ok(())
    }

    /// `spec.database.rotation`.
    #[must_use]
    pub fn spec(&self) -> Value {
        json!({"roles": self.0.names, "adminSecretRef": {"name": ADMIN}})
    }

    /// The passwords that were written here, for a search.
    #[must_use]
    pub fn passwords(&self) -> &[String] {
        &self.0.passwords
    }

    /// The role of a database URL, and the other one.
    ///
    /// # Errors
    /// When the URL is of neither.
    pub fn of_url<'a>(&'a self, url: &str) -> Result<(&'a str, &'a str)> {
        self.0.of_url(url)
    }

    /// Whether PostgreSQL lets anybody in as `role` by a password.
    ///
    /// # Errors
    /// When there is no such role.
    pub async fn has_password(&self, role: &str) -> Result<bool> {
        let mut superuser = stage::admin_connection().await?;
        let query =
            sqlx::query_scalar("SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = $1");
        let found: Option<bool> = query.bind(role).fetch_optional(&mut superuser).await?;
        found.with_context(|| format!("there is no role {role}"))
    }

    /// Connects by an URL that pods use; whether PostgreSQL takes it.
    ///
    /// # Errors
    /// When it refuses for another reason than the login.
    pub async fn connects(url: &str) -> Result<bool> {
        match PgConnection::connect(&stage::on_host(url)).await {
            Ok(connection) => {
                connection.close().await?;
                Ok(true)
            }
            // invalid_password
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("28P01") => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the roles; the database must be gone.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn end(self) -> Result<()> {
        self.remove(&mut stage::admin_connection().await?).await
    }

    async fn remove(&self, superuser: &mut PgConnection) -> Result<()> {
        // The administrator first: it holds the grants of the others.
        for name in [&self.0.admin].into_iter().chain(&self.0.names) {
            let drop = format!("DROP ROLE IF EXISTS \"{name}\"");
            superuser.execute(AssertSqlSafe(drop)).await?;
        }
        Ok(())
    }
}

/// Makes `role` anew: one that may log in, owns nothing and acts as the owner of the tables.
pub(crate) async fn make_member(superuser: &mut PgConnection, role: &str) -> Result<()> {
    for statement in [
        format!("DROP ROLE IF EXISTS \"{role}\""),
        format!("CREATE ROLE \"{role}\" LOGIN"),
        format!("GRANT erpgo TO \"{role}\""),
        format!("ALTER ROLE \"{role}\" SET role = 'erpgo'"),
    ] {
        superuser.execute(AssertSqlSafe(statement)).await?;
    }
    Ok(())
}
