//! The HTTPRoute of the Gateway API.
//!
//! Owns the way in by a Gateway of the same namespace (I-09).

use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use super::dynamic;
use crate::reconcile::names::Component;
use crate::reconcile::valid::{Exposure, ValidErpGo};

/// The route, when one is wanted.
#[must_use]
pub fn http_route(app: &ValidErpGo) -> Option<DynamicObject> {
    let Exposure::HttpRoute(wanted) = &app.exposure else {
        return None;
    };
    let parents = wanted.parent_refs.iter().map(|parent| {
        let mut fields = Map::from_iter([("name".to_owned(), json!(parent.name))]);
        if let Some(section) = &parent.section_name {
            fields.insert("sectionName".into(), json!(section));
        }
        Value::Object(fields)
    });
    let mut spec = json!({
        "parentRefs": parents.collect::<Vec<_>>(),
        "rules": [{
            "backendRefs": [{ "name": app.names.base(), "port": app.service.port }],
        }],
    });
    if !wanted.hostnames.is_empty() {
        spec["hostnames"] = json!(wanted.hostnames);
    }
    let metadata = app.metadata(app.names.base(), Component::Api);
    Some(dynamic::object(dynamic::HTTP_ROUTE, metadata, spec))
}
