//! API keys as JSON.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiKeyId;
use super::domain::{ApiKey, Draft, end};
use super::key::PREFIX;
use crate::error::{Error, FieldError, Result};
use crate::roles::permission::Permission;
use crate::users::domain::field;

const MAX_SCOPES: usize = 50;

/// An API key, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiKeyOut {
    /// Id.
    id: ApiKeyId,
    /// What the key is for.
    #[schema(example = "web shop")]
    name: String,
    /// How the key begins, to tell it from others.
    #[schema(example = "erp_4fXk02LmQpZr")]
    prefix: String,
    /// What the key may do, as far as its owner may.
    #[schema(example = json!(["products.read"]))]
    scopes: Vec<Permission>,
    /// When the key was made.
    created_at: Timestamp,
    /// When it ends.
    expires_at: Timestamp,
    /// When it was last used, to within a minute.
    last_used_at: Option<Timestamp>,
}

impl From<ApiKey> for ApiKeyOut {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: format!("{PREFIX}{}", key.handle),
            scopes: key.scopes,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// Your API keys.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiKeyList {
    /// Newest first; revoked ones are not among them.
    pub(super) api_keys: Vec<ApiKeyOut>,
}

/// A new API key.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiKeyCreated {
    /// The key. It is shown this once; send it as `authorization: Bearer …`.
    #[schema(format = Password, example = "erp_4fXk02LmQpZr…")]
    pub(super) key: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub(super) api_key: ApiKeyOut,
}

/// An API key to be made.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateApiKey {
    /// What the key is for.
    #[schema(example = "web shop", min_length = 1, max_length = 100)]
    name: String,
    /// What it may do: permissions that you hold.
    #[schema(value_type = Vec<Permission>, min_items = 1, max_items = 50, example = json!(["products.read"]))]
    scopes: Vec<String>,
    /// When it ends: a year from now unless told, five years at most.
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

impl CreateApiKey {
    pub(super) fn check(self) -> Result<Draft> {
        let mut faults = Vec::new();
        let name = field(&mut faults, "#/name", &self.name);
        if !(1..=MAX_SCOPES).contains(&self.scopes.len()) {
            faults.push(FieldError::new(
                "#/scopes",
                "out_of_range",
                "must have 1 to 50 entries",
            ));
        }
        let scopes: BTreeSet<Permission> = self
            .scopes
            .iter()
            .take(MAX_SCOPES)
            .enumerate()
            .filter_map(|(index, text)| field(&mut faults, &format!("#/scopes/{index}"), text))
            .collect();
        let expires_at = end(Timestamp::now(), self.expires_at)
            .map_err(|error| {
                faults.push(FieldError::new(
                    "#/expires_at",
                    "out_of_range",
                    error.to_string(),
                ));
            })
            .ok();
        match (name, expires_at) {
            (Some(name), Some(expires_at)) if faults.is_empty() => Ok(Draft {
                name,
                scopes: scopes.into_iter().collect(),
                expires_at,
            }),
            _ => Err(Error::invalid(faults)),
        }
    }
}
