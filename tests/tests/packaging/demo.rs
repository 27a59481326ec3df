//! What `CLUSTER=current e2e/demo/demo` does to the cluster of somebody's kubeconfig, told from what it asks of
//! kubectl. That it works there to its end is for a journey to show.

use super::machine::{Ended, Machine};

/// A cluster in which nothing becomes Ready. The file `operators` is what a look at all namespaces finds, and
/// is not there where one may not look; `secret` is there when that of the database is.
const KUBECTL: &str = r#"
echo "$*" >>"$HOME/asked"
case "$*" in
  *"get deployments --all-namespaces"*) cat "$HOME/operators" 2>/dev/null ;;
  *"get secret erpgo-database"*) [[ -e $HOME/secret ]] ;;
  *"config view"*) echo "kind: Config" ;;
  *" kustomize "*) echo "kind: List" ;;
  *" apply "*) cat >/dev/null ;;
esac"#;
const OWN: &str = r#"erpgo-system|erpgo-operator|demo|["run","--leader-elect"]"#;
const FOR_ALL: &str = r#"ops|erpgo-operator||["run","--leader-elect"]"#;
const FOR_SHOP: &str = r#"ops|erpgo-operator||["run","--namespace=shop","--log-level=info"]"#;
const FOR_OTHER: &str = r#"ops|other-erpgo-operator||["run","--namespace","other"]"#;

fn cluster() -> Machine {
    let machine = Machine::with(&["e2e/cluster/bin", "e2e/cluster/lib", "e2e/demo"]);
    machine.program("kubectl", KUBECTL);
    machine.program("curl", "exit 7");
    machine.file("secret", "");
    machine
}

fn with_operators(operators: &[&str]) -> Machine {
    let machine = cluster();
    machine.file("operators", &format!("{}\n", operators.join("\n")));
    machine
}

/// In the namespace `shop`; what it said and asked.
fn demo(machine: &Machine, variables: &[(&str, &str)]) -> (String, String) {
    let usual = [
        ("CLUSTER", "current"),
        ("ERPGO_IMAGE_PREFIX", "registry.example.com/team"),
        ("ERPGO_NAMESPACE", "shop"),
        ("READY_SECONDS", "0"),
    ];
    let Ended { code, said } = machine.bash(&["e2e/demo/demo"], &[&usual[..], variables].concat());
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("command not found"), "{said}");
    (said, machine.read("asked").unwrap_or_default())
}

fn says(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// The ErpGo was applied in the namespace, whether the operator was as well, and nothing else.
fn applied(said: &str, asked: &str, operator: bool) {
    says(said, &["erpgo/demo did not become ready"]);
    let all: Vec<&str> = asked
        .lines()
        .filter(|line| line.contains(" apply "))
        .collect();
    assert_eq!(all.len(), 1 + usize::from(operator), "{asked}");
    let erpgo = all.last().unwrap();
    assert!(erpgo.contains(" -n shop apply "), "{asked}");
    assert_eq!(asked.contains(" kustomize "), operator, "{asked}");
}

#[test]
fn an_operator_that_serves_the_namespace_stays_as_it_is() {
    let cases: [&[&str]; 4] = [
        &[FOR_ALL],
        &[FOR_SHOP],
        &[FOR_OTHER, FOR_SHOP],
        &[OWN, FOR_ALL],
    ];
    for operators in cases {
        let (said, asked) = demo(&with_operators(operators), &[]);
        applied(&said, &asked, false);
        let stays = "erpgo-operator in namespace ops serves shop already and stays as it is";
        says(&said, &[stays, "registry.example.com/team/erpgo:dev alone"]);
        // Its log is what explains the failure.
        says(&asked, &["-n ops logs deployment/erpgo-operator"]);
    }
}

#[test]
fn without_one_that_of_the_checkout_is_installed_or_brought_up_to_date() {
    let cases: [&[&str]; 3] = [&[], &[OWN], &[OWN, FOR_OTHER]];
    for operators in cases {
        let (said, asked) = demo(&with_operators(operators), &[]);
        applied(&said, &asked, true);
        says(&said, &["operator: CRD, RBAC and Deployment"]);
    }
}

#[test]
fn none_is_installed_beside_one_whose_work_it_would_undo() {
    let (said, asked) = demo(&with_operators(&[FOR_OTHER]), &[]);
    let one = "other-erpgo-operator in namespace ops serves other alone";
    says(&said, &[one, "ERPGO_NAMESPACE", "watchNamespace"]);
    assert!(!asked.contains(" apply "), "{asked}");

    let there = [("ERPGO_NAMESPACE", "other")];
    let (said, asked) = demo(&with_operators(&[FOR_OTHER]), &there);
    says(&said, &["serves other already"]);
    assert!(asked.contains(" -n other apply "), "{asked}");
}

#[test]
fn who_may_not_look_for_operators_gets_none() {
    let (said, asked) = demo(&cluster(), &[]);
    applied(&said, &asked, false);
    says(
        &said,
        &["operator: none is installed", "one must serve shop"],
    );
}

#[test]
fn what_is_missing_is_told_before_anything_is_applied() {
    let machine = with_operators(&[]);
    machine.remove("secret");
    let (said, asked) = demo(&machine, &[]);
    let way_out =
        "kubectl -n shop create secret generic erpgo-database --from-literal=url=postgres://";
    says(&said, &["no Secret erpgo-database", way_out]);
    assert!(!asked.contains(" apply "), "{asked}");

    for (variable, value, words) in [
        (
            "ERPGO_IMAGE_PREFIX",
            "",
            "CLUSTER=current needs ERPGO_IMAGE_PREFIX",
        ),
        ("ERPGO_IMAGE_TAG", "a b", "is no image"),
        ("ERPGO_NAMESPACE", "Shop", "Shop is no namespace"),
        ("ERPGO_PORT", "http", "http is no port"),
    ] {
        let (said, asked) = demo(&with_operators(&[]), &[(variable, value)]);
        says(&said, &[words]);
        assert_eq!(asked, "", "{variable}");
    }
}

/// The node's services for a cluster with the namespace and the objects that these files name.
const SERVICES: &str = r#"
  set -euo pipefail
  . e2e/cluster/lib/load.sh
  STATE=$HOME/state CONF=$HOME/conf LOGS=$HOME/logs
  mkdir -p "$STATE" "$CONF" "$LOGS"
  touch "$STATE/demo-database.ready"
  password() { echo secret; }
  psql_admin() { [[ $1 != -f ]] || cat >/dev/null; echo "psql $*" >>"$HOME/asked"; }
  object() { sha256sum <"${1#--filename=}"; }
  delete_namespace() { rm "$HOME/namespace" "$HOME/objects"; }
  kube() {
    echo "kubectl $*" >>"$HOME/asked"
    case "$*" in
      "get namespace "*) cat "$HOME/namespace" 2>/dev/null || true ;;
      "wait --for=delete "*) delete_namespace ;;
      "get --filename="*) grep -qF "$(object "${!#}")" "$HOME/objects" 2>/dev/null ;;
      apply*) echo Active >"$HOME/namespace" && object "${!#}" >>"$HOME/objects" ;;
    esac
  }
  rm -f "$HOME/asked"
  eval "$BEFORE"
  apply_services"#;

