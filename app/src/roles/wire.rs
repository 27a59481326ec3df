//! Roles as JSON.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::domain::{Draft, Role};
use super::permission::Permission;
use crate::error::{Error, FieldError, Result};
use crate::extract::page::Pagination;
use crate::users::domain::field;
use crate::users::{RoleId, UserId};

/// Permissions a role may carry.
const MAX_PERMISSIONS: usize = 200;
const MAX_DESCRIPTION: usize = 500;

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoleOut {
    /// Id.
    id: RoleId,
    /// Name.
    #[schema(example = "Warehouse")]
    name: String,
    /// What the role is for.
    #[schema(example = "Who packs and ships")]
    description: String,
    /// `resource.action`, `resource.*` or `*`.
    #[schema(example = json!(["products.read", "users.*"]))]
    permissions: Vec<Permission>,
    /// Created by the program; it cannot be changed or deleted.
    is_system: bool,
    /// Grows with each change; the ETag is made from it.
    #[schema(example = 3)]
    version: i64,
    /// When the role was created.
    created_at: Timestamp,
    /// When the role was last changed.
    updated_at: Timestamp,
}

impl From<Role> for RoleOut {
    fn from(role: Role) -> Self {
        Self {
            id: role.id,
            name: role.name,
            description: role.description,
            permissions: role.permissions,
            is_system: role.is_system,
            version: role.version,
            created_at: role.created_at,
            updated_at: role.updated_at,
        }
    }
}

/// A part of the list of roles.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoleList {
    /// The roles, by name.
    pub(super) roles: Vec<RoleOut>,
    /// Where the list goes on; null at its end.
    #[schema(example = "bVJ4d2Vn…")]
    pub(super) next_cursor: Option<String>,
    /// Where the page lies; absent when the list went on by a cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pagination: Option<Pagination>,
}

/// A role to be created, or its new state.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleBody {
    #[schema(example = "Warehouse", min_length = 1, max_length = 64)]
    name: String,
    #[serde(default)]
    #[schema(example = "Who packs and ships", max_length = 500)]
    description: String,
    /// `resource.action`, `resource.*` or `*`.
    #[schema(value_type = Vec<Permission>, max_items = 200, example = json!(["products.read"]))]
    permissions: Vec<String>,
}

impl RoleBody {
    pub(super) fn check(self) -> Result<Draft> {
        let mut faults = Vec::new();
        let name = field(&mut faults, "#/name", &self.name);
        if self.description.chars().count() > MAX_DESCRIPTION || self.description.contains('\0') {
            faults.push(FieldError::new(
                "#/description",
                "too_long",
                "must have at most 500 characters",
            ));
        }
        if self.permissions.len() > MAX_PERMISSIONS {
            faults.push(FieldError::new(
                "#/permissions",
                "too_many",
                "must have at most 200 entries",
            ));
        }
        let permissions: BTreeSet<Permission> = self
            .permissions
            .iter()
            .take(MAX_PERMISSIONS)
            .enumerate()
            .filter_map(|(index, text)| field(&mut faults, &format!("#/permissions/{index}"), text))
            .collect();
        match name {
            Some(name) if faults.is_empty() => Ok(Draft {
                name,
                description: self.description,
                permissions: permissions.into_iter().collect(),
            }),
            _ => Err(Error::invalid(faults)),
        }
    }
}

/// A role and a user.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignment {
    /// The user.
    pub(super) user_id: UserId,
    /// The role.
    pub(super) role_id: RoleId,
}
