//! What the schema bounds, `validate` bounds alike: what slips past an older schema is refused with the same
//! numbers, and nothing is that the schema lets through.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use erpgo_crds::ErpGo;
use erpgo_operator::reconcile::validate::{Invalid, validate};
use erpgo_test_kit::schema::bounded;
use serde_json::json;
use situation::example;

const SPEC: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";

/// The smallest example with `value` in `field`, and room for it wherever another field has a say in it.
fn shop(field: &str, value: i64) -> ErpGo {
    let mut erpgo = example("minimal");
    let mut object = json!({"spec": erpgo.spec});
    let mut room = vec![
        ("spec.database.pool.minConnections", json!(0)),
        ("spec.secrets.rotation.intervalDays", json!(3650)),
        ("spec.service.type", json!("NodePort")),
        ("spec.termination.gracePeriodSeconds", json!(600)),
        ("spec.termination.preStopSeconds", json!(0)),
        ("spec.termination.drainSeconds", json!(1)),
        ("spec.tracing.otlpEndpoint", json!("http://collector:4318")),
    ];
    if field.starts_with("spec.autoscaling.") {
        room.push(("spec.autoscaling.minReplicas", json!(1)));
        room.push(("spec.autoscaling.maxReplicas", json!(100)));
    }
    room.push((field, json!(value)));
    for (field, value) in room {
        let mut place = &mut object;
        for name in field.split('.') {
            place = &mut place[name];
        }
        *place = value;
    }
    erpgo.spec = serde_json::from_value(object["spec"].take()).unwrap();
    erpgo
}

#[test]
fn what_the_schema_lets_through_is_valid_and_nothing_beyond() {
    let definition = serde_json::to_value(erpgo_crds::crd()).unwrap();
    let schema = definition.pointer(SPEC).unwrap();
    let all = bounded(schema);
    // A bound that the walk does not find is one that nobody holds against anything.
    let text = schema.to_string();
    for end in ["\"minimum\":", "\"maximum\":"] {
        assert_eq!(text.matches(end).count(), all.len(), "{end}");
    }
    for (place, [least, most]) in all {
        let field = format!("spec.{place}");
        for value in [least, most] {
            let faults = validate(&shop(&field, value)).err();
            assert_eq!(faults, None, "{field}: {value}");
        }
        for value in [least - 1, most + 1] {
            let refused = Invalid {
                field: field.clone(),
                message: format!("is {value}: write a number from {least} to {most}"),
            };
            let faults = validate(&shop(&field, value)).unwrap_err();
            assert!(faults.contains(&refused), "{refused}: {faults:?}");
        }
    }
}
