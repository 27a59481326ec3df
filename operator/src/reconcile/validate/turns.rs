//! Rules for the logins that take turns at the database and at Redis.
//!
//! Owns [`turns`]. A name stands in a statement of the Job and in an annotation, so that it must need
//! neither quotes nor escapes.

use std::collections::BTreeMap;

use erpgo_crds::{ErpGoSpec, SecretKey};

use super::faults::Faults;
use super::secrets;
use crate::reconcile::valid::ValidTurns;
use crate::rotation::LoginKey;

/// What is asked for at one server, and how it is called there.
struct Asked<'a> {
    /// The field that it stands in.
    field: &'static str,
    /// What one of the two is called.
    noun: &'static str,
    pair: &'a [String],
    admin: &'a SecretKey,
    /// Where the URL of the pods lies.
    pods: &'a SecretKey,
    is_name: fn(&str) -> bool,
    /// What a name must be, and the way out.
    rule: &'static str,
}

pub(super) fn turns(spec: &ErpGoSpec, faults: &mut Faults) -> BTreeMap<LoginKey, ValidTurns> {
    let asked = [
        (LoginKey::Database, database(spec)),
        (LoginKey::Redis, redis(spec)),
    ];
    let valid = asked.into_iter().filter_map(|(key, asked)| {
        let valid = check(&asked?, faults)?;
        Some((key, valid))
    });
    valid.collect()
}

fn database(spec: &ErpGoSpec) -> Option<Asked<'_>> {
    let rotation = spec.database.rotation.as_ref()?;
    Some(Asked {
        field: "spec.database",
        noun: "role",
        pair: &rotation.roles,
        admin: &rotation.admin_secret_ref,
        pods: &spec.database.secret_ref,
        is_name: |name| is_plain(name, "_") && !name.starts_with("pg_"),
        rule: "must be 1 to 63 characters of a-z, 0-9 and '_', beginning with a letter or '_' and not \
               with pg_: create roles with such names",
    })
}

fn redis(spec: &ErpGoSpec) -> Option<Asked<'_>> {
    let redis = spec.redis.as_ref()?;
    let rotation = redis.rotation.as_ref()?;
    Some(Asked {
        field: "spec.redis",
        noun: "user",
        pair: &rotation.users,
        admin: &rotation.admin_secret_ref,
        pods: &redis.secret_ref,
        is_name: |name| is_plain(name, "_-") && name != "default",
        rule: "must be 1 to 63 characters of a-z, 0-9, '_' and '-', beginning with a letter or '_', and \
               not default: create users with such names",
    })
}

fn check(asked: &Asked<'_>, faults: &mut Faults) -> Option<ValidTurns> {
    let Asked { field, noun, .. } = asked;
    let admin = format!("{field}.rotation.adminSecretRef");
    secrets::secret_key(&admin, asked.admin, faults);
    faults.unless(
        asked.admin != asked.pods,
        &admin,
        &format!(
            "is that of {field}.secretRef: name the URL of the {noun} that changes passwords, which pods \
             never work as"
        ),
    );
    let field = format!("{field}.rotation.{noun}s");
    let [first, second] = asked.pair else {
        let way_out = format!("must be two {noun}s: write for example [erp_a, erp_b]");
        faults.add(field, way_out);
        return None;
    };
    for name in [first, second] {
        faults.unless((asked.is_name)(name), &field, asked.rule);
    }
    faults.unless(
        first != second,
        &field,
        &format!(
            "must be two different {noun}s: while pods work as one, the other gets a new password"
        ),
    );
    Some(ValidTurns {
        pair: [first.clone(), second.clone()],
        admin: asked.admin.clone(),
    })
}

fn is_plain(name: &str, marks: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || marks.contains(c);
    (1..=63).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn checked(pairs: [Value; 2], admins: [&str; 2]) -> (usize, Vec<String>) {
        let [roles, users] = pairs;
        let [of_roles, of_users] = admins;
        let spec: ErpGoSpec = serde_json::from_value(json!({
            "image": "i",
            "database": {"secretRef": {"name": "d"},
                "rotation": {"roles": roles, "adminSecretRef": {"name": of_roles}}},
            "redis": {"secretRef": {"name": "r"},
                "rotation": {"users": users, "adminSecretRef": {"name": of_users}}},
        }))
        .unwrap();
        let mut faults = Faults::default();
        let valid = turns(&spec, &mut faults).len();
        let told = faults.into_list().iter().map(ToString::to_string).collect();
        (valid, told)
    }

    #[test]
    fn two_plain_names_and_an_administrator_of_their_own_are_taken() {
        let pairs = [json!(["erp_a", "erp_b"]), json!(["erp-a", "_b"])];
        let (valid, told) = checked(pairs, ["d-admin", "r-admin"]);
        assert_eq!((valid, told), (2, Vec::new()));
    }

    #[test]
    fn what_slips_past_the_schema_is_refused_with_its_field_and_a_way_out() {
        for (users, words) in [
            (
                json!(["erp_a"]),
                "spec.redis.rotation.users must be two users",
            ),
            (json!(["a", "a"]), "must be two different users"),
            (json!(["a", "default"]), "and not default"),
            (
                json!(["a", "Erp b"]),
                "spec.redis.rotation.users must be 1 to 63",
            ),
        ] {
            let pairs = [json!(["erp_a", "erp_b"]), users];
            let (_, told) = checked(pairs, ["d-admin", "r-admin"]);
            assert!(told[0].contains(words), "{words}: {told:?}");
        }
        let pairs = [json!(["erp-a", "pg_b"]), json!(["erp_a", "erp_b"])];
        let (_, told) = checked(pairs, ["d", "r"]);
        let fields: Vec<_> = told
            .iter()
            .filter_map(|text| text.split(' ').next())
            .collect();
        assert_eq!(
            fields,
            [
                "spec.database.rotation.adminSecretRef",
                "spec.database.rotation.roles",
                "spec.database.rotation.roles",
                "spec.redis.rotation.adminSecretRef",
            ]
        );
        assert!(
            told[3].contains("the user that changes passwords"),
            "{told:?}"
        );
    }
}
