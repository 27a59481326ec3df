//! The user whose password changes.
//!
//! Owns [`UserName`], what a user must be so that it can take turns with another ([`check`]), and the
//! commands. The default user and the administrator keep their passwords.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue, Value};

use super::{Hash, Refusal};
use crate::credentials::CredentialsError;

/// Whoever gives no user works as this one.
const DEFAULT: &str = "default";

/// A user's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

/// Not a plain name.
#[derive(Debug, thiserror::Error)]
#[error("a user is 1 to 63 characters of a-z, 0-9, '_' and '-', beginning with a letter or '_'")]
pub struct UserNameError;

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        let plain =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        let first = |c: char| c.is_ascii_lowercase() || c == '_';
        let ok = text.len() <= 63 && text.starts_with(first) && text.bytes().all(plain);
        ok.then(|| Self(text.to_owned())).ok_or(UserNameError)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks that the user may have its password changed without harm, and that it will last.
pub(super) async fn check(
    connection: &mut MultiplexedConnection,
    user: &UserName,
) -> Result<(), CredentialsError> {
    if user.0 == DEFAULT {
        let fault = "it is the default user, as which everybody works who gives none";
        return Err(CredentialsError::User(fault));
    }
    let own: String = ask(connection, "tell its user", acl("WHOAMI")).await?;
    if own == user.0 {
        return Err(CredentialsError::User("it is the administrator's own"));
    }
    let mut describe = acl("GETUSER");
    describe.arg(&user.0);
    let found = ask(connection, "describe the user", describe).await?;
    check_facts(found).map_err(CredentialsError::User)?;
    let mut setting = ::redis::cmd("CONFIG");
    setting.arg("GET").arg("aclfile");
    let settings: HashMap<String, String> =
        ask(connection, "tell its setting aclfile", setting).await?;
    if settings.get("aclfile").is_none_or(String::is_empty) {
        let fault = "Redis has no file of its access list, so that a restart would undo the change: \
                     set aclfile";
        return Err(CredentialsError::User(fault));
    }
    Ok(())
}

// The answer holds hashes of passwords too: nothing but the flags is looked at.
fn check_facts(found: Option<HashMap<String, Value>>) -> Result<(), &'static str> {
    let mut facts = found.ok_or("it does not exist")?;
    let flags = facts.remove("flags").unwrap_or(Value::Nil);
    let flags = Vec::<String>::from_redis_value(flags).unwrap_or_default();
    if flags.iter().all(|flag| flag != "on") {
        return Err("it is off and may not log in");
    }
    Ok(())
}

/// Gives the user the password behind `hash` and no other, or takes all away.
pub(super) async fn change(
    connection: &mut MultiplexedConnection,
    user: &UserName,
    hash: Option<&Hash>,
) -> Result<(), CredentialsError> {
    let mut command = acl("SETUSER");
    command.arg(&user.0).arg("resetpass");
    let step = match hash {
        Some(hash) => {
            command.arg(format!("#{}", hash.expose()));
            "set the password"
        }
        None => "take the password away",
    };
    ask(connection, step, command).await
}

/// Has Redis write its access list, so that a restart does not undo the change.
pub(super) async fn save(connection: &mut MultiplexedConnection) -> Result<(), CredentialsError> {
    let saved = acl("SAVE").query_async::<()>(connection).await;
    saved.map_err(|error| CredentialsError::Unsaved(error.into()))
}

fn acl(what: &str) -> Cmd {
    let mut command = ::redis::cmd("ACL");
    command.arg(what);
    command
}

async fn ask<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    step: &'static str,
    command: Cmd,
) -> Result<T, CredentialsError> {
    let answered = command.query_async(connection).await;
    answered.map_err(|error| CredentialsError::Redis {
        step,
        source: Refusal::from(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_plain_is_refused() {
        for good in ["erp_a", "erp-a", "_x", "a"] {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "Erp", "1a", "-a", "a b", "a>b", "a\r\nb", "ä", &long] {
            assert!(bad.parse::<UserName>().is_err(), "{bad}");
        }
    }

    fn user(flags: &[&str]) -> Option<HashMap<String, Value>> {
        let flags = flags
            .iter()
            .map(|flag| Value::BulkString(flag.as_bytes().into()));
        Some(HashMap::from([(
            "flags".to_owned(),
            Value::Array(flags.collect()),
        )]))
    }

    #[test]
    fn a_user_that_may_not_log_in_is_refused() {
        assert_eq!(check_facts(user(&["on", "sanitize-payload"])), Ok(()));
        assert!(check_facts(user(&["off"])).unwrap_err().contains("off"));
        assert!(check_facts(user(&[])).is_err());
        assert_eq!(check_facts(None), Err("it does not exist"));
    }
}
