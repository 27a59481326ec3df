//! The Helm chart, judged by helm.

use serde_json::Value;

use super::tree::{committed, documents, path, read, run};

pub(super) const CHART: &str = "charts/erpgo-operator";

pub(super) fn template(arguments: &[&str]) -> Result<String, String> {
    let fixed = [
        "template",
        "erpgo-operator",
        CHART,
        "--namespace",
        "erpgo-system",
    ];
    run("helm", &[&fixed, arguments].concat())
}

fn rendered(arguments: &[&str]) -> Vec<Value> {
    documents(&template(arguments).unwrap())
}

fn of_kind<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|object| object["kind"] == kind).collect()
}

fn values_files() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path(&format!("{CHART}/ci")))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["bare", "default", "namespaced", "production"]);
    names
}

#[test]
fn helm_lint_is_content_with_every_values_file() {
    for name in values_files() {
        let values = format!("{CHART}/ci/{name}.yaml");
        run("helm", &["lint", "--strict", CHART, "--values", &values]).unwrap();
    }
}

#[test]
fn renders_are_the_committed_ones() {
    for name in values_files() {
        let values = format!("{CHART}/ci/{name}.yaml");
        // The CRD has a test of its own and would drown the rest.
        let text = template(&["--values", &values, "--set", "crds.install=false"]).unwrap();
        committed(&format!("{CHART}/ci/golden/{name}.yaml"), &text);
    }
}

#[test]
fn the_crd_is_that_of_the_types_and_is_installed_upgraded_and_kept() {
    let crd = read("crds/erpgo.io_erpgos.yaml");
    committed(&format!("{CHART}/files/erpgo.io_erpgos.yaml"), &crd);
    let all = rendered(&[]);
    let [found] = of_kind(&all, "CustomResourceDefinition")[..] else {
        panic!("one CRD is wanted");
    };
    assert_eq!(documents(&crd), std::slice::from_ref(found));
    assert_eq!(
        found["metadata"]["annotations"]["helm.sh/resource-policy"],
        "keep"
    );
    // Helm never upgrades what lies in `crds/`.
    assert!(!path(&format!("{CHART}/crds")).exists());
    let without = rendered(&["--set", "crds.install=false"]);
    assert_eq!(of_kind(&without, "CustomResourceDefinition").len(), 0);
    assert_eq!(without.len() + 1, all.len());
}

#[test]
fn the_schema_refuses_what_it_does_not_know() {
    for (set, complaint) in [
        ("replica=2", "replica"),
        ("image.repo=x", "repo"),
        ("sidecarImage.pullPolicy=Always", "pullPolicy"),
        ("watch.namespaces={a}", "watch"),
        ("image.digest=sha256:short", "digest"),
        ("image.repository=", "repository"),
        ("replicas=eleven", "replicas"),
        ("logFormat=xml", "logFormat"),
        ("otlpEndpoint=collector:4318", "otlpEndpoint"),
        ("watchNamespace=Not_A_Namespace", "watchNamespace"),
        ("serviceMonitor.interval=soon", "interval"),
        ("rbac.secrets=true", "secrets"),
        ("resources.claims=1", "claims"),
    ] {
        let refused = template(&["--set", set]).expect_err(set);
        assert!(refused.contains(complaint), "{set}: {refused}");
        assert!(refused.contains("schema"), "{set}: {refused}");
    }
}

#[test]
fn every_value_has_a_default_and_a_line_in_the_readme() {
    let values: Value = serde_saphyr::from_str(&read(&format!("{CHART}/values.yaml"))).unwrap();
    let schema: Value =
        serde_json::from_str(&read(&format!("{CHART}/values.schema.json"))).unwrap();
    let readme = read(&format!("{CHART}/README.md"));
    for name in schema["properties"].as_object().unwrap().keys() {
        // Helm gives `global` to every chart.
        if name != "global" {
            assert!(!values[name].is_null(), "{name} has no default");
            assert!(
                readme.contains(&format!("| `{name}")),
                "{name} is not in the README"
            );
        }
    }
}