/// What they said and asked after `before`.
fn services(machine: &Machine, before: &str) -> (String, String) {
    let Ended { code, said } = machine.bash(&["-c", SERVICES], &[("BEFORE", before)]);
    assert_eq!(code, Some(0), "{said}");
    (said, machine.read("asked").unwrap_or_default())
}

#[test]
fn a_namespace_that_was_deleted_is_made_again_with_a_database_that_one_can_sign_in_to() {
    const APPLIES: usize = 3;
    const ASIDE: &str = "ALTER DATABASE erpgo RENAME TO erpgo_until_17";
    let machine = cluster();
    machine.file(
        "checkout/e2e/cluster/manifests/databases.yaml",
        "kind: Namespace",
    );
    machine.program("jq", r#"echo "$*""#);
    machine.program("date", "echo 17");
    let applies = |asked: &str| asked.matches("kubectl apply ").count();
    let (_, asked) = services(&machine, "");
    assert_eq!(applies(&asked), APPLIES, "{asked}");
    assert!(!asked.contains("psql"), "{asked}");
    let (_, asked) = services(&machine, "");
    assert_eq!(applies(&asked), 0, "{asked}");
    assert!(!asked.contains("psql"), "{asked}");
    for before in ["delete_namespace", r#"echo Terminating >"$HOME/namespace""#] {
        let (said, asked) = services(&machine, before);
        says(&said, &["was deleted", "kept as database erpgo_until_17"]);
        assert_eq!(applies(&asked), APPLIES, "{asked}");
        let (until_aside, after) = asked.split_once(ASIDE).unwrap();
        assert_eq!(applies(until_aside), 0, "{asked}");
        says(after, &["CREATE DATABASE erpgo OWNER erpgo"]);
    }
}

/// A node that follows must not be built in the cluster of before.
#[test]
fn the_node_gets_a_kubeconfig_of_its_own_and_what_people_set_in_it_stays() {
    let machine = cluster();
    let script = r#"
        set -euo pipefail
        . e2e/cluster/lib/load.sh
        mkdir -p "$PKI"
        for file in ca.crt admin.crt admin.key; do echo "the node's $file" >"$PKI/$file"; done
        echo "server: https://elsewhere.example.com" >"$KUBECONFIG_ADMIN"
        admin_kubeconfig
        cat "$KUBECONFIG_ADMIN"
        echo "namespace: mine" >>"$KUBECONFIG_ADMIN"
        admin_kubeconfig
        tail -n 1 "$KUBECONFIG_ADMIN""#;
    let Ended { code, said } = machine.bash(&["-c", script], &[]);
    assert_eq!(code, Some(0), "{said}");
    says(&said, &["server: https://127.0.0.1:6443\n"]);
    assert!(!said.contains("elsewhere"), "{said}");
    assert!(said.ends_with("namespace: mine\n"), "{said}");
}
