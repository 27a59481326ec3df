//! Two database roles that the operator lets take turns, as the guide sets them up.
//!
//! Owns the roles of one stage and the role that changes their passwords. After the first URL no
//! password is written here: the operator draws them and its Jobs hand them to PostgreSQL.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::stage::{self, Stage};
use crate::turns::{of_url, with_login};

/// The Secret with the URL of the role that changes passwords.
const ADMIN: &str = "database-admin";

/// The two roles and their administrator.
pub struct Roles {
    names: [String; 2],
    admin: String,
    passwords: [String; 2],
}

impl Roles {
    /// Makes the roles anew and writes the URLs of the first and of the administrator into Secrets.
    ///
    /// # Errors
    /// When PostgreSQL or the API server refuses.
    pub async fn begin(stage: &Stage) -> Result<Self> {
        let password = || uuid::Uuid::new_v4().simple().to_string();
        let shop = stage.namespace.replace('-', "_");
        let roles = Self {
            names: ["a", "b"].map(|side| format!("{shop}_{side}")),
            admin: format!("{shop}_rotation"),
            passwords: [password(), password()],
        };
        let mut superuser = stage::admin_connection().await?;
        roles.remove(&mut superuser).await?;
        for name in &roles.names {
            make_member(&mut superuser, name).await?;
        }
        roles.make_admin(&mut superuser).await?;
        roles.write(stage).await?;
        Ok(roles)
    }

    async fn make_admin(&self, superuser: &mut PgConnection) -> Result<()> {
        let ([a, b], admin) = (&self.names, &self.admin);
        let [first, of_admin] = &self.passwords;
        for statement in [
            format!("ALTER ROLE \"{a}\" PASSWORD '{first}'"),
            format!("CREATE ROLE \"{admin}\" LOGIN CREATEROLE PASSWORD '{of_admin}'"),
            format!("GRANT \"{a}\", \"{b}\" TO \"{admin}\" WITH ADMIN OPTION"),
        ] {
            superuser.execute(AssertSqlSafe(statement)).await?;
        }
        Ok(())
    }

    async fn write(&self, stage: &Stage) -> Result<()> {
        let [first, of_admin] = &self.passwords;
        for (secret, role, password) in [
            ("database", &self.names[0], first),
            (ADMIN, &self.admin, of_admin),
        ] {
            let url = with_login(&stage.database_url()?, role, password)?;
            let url = stage::in_cluster(&url);
            stage.put_secret(secret, json!({"url": url})).await?;
        }
        Ok(())
    }

    /// `spec.database.rotation`.
    #[must_use]
    pub fn spec(&self) -> Value {
        json!({"roles": self.names, "adminSecretRef": {"name": ADMIN}})
    }

    /// The passwords that were written here, for a search.
    #[must_use]
    pub fn passwords(&self) -> &[String] {
        &self.passwords
    }

    /// The role of a database URL, and the other one.
    ///
    /// # Errors
    /// When the URL is of neither.
    pub fn of_url<'a>(&'a self, url: &str) -> Result<(&'a str, &'a str)> {
        of_url(&self.names, url)
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
        for name in [&self.admin].into_iter().chain(&self.names) {
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