/// Where tokens of ServiceAccounts can be switched off, a reader finds every login that needs them.
#[test]
fn the_logins_that_need_tokens_are_named_wherever_these_can_be_switched_off() {
    const SWITCH: &str = "rbac.vaultKubernetesAuth";
    let readme = read(&format!("{CHART}/README.md"));
    let row = format!("| `{SWITCH}` ");
    let row = readme.lines().find(|line| line.starts_with(&row)).unwrap();
    let values = read(&format!("{CHART}/values.yaml"));
    let (before, _) = values.split_once("  vaultKubernetesAuth:").unwrap();
    let comments = before.lines().rev();
    let comment: String = comments.take_while(|line| line.contains("# ")).collect();
    let notes = read(&format!("{CHART}/templates/NOTES.txt"));
    let (_, told) = notes.split_once(&format!("{SWITCH} is off")).unwrap();
    let (told, _) = told.split_once("{{").unwrap();
    for login in ["auth.kubernetes", "auth.jwt", "auth.webIdentity"] {
        for text in [row, comment.as_str(), told] {
            assert!(text.contains(login), "{login} is not in: {text}");
        }
    }
}

#[test]
fn two_replicas_need_the_lease() {
    let refused = template(&["--set", "replicas=2,leaderElection.enabled=false"]).unwrap_err();
    assert!(refused.contains("leaderElection.enabled"), "{refused}");
}

#[test]
fn each_release_in_a_namespace_has_a_lease_of_its_own() {
    let lease = |release: &[&str]| {
        let command = [&["template"][..], release, &[CHART, "--namespace", "ops"]];
        let all = documents(&run("helm", &command.concat()).unwrap());
        let deployment = of_kind(&all, "Deployment")[0];
        let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
        let arguments = arguments.as_array().unwrap().iter();
        let names = arguments.filter_map(|text| text.as_str()?.strip_prefix("--lease-name="));
        let names: Vec<String> = names.map(str::to_owned).collect();
        assert_eq!(names, [deployment["metadata"]["name"].as_str().unwrap()]);
        names.concat()
    };
    assert_eq!(lease(&["erpgo-operator"]), "erpgo-operator");
    assert_eq!(lease(&["shops"]), "shops-erpgo-operator");
    let set = ["shops", "--set", "fullnameOverride=mine"];
    assert_eq!(lease(&set), "mine");
    let without = rendered(&["--set", "leaderElection.enabled=false"]);
    let text = of_kind(&without, "Deployment")[0].to_string();
    assert!(!text.contains("--lease-name"), "{text}");
}

#[test]
fn pods_run_under_the_restricted_standard() {
    for name in values_files() {
        let values = format!("{CHART}/ci/{name}.yaml");
        let all = rendered(&["--values", &values]);
        let [deployment] = of_kind(&all, "Deployment")[..] else {
            panic!("one Deployment is wanted");
        };
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        let own = &container["securityContext"];
        assert_eq!(own["allowPrivilegeEscalation"], false);
        assert_eq!(own["readOnlyRootFilesystem"], true);
        assert_eq!(own["capabilities"], serde_json::json!({"drop": ["ALL"]}));
        assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
        assert!(container["resources"]["limits"]["memory"].is_string());
    }
}

#[test]
fn one_namespace_needs_nothing_of_the_cluster() {
    let all = rendered(&["--values", &format!("{CHART}/ci/namespaced.yaml")]);
    for object in &all {
        let namespace = &object["metadata"]["namespace"];
        assert!(namespace.is_string(), "{} {namespace}", object["kind"]);
    }
    let roles = of_kind(&all, "Role");
    let namespaces: Vec<&Value> = roles
        .iter()
        .map(|role| &role["metadata"]["namespace"])
        .collect();
    assert_eq!(namespaces, ["shop", "erpgo-system"]);
    let arguments =
        &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"];
    assert!(
        arguments
            .as_array()
            .unwrap()
            .contains(&"--namespace=shop".into())
    );
}

#[test]
fn no_role_grants_more_than_is_needed_of_secrets_or_anything_at_all() {
    for name in values_files() {
        let values = format!("{CHART}/ci/{name}.yaml");
        let all = rendered(&["--values", &values]);
        let roles = [of_kind(&all, "Role"), of_kind(&all, "ClusterRole")].concat();
        for rule in roles
            .iter()
            .flat_map(|role| role["rules"].as_array().unwrap())
        {
            let text = rule.to_string();
            for forbidden in ["\"*\"", "\"escalate\"", "\"bind\"", "\"impersonate\""] {
                assert!(!text.contains(forbidden), "{text}");
            }
            let secrets = rule["resources"]
                .as_array()
                .unwrap()
                .contains(&"secrets".into());
            assert!(
                !secrets || (!text.contains("list") && !text.contains("watch")),
                "{text}"
            );
        }
    }
}
