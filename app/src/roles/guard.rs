//! Against handing out more than one has.
//!
//! Owns [`may_hand_out`]: without it, whoever may assign roles would be an administrator.

use super::permission::{Permission, PermissionSet};
use crate::error::{Code, Error, Result};

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
