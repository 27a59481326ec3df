//! What the API server accepts and refuses, by the files of `manifests/`.

use erpgo_test_kit::apiserver::TestCluster;
use erpgo_tests::cluster;
use erpgo_tests::manifests::{self, Manifest};
use kube::core::Status;
use serde_json::Value;

/// The refusal of a rejected manifest's last document, after its earlier ones were accepted.
async fn refusal(
    cluster: &TestCluster,
    namespace: &str,
    documents: &[Value],
) -> Result<Status, String> {
    let (last, before) = documents.split_last().ok_or("the file is empty")?;
    for document in before {
        cluster::apply(cluster, namespace, document)
            .await
            .map_err(|error| format!("{error} before the last"))?;
    }
    match cluster::apply(cluster, namespace, last).await {
        Ok(_) => Err("was accepted".into()),
        Err(kube::Error::Api(status)) => Ok(*status),
        Err(error) => Err(error.to_string()),
    }
}

/// The reasons of a refusal, without the server's remark that it stopped at them.
fn causes(status: &Status) -> Vec<String> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let causes = causes.map(|cause| format!("{}: {}", cause.field, cause.message));
    causes
        .filter(|cause| !cause.contains("some validation rules were not checked"))
        .collect()
}

/// What is wrong with a refusal: it must name the expected reason, and none that is not announced.
fn fault(manifest: &Manifest, refusal: Result<Status, String>) -> Option<String> {
    let status = match refusal {
        Ok(status) => status,
        Err(reason) => return Some(format!("{}: {reason}", manifest.name)),
    };
    let announced = |cause: &String| {
        cause.contains(&manifest.expect) || manifest.also.iter().any(|also| cause.contains(also))
    };
    let expected = !manifest.expect.is_empty() && status.message.contains(&manifest.expect);
    let fine =
        expected && [400, 422, 500].contains(&status.code) && causes(&status).iter().all(announced);
    (!fine).then(|| format!("{}: {} {}", manifest.name, status.code, status.message))
}

#[tokio::test]
async fn every_example_is_accepted() {
    let cluster = cluster::with_definition().await.unwrap();
    let examples = manifests::examples().unwrap();
    assert!(examples.len() >= 3);
    for example in examples {
        let namespace = cluster.namespace("example").await;
        for document in &example.documents {
            let applied = cluster::apply(&cluster, namespace.name(), document).await;
            assert!(
                applied.is_ok(),
                "{}: {}",
                example.name,
                applied.unwrap_err()
            );
        }
    }
}

#[tokio::test]
async fn every_rejected_manifest_is_refused_for_its_one_reason() {
    let cluster = cluster::with_definition().await.unwrap();
    let shared = cluster.namespace("rejected").await;
    let mut faults = Vec::new();
    for manifest in manifests::rejected().unwrap() {
        let refusal = if manifest.documents.len() == 1 {
            refusal(&cluster, shared.name(), &manifest.documents).await
        } else {
            let namespace = cluster.namespace("rejected").await;
            refusal(&cluster, namespace.name(), &manifest.documents).await
        };
        faults.extend(fault(&manifest, refusal));
    }
    assert!(
        faults.is_empty(),
        "{} of the manifests:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn every_rule_and_bound_of_the_schema_has_a_rejected_manifest() {
    let definition = serde_json::to_value(erpgo_crds::crd()).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut promised = Vec::new();
    promises("", schema, &mut promised);
    assert!(promised.len() > 200, "the schema's walk found too little");
    let expected: Vec<_> = manifests::rejected()
        .unwrap()
        .into_iter()
        .map(|manifest| manifest.expect)
        .collect();
    promised.retain(|promise| !expected.iter().any(|expect| expect.contains(promise)));
    assert_eq!(promised, Vec::<String>::new());
}

/// The text that a refusal by each rule and bound contains.
fn promises(path: &str, schema: &Value, found: &mut Vec<String>) {
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        found.push(
            rule["message"]
                .as_str()
                .unwrap_or("a rule without a message")
                .to_owned(),
        );
    }
    if path.starts_with("spec") {
        bounds(path, schema, found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let separator = if path.is_empty() { "" } else { "." };
        promises(&format!("{path}{separator}{name}"), property, found);
    }
    promises_of_items(path, &schema["items"], found);
}

fn promises_of_items(path: &str, items: &Value, found: &mut Vec<String>) {
    if items.is_object() {
        promises(&format!("{path}[0]"), items, found);
    }
}

fn bounds(path: &str, schema: &Value, found: &mut Vec<String>) {
    let bound = |keyword: &str| schema[keyword].as_f64();
    found.extend(
        bound("minimum").map(|n| format!("{path} in body should be greater than or equal to {n}")),
    );
    found.extend(
        bound("maximum").map(|n| format!("{path} in body should be less than or equal to {n}")),
    );
    found.extend(
        bound("minLength").map(|n| format!("{path} in body should be at least {n} chars long")),
    );
    found.extend(
        bound("maxLength").map(|n| format!("{path}: Too long: may not be more than {n} bytes")),
    );
    found.extend(
        bound("minItems").map(|n| format!("{path} in body should have at least {n} items")),
    );
    for keyword in ["maxItems", "maxProperties"] {
        found.extend(
            bound(keyword)
                .map(|n| format!("{path}: Too many: {}: must have at most {n} items", n + 1.0)),
        );
    }
    if schema["enum"].is_array() {
        found.push(format!("{path}: Unsupported value"));
    }
    if schema["pattern"].is_string() {
        found.push(format!("{path} in body should match"));
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        found.push(format!(
            "{path}.{}: Required value",
            required.as_str().unwrap_or_default()
        ));
    }
}
