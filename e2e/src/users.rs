//! Two Redis users that the operator lets take turns, as the guide sets them up.
//!
//! Owns the users of one stage and the user that changes their passwords. After the first URL no password
//! is written here: the operator draws them and its Jobs hand them to Redis.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue as _, Value as Answer};
use serde_json::{Value, json};

use crate::pair::Pair;
use crate::stage::{self, Stage};

/// The Secret with the URL of the user that changes passwords.
const ADMIN: &str = "redis-admin";

/// The two users and their administrator.
pub struct Users(Pair);

impl Users {
    /// Makes the users anew and writes the URLs of the first and of the administrator into Secrets.
    ///
    /// # Errors
    /// When Redis or the API server refuses.
    pub async fn begin(stage: &Stage) -> Result<Self> {
        let users = Self(Pair::of(stage));
        let mut redis = redis_admin().await?;
        users.remove(&mut redis).await?;
        let [first, of_admin] = &users.0.passwords;
        let [a, b] = &users.0.names;
        make_member(&mut redis, a, Some(first)).await?;
        make_member(&mut redis, b, None).await?;
        let mut admin = acl("SETUSER");
        admin
            .arg(&users.0.admin)
            .arg("on")
            .arg(format!(">{of_admin}"));
        for right in ["whoami", "getuser", "setuser", "save"] {
            admin.arg(format!("+acl|{right}"));
        }
        admin.arg("+config|get");
        admin.query_async::<()>(&mut redis).await?;
        acl("SAVE").query_async::<()>(&mut redis).await?;
        let secrets = ["redis", ADMIN];
        let url = stage::service_url("REDIS_URL")?;
        users.0.write(stage, &url, secrets).await?;
        Ok(users)
    }

    /// `spec.redis.rotation`.
    #[must_use]
    pub fn spec(&self) -> Value {
        json!({"users": self.0.names, "adminSecretRef": {"name": ADMIN}})
    }

    /// The passwords that were written here, for a search.
    #[must_use]
    pub fn passwords(&self) -> &[String] {
        &self.0.passwords
    }

    /// The user of a URL of Redis, and the other one.
    ///
    /// # Errors
    /// When the URL is of neither.
    pub fn of_url<'a>(&'a self, url: &str) -> Result<(&'a str, &'a str)> {
        self.0.of_url(url)
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
        command.arg(&self.0.names[..]).arg(&self.0.admin);
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
    command
        .arg("+@all")
        .arg("-@admin")
        .arg("-@dangerous")
        .arg("+info");
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
