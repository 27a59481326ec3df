//! Against handing out more than one has.
//!
//! Owns [`may_hand_out`]: without it, whoever may assign roles would be an administrator; [`changeable`],
//! which asks it of a role that is to change or to go; [`may_overrule`], which asks it of a user; and
//! [`may_erase`], which asks it of those alone who may do everything.

use sqlx::PgConnection;

use super::domain::Role;
use super::permission::{EVERYTHING, Permission, PermissionSet};
use super::store;
use crate::auth;
use crate::error::{Code, Error, Result};
use crate::users::{RoleId, UserId};

/// Refuses when `wanted` has a permission that `held` does not allow.
pub(crate) fn may_hand_out(held: &PermissionSet, wanted: &[Permission]) -> Result<()> {
    within(
        held,
        wanted,
        "you can hand out only permissions that you hold",
    )
}

/// Refuses when the user holds a permission that `held` does not allow: who takes over an account, bars it or
/// signs it out has as much power as it has. Their row is locked, or they could gain one meanwhile.
pub(crate) async fn may_overrule(
    connection: &mut PgConnection,
    held: &PermissionSet,
    user: UserId,
) -> Result<()> {
    let theirs = auth::permissions(connection, user).await?;
    within(
        held,
        theirs.iter(),
        "you can give another e-mail to, bar, sign out and delete only those whose permissions you hold",
    )
}

/// Refuses when the user may do everything and `held` does not allow that. Of others it asks nothing: an erasure
/// is their own wish, and whoever carries it out need not be able to do what they could. But one right that cannot
/// be undone must not be enough to take away whoever administers. Their row is locked, as for [`may_overrule`].
pub(crate) async fn may_erase(
    connection: &mut PgConnection,
    held: &PermissionSet,
    user: UserId,
) -> Result<()> {
    let theirs = auth::permissions(connection, user).await?;
    let everything = theirs
        .iter()
        .filter(|permission| permission.as_str() == EVERYTHING);
    within(
        held,
        everything,
        "you can erase those who may do everything only if you may, too",
    )
}

fn within<'a>(
    held: &PermissionSet,
    wanted: impl IntoIterator<Item = &'a Permission>,
    rule: &str,
) -> Result<()> {
    let lacking = held.lacking(wanted);
    if lacking.is_empty() {
        return Ok(());
    }
    let names = lacking
        .into_iter()
        .take(10)
        .map(Permission::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    Err(Error::refused(
        Code::Forbidden,
        format!("{rule}; you lack {names}"),
    ))
}

/// The role, which nobody else changes until the transaction ends; refuses one of the program, and one
/// with a permission that `held` does not allow.
pub(super) async fn changeable(
    connection: &mut PgConnection,
    id: RoleId,
    held: &PermissionSet,
) -> Result<Role> {
    let role = store::lock(connection, id).await?;
    let role = role.ok_or_else(|| Error::not_found("role"))?;
    if role.is_system {
        return Err(Error::refused(
            Code::Conflict,
            "this role belongs to the program and stays as it is; create one of your own",
        ));
    }
    // Taking a permission away from others is as much power as giving it.
    may_hand_out(held, &role.permissions)?;
    Ok(role)
}
