//! The role whose password changes.
//!
//! Owns [`RoleName`], what a role must be so that it can take turns with another ([`check`]), and the
//! two statements. Whoever owns tables, is a superuser or is the administrator keeps their password.

use std::fmt;
use std::str::FromStr;

use sqlx::{PgConnection, Row as _};

use super::Verifier;
use crate::credentials::CredentialsError;

/// A role's name, plain enough to stand in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleName(String);

/// Not a plain name.
#[derive(Debug, thiserror::Error)]
#[error(
    "a role is 1 to 63 characters of a-z, 0-9 and '_', beginning with a letter or '_', and not pg_…"
)]
pub struct RoleNameError;

impl FromStr for RoleName {
    type Err = RoleNameError;

    fn from_str(text: &str) -> Result<Self, RoleNameError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let ok = (1..=63).contains(&text.len())
            && !text.starts_with(|first: char| first.is_ascii_digit())
            && !text.starts_with("pg_")
            && text.bytes().all(plain);
        ok.then(|| Self(text.to_owned())).ok_or(RoleNameError)
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// The owner of the tables, or of the database while there are none.
const FACTS: &str = "
    SELECT r.rolsuper AS is_superuser, r.rolcanlogin AS may_log_in,
           r.rolname = current_user OR r.rolname = session_user AS is_self,
           r.oid = o.oid AS is_owner,
           pg_has_role(r.oid, o.oid, 'MEMBER') AS is_member,
           EXISTS (SELECT FROM pg_db_role_setting s, unnest(s.setconfig) setting
                   WHERE s.setrole = r.oid AND setting = 'role=' || o.rolname) AS acts_as_owner
    FROM pg_roles r
    JOIN pg_roles o ON o.oid = coalesce(
        (SELECT relowner FROM pg_class WHERE oid = to_regclass('users')),
        (SELECT datdba FROM pg_database WHERE datname = current_database()))
    WHERE r.rolname = $1";

/// Checks that the role may have its password changed without harm.
pub(super) async fn check(
    connection: &mut PgConnection,
    role: &RoleName,
) -> Result<(), CredentialsError> {
    let fail = |source| CredentialsError::Sql {
        step: "describe the role",
        source,
    };
    let found = sqlx::query(FACTS)
        .bind(&role.0)
        .fetch_optional(connection)
        .await
        .map_err(fail)?;
    let Some(row) = found else {
        return Err(CredentialsError::Role("it does not exist"));
    };
    // In this order: the first that holds says most.
    for (column, wrong, fault) in [
        ("is_superuser", true, "it is a superuser"),
        ("is_self", true, "it is the administrator's own"),
        ("is_owner", true, "it owns the tables itself"),
        ("may_log_in", false, "it may not log in"),
        (
            "is_member",
            false,
            "it is no member of the role that owns the tables",
        ),
        (
            "acts_as_owner",
            false,
            "it does not act as the owner, as ALTER ROLE … SET role does",
        ),
    ] {
        if row.try_get::<bool, _>(column).map_err(fail)? == wrong {
            return Err(CredentialsError::Role(fault));
        }
    }
    Ok(())
}

/// Gives the role the password behind `verifier`.
pub(super) async fn set(
    connection: &mut PgConnection,
    role: &RoleName,
    verifier: &Verifier,
) -> Result<(), CredentialsError> {
    // Neither a name nor a password can be a parameter here; both types admit no quote.
    let sql = format!("ALTER ROLE \"{role}\" PASSWORD '{}'", verifier.expose());
    alter(connection, sql, "set the password").await
}

/// Takes the role's password away.
pub(super) async fn clear(
    connection: &mut PgConnection,
    role: &RoleName,
) -> Result<(), CredentialsError> {
    let sql = format!("ALTER ROLE \"{role}\" PASSWORD NULL");
    alter(connection, sql, "take the password away").await
}

async fn alter(
    connection: &mut PgConnection,
    sql: String,
    step: &'static str,
) -> Result<(), CredentialsError> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map(drop)
        .map_err(|source| CredentialsError::Sql { step, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_needs_quotes_is_refused() {
        for good in ["erp_a", "_x", "a"] {
            assert!(good.parse::<RoleName>().is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "Erp", "1a", "a-b", "a\"b", "pg_monitor", "a b", &long] {
            assert!(bad.parse::<RoleName>().is_err(), "{bad}");
        }
    }
}
