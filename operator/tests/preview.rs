//! What `erpgo-operator plan` says of a rotation, with no cluster.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use std::path::Path;
use std::process::Command;

use erpgo_operator::reconcile::observed::{Observed, PodFacts};
use erpgo_operator::reconcile::preview::lines;
use erpgo_operator::reconcile::validate::validate;
use erpgo_operator::rotation::DocumentView;
use erpgo_secret_set::KeyName;
use situation::{example, prepared};

fn said(name: &str, annotation: &str, text: &str, seen: impl FnOnce(&mut Observed)) -> Vec<String> {
    let mut erpgo = example(name);
    let annotations = erpgo.metadata.annotations.get_or_insert_default();
    annotations.insert(annotation.into(), text.into());
    let mut observed = prepared(&erpgo);
    seen(&mut observed);
    lines(&validate(&erpgo).unwrap(), &observed)
}

fn document() -> DocumentView {
    serde_json::from_value(serde_json::json!({"generation": 7, "keys": {
        "jwt": {"current": {"kid": "jwt-6", "created_at": "2026-08-01T00:00:00Z"},
                "previous": {"kid": "jwt-1", "created_at": "2026-05-01T00:00:00Z"}},
        "pepper": {"current": {"kid": "pepper-1", "created_at": "2026-08-01T00:00:00Z"}}}}))
    .unwrap()
}

#[test]
fn a_rotation_is_told_by_keys_pods_steps_and_graces() {
    let told = said(
        "production",
        "erpgo.io/rotate",
        "jwt,refresh,database,redis=drill",
        |_| {},
    );
    assert_eq!(
        told,
        [
            "rotate   jwt: a drawn value; the old one is accepted for 24 hours more",
            "rotate   refresh: a drawn value; the old one is accepted for 7 days more",
            "rotate   database: a drawn password for erp_a or erp_b, whichever is idle; the old one \
             goes when no connection of it is left",
            "rotate   redis: a drawn password for erp_a or erp_b, whichever is idle; the old one goes \
             when no connection of it is left",
            "pods     all of the 3 to 12 that there are must agree; none is restarted",
            "steps    Job: the idle database role gets its password -> Job: the idle Redis user gets its \
             password -> Stage: every pod accepts it within 5 min or it is rolled back -> Promote: every \
             pod uses it -> grace -> Job: the old database role loses its own -> Job: the old Redis user \
             loses its own -> Retire",
        ]
    );
}

#[test]
fn what_was_observed_is_taken_into_account() {
    let observe = |seen: &mut Observed| {
        seen.document = Some(document());
        seen.pods = vec![PodFacts {
            name: "shop-1".into(),
            ..PodFacts::default()
        }];
    };
    let told = said("minimal", "erpgo.io/rotate", "jwt,pepper,redis", observe);
    assert_eq!(told[0], "rotate   jwt: refused while jwt-1 is in its grace");
    assert!(told[1].starts_with("rotate   pepper pepper-1: a drawn value; the old one is kept"));
    assert_eq!(
        told[2],
        "rotate   redis: refused, it is not in the secret set"
    );
    assert_eq!(told[3], "pods     shop-1 must agree; none is restarted");
    assert!(!told[4].contains("Job"), "{}", told[4]);
    for (kid, fate) in [
        ("jwt-6", "it is current: a successor comes first"),
        ("jwt-1", "it goes at once"),
        ("jwt-9", "there is no such version"),
    ] {
        let told = said("minimal", "erpgo.io/revoke", &format!("jwt/{kid}"), observe);
        assert!(
            told[0].starts_with(&format!("revoke   jwt/{kid}: {fate}")),
            "{}",
            told[0]
        );
        assert!(told[0].ends_with("must sign in again"));
    }
    let told = said("minimal", "erpgo.io/rotate", "jwt,", observe);
    assert!(told[0].starts_with("rotate   refused: "), "{}", told[0]);
    assert_eq!(
        said("minimal", "example.com/other", "jwt", observe),
        Vec::<String>::new()
    );
}

#[test]
fn a_redis_that_is_revoked_gets_no_successor_when_the_spec_has_none() {
    for (name, fate) in [
        (
            "minimal",
            "it leaves with all its versions, since there is no spec.redis",
        ),
        (
            "production",
            "it is current: a successor comes first, for which pods have 2 seconds",
        ),
    ] {
        let told = said(name, "erpgo.io/revoke", "redis/redis-1", |seen| {
            let mut document = document();
            let mut redis = document.keys[&KeyName::Pepper].clone();
            redis.current.kid = "redis-1".to_owned().try_into().unwrap();
            document.keys.insert(KeyName::Redis, redis);
            seen.document = Some(document);
        });
        let expected = format!("revoke   redis/redis-1: {fate}; its connections are let go of");
        assert_eq!(told[0], expected);
    }
}

#[test]
fn a_redis_that_joins_has_steps_of_its_own() {
    let observe = |seen: &mut Observed| seen.document = Some(document());
    let told = said("production", "erpgo.io/rotate", "redis=again", observe);
    assert_eq!(
        told,
        [
            "rotate   redis: joins the secret set with the URL in key url of Secret shop-redis",
            "pods     all of the 3 to 12 that there are must agree; none is restarted",
            "steps    Join: every pod uses it within 5 min or it leaves again",
        ]
    );
    let with_jwt = said("production", "erpgo.io/rotate", "jwt,redis", observe);
    assert_eq!(
        with_jwt[1],
        "rotate   redis: refused, it is not in the secret set"
    );
}

#[test]
fn the_command_tells_it_with_no_cluster_and_refuses_nothing_of_the_manifest() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/examples/minimal.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_erpgo-operator"))
        .args(["plan", "-f"])
        .arg(manifest)
        .args(["--rotate", "jwt=drill", "--revoke", "pepper/pepper-1"])
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("apply    Deployment"), "{text}");
    assert!(text.contains("rotate   jwt: a drawn value;"), "{text}");
    assert!(
        text.contains("pods     all 2 must agree; none is restarted\n"),
        "{text}"
    );
    assert!(
        text.contains("revoke   pepper/pepper-1: goes without grace;"),
        "{text}"
    );
}
