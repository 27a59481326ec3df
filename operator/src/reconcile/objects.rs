//! Owned objects as JSON with their place in the API.
//!
//! Owns [`Wanted`] and [`Kind`]: one type for every kind, so that apply and prune are each written
//! once. It performs no request.

use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde_json::Value;

use super::error::ReconcileError;

/// A kind of owned object.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its name, which is also the label of the metric.
    pub name: &'static str,
    /// Its place in the API.
    pub resource: ApiResource,
}

impl Kind {
    /// A built-in kind.
    #[must_use]
    pub fn of<K: Resource<DynamicType = ()> + k8s_openapi::Resource>() -> Self {
        Self {
            name: K::KIND,
            resource: ApiResource::erase::<K>(&()),
        }
    }

    /// A kind that a CRD brings.
    #[must_use]
    pub fn optional(group: &str, version: &str, name: &'static str, plural: &str) -> Self {
        let gvk = GroupVersionKind::gvk(group, version, name);
        Self {
            name,
            resource: ApiResource::from_gvk_with_plural(&gvk, plural),
        }
    }

    /// Requests for this kind in `namespace`.
    #[must_use]
    pub fn api(&self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), namespace, &self.resource)
    }
}

/// One object that is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// All of it.
    pub json: Value,
}

impl Wanted {
    /// A built-in object.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which its type rules out.
    pub fn of<K>(object: &K) -> Result<Self, ReconcileError>
    where
        K: Resource<DynamicType = ()> + k8s_openapi::Resource + Serialize,
    {
        Self::with_kind(Kind::of::<K>(), object)
    }

    /// An object of `kind`.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn with_kind<K: Serialize>(kind: Kind, object: &K) -> Result<Self, ReconcileError> {
        let json = serde_json::to_value(object).map_err(|source| ReconcileError::Encode {
            kind: kind.name,
            source,
        })?;
        let name = json.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.unwrap_or_default().to_owned();
        Ok(Self { kind, name, json })
    }
}
