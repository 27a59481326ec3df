//! Against handing out more than one has.
//!
//! Owns [`may_hand_out`]: without it, whoever may assign roles would be an administrator; and
//! [`changeable`], which asks it of a role that is to change or to go.

use sqlx::PgConnection;

use super::domain::Role;
use super::permission::{Permission, PermissionSet};
use super::store;
use crate::error::{Code, Error, Result};
use crate::users::RoleId;

/// Refuses when `wanted` has a permission that `held` does not allow.
pub(crate) fn may_hand_out(held: &PermissionSet, wanted: &[Permission]) -> Result<()> {
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
        format!("you can hand out only permissions that you hold; you lack {names}"),
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
