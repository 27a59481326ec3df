//! What a rotation or a revocation would touch, before anybody asks the cluster for it.
//!
//! Owns [`lines`]: keys, pods, steps and graces in words, from a spec, its annotations and what was
//! observed. Pure. It is told to people and decides nothing; [`crate::rotation::decide`] does.

use std::time::Duration;

use erpgo_crds::SecretKey;
use erpgo_secret_set::KeyName;

use super::observed::{Observed, PodComponent};
use super::redis;
use super::rotation::{ACCEPTANCE, policy};
use super::valid::{Scale, ValidErpGo, ValidTurns};
use crate::rotation::{KeyView, LoginKey, Redis, Request, Revocation};

/// Most pods that are named.
const MAX_NAMED: usize = 10;

/// One line for each thing that the annotations of `app` ask for; none when they ask for nothing.
#[must_use]
pub fn lines(app: &ValidErpGo, seen: &Observed) -> Vec<String> {
    let triggers = &app.triggers;
    let mut lines = Vec::new();
    match triggers.rotate.as_ref().map(|(_, parsed)| parsed) {
        None => {}
        Some(Err(error)) => lines.push(format!("rotate   refused: {error}")),
        Some(Ok(request)) => lines.extend(rotation(app, seen, request)),
    }
    match triggers.revoke.as_ref().map(|(_, parsed)| parsed) {
        None => {}
        Some(Err(error)) => lines.push(format!("revoke   refused: {error}")),
        Some(Ok(wanted)) => lines.extend(revocation(app, seen, wanted)),
    }
    lines
}

fn rotation(app: &ValidErpGo, seen: &Observed, request: &Request) -> Vec<String> {
    if app.rotation.paused {
        let why = "spec.secrets.rotation.paused is set: nothing begins until it is false";
        return vec![format!("rotate   {why}")];
    }
    let keys = &request.keys;
    if let (Redis::Joins, Some(redis), [KeyName::Redis]) =
        (redis::stands(app, seen), &app.redis, keys.as_slice())
    {
        return joining(app, seen, redis);
    }
    let mut lines: Vec<String> = keys.iter().map(|key| of_key(app, seen, *key)).collect();
    lines.push(format!("pods     {}; none is restarted", pods(app, seen)));
    lines.push(format!("steps    {}", steps(app, keys)));
    lines
}

fn joining(app: &ValidErpGo, seen: &Observed, redis: &SecretKey) -> Vec<String> {
    let minutes = ACCEPTANCE.as_secs() / 60;
    vec![
        format!("rotate   redis: joins the secret set with {}", url(redis)),
        format!("pods     {}; none is restarted", pods(app, seen)),
        format!("steps    Join: every pod uses it within {minutes} min or it leaves again"),
    ]
}

fn url(secret: &SecretKey) -> String {
    format!("the URL in key {} of Secret {}", secret.key, secret.name)
}

fn of_key(app: &ValidErpGo, seen: &Observed, key: KeyName) -> String {
    let view = seen
        .document
        .as_ref()
        .and_then(|document| document.keys.get(&key));
    if seen.document.is_some() && view.is_none() || key == KeyName::Redis && app.redis.is_none() {
        return format!("rotate   {key}: refused, it is not in the secret set");
    }
    if let Some(old) = view.and_then(|view| view.previous.as_ref()) {
        let kid = &old.kid;
        return format!("rotate   {key}: refused while {kid} is in its grace");
    }
    let from = view.map_or(String::new(), |view| format!(" {}", view.current.kid));
    format!(
        "rotate   {key}{from}: {}; the old one {}",
        source(app, key),
        grace(app, key)
    )
}

fn source(app: &ValidErpGo, key: KeyName) -> String {
    if let Some(turns) = turns(app, key) {
        let [first, second] = &turns.pair;
        return format!("a drawn password for {first} or {second}, whichever is idle");
    }
    let secret = match (key, &app.redis) {
        (KeyName::Database, _) => &app.database,
        (KeyName::Redis, Some(redis)) => redis,
        _ => return "a drawn value".into(),
    };
    format!("{}, if it is new", url(secret))
}

