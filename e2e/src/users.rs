//! Two Redis users that the operator lets take turns, as the guide sets them up.
//!
//! Owns the users of one stage and the user that changes their passwords. After the first URL no password
//! is written here: the operator draws them and its Jobs hand them to Redis.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue as _, Value as Answer};
use serde_json::{Value, json};

use crate::stage::{self, Stage};
use crate::turns::{of_url, with_login};

/// The Secret with the URL of the user that changes passwords.
const ADMIN: &str = "redis-admin";

/// The two users and their administrator.
pub struct Users {
    names: [String; 2],
    admin: String,
    passwords: [String; 2],
}

impl Users {
    /// Makes the users anew and writes the URLs of the first and of the administrator into Secrets.
    ///
    /// # Errors
    /// When Redis or the API server refuses.
    pub async fn begin(stage: &Stage) -> Result<Self> {
        let password = || uuid::Uuid::new_v4().simple().to_string();
        let shop = stage.namespace.replace('-', "_");
        let users = Self {
            names: ["a", "b"].map(|side| format!("{shop}_{side}")),
            admin: format!("{shop}_rotation"),
            passwords: [password(), password()],
        };
        let mut redis = redis_admin().await?;
        users.remove(&mut redis).await?;
        let [first, of_admin] = &users.passwords;
        let [a, b] = &users.names;
        make_member(&mut redis, a, Some(first)).await?;
        make_member(&mut redis, b, None).await?;
        let mut admin = acl("SETUSER");
        admin
            .arg(&users.admin)
            .arg("on")
            .arg(format!(">{of_admin}"));
        for right in ["whoami", "getuser", "setuser", "save"] {
            admin.arg(format!("+acl|{right}"));
        }
        admin.arg("+config|get");
        admin.query_async::<()>(&mut redis).await?;
        acl("SAVE").query_async::<()>(&mut redis).await?;
        users.write(stage).await?;
        Ok(users)
    }

    async fn write(&self, stage: &Stage) -> Result<()> {
        let [first, of_admin] = &self.passwords;
        for (secret, user, password) in [
            ("redis", &self.names[0], first),
            (ADMIN, &self.admin, of_admin),
        ] {
            let url = with_login(&stage::service_url("REDIS_URL")?, user, password)?;
            let url = stage::in_cluster(&url);
            stage.put_secret(secret, json!({"url": url})).await?;
        }
        Ok(())
    }

    /// `spec.redis.rotation`.
    #[must_use]
    pub fn spec(&self) -> Value {
        json!({"users": self.names, "adminSecretRef": {"name": ADMIN}})
    }

    /// The passwords that were written here, for a search.
    #[must_use]
    pub fn passwords(&self) -> &[String] {
        &self.passwords
    }

    /// The user of a URL of Redis, and the other one.
    ///
    /// # Errors
    /// When the URL is of neither.
    pub fn of_url<'a>(&'a self, url: &str) -> Result<(&'a str, &'a str)> {
        of_url(&self.names, url)
    }

    /// Whether Redis lets anybody in as `user` by a password.
    ///
    /// # Errors
    /// When there is no such user.
    pub async fn has_password(&self, user: &str) -> Result<bool> {
        let mut command = acl("GETUSER");
        command.arg(user);
        let found: Option<HashMap<String, Answer>> =
            command.query_async(&mut redis_admin().await?).await?;
        let mut facts = found.with_context(|| format!("there is no user {user}"))?;
        let mut words = |name: &str| {
            let fact = facts.remove(name).unwrap_or(Answer::Nil);
            Vec::<String>::from_redis_value(fact)
        };
        let (passwords, flags) = (words("passwords")?, words("flags")?);
        Ok(!passwords.is_empty() || flags.iter().any(|flag| flag == "nopass"))
    }

    /// Connects by a URL that pods use; whether Redis takes it.
    ///
    /// # Errors
    /// When it refuses for another reason than the login.
    pub async fn connects(url: &str) -> Result<bool> {
        let client = redis::Client::open(stage::on_host(url))?;
        match client.get_multiplexed_async_connection().await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AuthenticationFailed => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the users; nobody may use them any more.
    ///
    /// # Errors
    /// When Redis refuses.
    pub async fn end(self) -> Result<()> {
        let mut redis = redis_admin().await?;
        self.remove(&mut redis).await?;
        Ok(acl("SAVE").query_async(&mut redis).await?)
    }

    async fn remove(&self, redis: &mut MultiplexedConnection) -> Result<()> {
        let mut command = acl("DELUSER");
        command.arg(&self.names[..]).arg(&self.admin);
        Ok(command.query_async(redis).await?)
    }
}

/// Makes `user` one that may log in and do what the application does, with this password alone.
pub(crate) async fn make_member(
    redis: &mut MultiplexedConnection,
    user: &str,
    password: Option<&str>,
) -> Result<()> {
    let mut command = acl("SETUSER");
    command.arg(user).arg("on").arg("resetpass");
    // As docs/guides/redis-users.md has it.
    command.arg("~erpgo:*").arg("&erpgo:*");
    command.arg("+@all").arg("-@admin").arg("-@dangerous");
    if let Some(password) = password {
        command.arg(format!(">{password}"));
    }
    Ok(command.query_async(redis).await?)
}

pub(crate) fn acl(what: &str) -> Cmd {
    let mut command = redis::cmd("ACL");
    command.arg(what);
    command
}

pub(crate) async fn redis_admin() -> Result<MultiplexedConnection> {
    let client = redis::Client::open(stage::service_url("REDIS_URL")?)?;
    Ok(client.get_multiplexed_async_connection().await?)
}
