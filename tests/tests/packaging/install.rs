//! `manifests/install.yaml` and its kustomization.

use super::tree::{committed, documents, read, run};

const INSTALL: &str = "manifests/install.yaml";

fn generated() -> String {
    let chart = run(
        "helm",
        &[
            "template",
            "erpgo-operator",
            "charts/erpgo-operator",
            "--namespace",
            "erpgo-system",
        ],
    )
    .unwrap();
    let lines = chart.lines().filter(|line| !line.starts_with("# Source: "));
    let objects: Vec<&str> = lines.collect();
    format!("{HEAD}{}\n", objects.join("\n"))
}

const HEAD: &str = "\
# Generated from charts/erpgo-operator by `make generate`; do not edit.
# kubectl apply --server-side -f manifests/install.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: erpgo-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
";

#[test]
fn install_yaml_is_the_charts_render() {
    committed(INSTALL, &generated());
}

#[test]
fn kustomize_builds_it_and_every_object_is_still_there() {
    let built = documents(&run("kubectl", &["kustomize", "manifests"]).unwrap());
    let mut kinds: Vec<String> = built
        .iter()
        .map(|object| format!("{} {}", object["kind"], object["metadata"]["name"]).replace('"', ""))
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "ClusterRole erpgo-operator",
            "ClusterRoleBinding erpgo-operator",
            "CustomResourceDefinition erpgos.erpgo.io",
            "Deployment erpgo-operator",
            "Namespace erpgo-system",
            "NetworkPolicy erpgo-operator",
            "Role erpgo-operator-lease",
            "RoleBinding erpgo-operator-lease",
            "Service erpgo-operator-metrics",
            "ServiceAccount erpgo-operator",
        ]
    );
    assert_eq!(documents(&read(INSTALL)).len(), built.len());
}

#[test]
fn images_are_set_the_way_the_kustomization_shows() {
    let directory = tempfile::tempdir_in(super::tree::path("target")).unwrap();
    let shown: Vec<String> = read("manifests/kustomization.yaml")
        .lines()
        .take_while(|line| line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("#   ").map(str::to_owned))
        .collect();
    let name = directory.path().file_name().unwrap().to_str().unwrap();
    let file = format!("resources: [../../manifests]\n{}\n", shown.join("\n"));
    std::fs::write(directory.path().join("kustomization.yaml"), file).unwrap();
    let text = run("kubectl", &["kustomize", &format!("target/{name}")]).unwrap();
    let built = documents(&text);
    let deployment = built.iter().find(|object| object["kind"] == "Deployment");
    let container = &deployment.unwrap()["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["image"],
        "registry.example.com/erpgo-operator:0.1.0"
    );
    let sidecar: Vec<_> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|variable| variable["name"] == "ERPGO_OPERATOR_SIDECAR_IMAGE")
        .collect();
    assert_eq!(sidecar.len(), 1);
    assert_eq!(
        sidecar[0]["value"],
        "registry.example.com/sidecar-secrets:0.1.0"
    );
}