fn turns(app: &ValidErpGo, key: KeyName) -> Option<&ValidTurns> {
    app.turns.get(&LoginKey::of(key)?)
}

fn grace(app: &ValidErpGo, key: KeyName) -> String {
    let policy = policy(app);
    match key {
        KeyName::Jwt => format!("is accepted for {} more", told(policy.jwt_grace)),
        KeyName::Refresh => format!("is accepted for {} more", told(policy.refresh_grace)),
        KeyName::Pepper => "is kept until no password hash refers to it".into(),
        KeyName::Database | KeyName::Redis => "goes when no connection of it is left".into(),
    }
}

fn told(time: Duration) -> String {
    let hours = time.as_secs() / 3600;
    if hours > 48 && hours.is_multiple_of(24) {
        return format!("{} days", hours / 24);
    }
    format!("{hours} hours")
}

fn pods(app: &ValidErpGo, seen: &Observed) -> String {
    let api = seen.pods.iter();
    let names: Vec<&str> = api
        .filter(|pod| pod.component == PodComponent::Api && !pod.ended)
        .map(|pod| pod.name.as_str())
        .collect();
    let most = app.most_pods();
    match (names.len(), &app.scale) {
        (0, Scale::Fixed(_)) => format!("all {most} must agree"),
        (0, Scale::Auto(auto)) => {
            format!(
                "all of the {} to {most} that there are must agree",
                auto.min_replicas
            )
        }
        (count, _) => {
            let mut shown = names;
            shown.truncate(MAX_NAMED);
            let rest = count - shown.len();
            let rest = if rest > 0 {
                format!(" and {rest} more")
            } else {
                String::new()
            };
            format!("{}{rest} must agree", shown.join(", "))
        }
    }
}

fn steps(app: &ValidErpGo, keys: &[KeyName]) -> String {
    let by_job: Vec<LoginKey> = keys
        .iter()
        .filter_map(|key| LoginKey::of(*key))
        .filter(|key| app.turns.contains_key(key))
        .collect();
    let jobs = |which: &str, what: &str| -> String {
        let job = |key: &LoginKey| format!("Job: the {which} {} {what} -> ", key.noun());
        by_job.iter().map(job).collect()
    };
    format!(
        "{}Stage: every pod accepts it within {} min or it is rolled back -> Promote: every pod uses \
         it -> grace -> {}Retire",
        jobs("idle", "gets its password"),
        ACCEPTANCE.as_secs() / 60,
        jobs("old", "loses its own"),
    )
}

fn revocation(app: &ValidErpGo, seen: &Observed, wanted: &Revocation) -> Vec<String> {
    let Revocation { key, kid } = wanted;
    let view = seen
        .document
        .as_ref()
        .and_then(|document| document.keys.get(key));
    let fate = match view {
        None if seen.document.is_some() => "it is not in the secret set: nothing to do",
        None => "goes without grace; what is current gets a successor first",
        Some(view) if view.current.kid == *kid && leaves(app, seen, *key) => {
            "it leaves with all its versions, since there is no spec.redis"
        }
        Some(view) => fate(view, kid.as_str()),
    };
    let loss = match key {
        KeyName::Jwt | KeyName::Refresh => {
            "whoever holds a token signed with it must sign in again"
        }
        KeyName::Pepper => "whoever has a hash with it must reset the password",
        KeyName::Database | KeyName::Redis => "its connections are let go of",
    };
    vec![
        format!("revoke   {key}/{kid}: {fate}; {loss}"),
        format!("pods     {}; none is restarted", pods(app, seen)),
    ]
}

fn leaves(app: &ValidErpGo, seen: &Observed, key: KeyName) -> bool {
    key == KeyName::Redis && redis::stands(app, seen) == Redis::Leaves
}

fn fate(view: &KeyView, kid: &str) -> &'static str {
    let is = |version: &Option<crate::rotation::VersionView>| {
        version
            .as_ref()
            .is_some_and(|version| version.kid.as_str() == kid)
    };
    if view.current.kid.as_str() == kid {
        "it is current: a successor comes first, for which pods have 2 seconds"
    } else if is(&view.previous) || is(&view.next) {
        "it goes at once"
    } else {
        "there is no such version: nothing to do"
    }
}
