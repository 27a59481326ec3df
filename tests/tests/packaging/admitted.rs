//! What the chart renders, judged by a real API server.
//!
//! Everything is a server-side dry run in a namespace of the test's own: nothing is left behind.

use std::process::Command;

use erpgo_test_kit::apiserver::{self, TestCluster, TestNamespace};
use erpgo_test_kit::tools;

use super::tree::run;

struct Place {
    cluster: TestCluster,
    namespace: TestNamespace,
}

impl Place {
    /// A namespace that warns of whatever the restricted standard forbids.
    async fn restricted() -> Self {
        let cluster = apiserver::cluster().await;
        cluster.install_prometheus_crds().await;
        let namespace = cluster.namespace("chart").await;
        let place = Self { cluster, namespace };
        let standard = "pod-security.kubernetes.io/warn=restricted";
        let name = place.namespace.name().to_owned();
        place.kubectl(&["label", "namespace", &name, standard]);
        place
    }

    /// Output and warnings.
    fn kubectl(&self, arguments: &[&str]) -> String {
        let output = Command::new(tools::tool("kubectl").unwrap())
            .arg("--kubeconfig")
            .arg(self.cluster.kubeconfig())
            .args(arguments)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}");
        text
    }

    fn rendered(&self, values: &str) -> String {
        let values = format!("charts/erpgo-operator/ci/{values}.yaml");
        let namespace = self.namespace.name();
        let chart = ["template", "erpgo-operator", "charts/erpgo-operator"];
        let options = ["--namespace", namespace, "--values", &values];
        // The definition is applied by the tests of the definition.
        let set = ["--set", "crds.install=false"];
        run("helm", &[&chart[..], &options, &set].concat()).unwrap()
    }

    fn dry_run(&self, yaml: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rendered.yaml");
        std::fs::write(&file, yaml).unwrap();
        let file = file.to_str().unwrap();
        let how = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
        ];
        self.kubectl(&[&how[..], &["-f", file]].concat())
    }
}

#[tokio::test]
async fn a_real_api_server_admits_every_render_without_a_warning() {
    let place = Place::restricted().await;
    for values in ["bare", "default", "production", "namespaced"] {
        let yaml = place.rendered(values);
        // The file names a namespace of its own.
        let yaml = yaml.replace(
            "namespace: shop",
            &format!("namespace: {}", place.namespace.name()),
        );
        let told = place.dry_run(&yaml);
        assert!(told.contains("deployment.apps/"), "{values}: {told}");
        assert!(!told.contains("Warning"), "{values}: {told}");
    }
}

#[tokio::test]
async fn a_render_that_breaks_the_restricted_standard_would_be_warned_of() {
    let place = Place::restricted().await;
    let yaml = place.rendered("default").replace(
        "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: true",
    );
    let told = place.dry_run(&yaml);
    assert!(
        told.contains("Warning") && told.contains("restricted"),
        "{told}"
    );
}
