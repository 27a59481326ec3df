//! Rules for the roles that take turns at the database.
//!
//! Owns [`rotation`]. A role's name stands in a statement of the Job, so that it must need no quotes.

use erpgo_crds::ErpGoSpec;

use super::faults::Faults;
use super::secrets;
use crate::reconcile::valid::ValidDatabaseRotation;

const FIELD: &str = "spec.database.rotation";

pub(super) fn rotation(spec: &ErpGoSpec, faults: &mut Faults) -> Option<ValidDatabaseRotation> {
    let rotation = spec.database.rotation.as_ref()?;
    let admin = &rotation.admin_secret_ref;
    secrets::secret_key(&format!("{FIELD}.adminSecretRef"), admin, faults);
    faults.unless(
        *admin != spec.database.secret_ref,
        &format!("{FIELD}.adminSecretRef"),
        "is that of spec.database.secretRef: name the URL of the role that changes passwords, which \
         pods never work as",
    );
    let field = format!("{FIELD}.roles");
    let [first, second] = rotation.roles.as_slice() else {
        faults.add(field, "must be two roles: write for example [erp_a, erp_b]");
        return None;
    };
    for role in [first, second] {
        faults.unless(
            is_role(role),
            &field,
            "must be 1 to 63 characters of a-z, 0-9 and '_', beginning with a letter or '_' and not \
             with pg_: create roles with such names",
        );
    }
    faults.unless(
        first != second,
        &field,
        "must be two different roles: while pods work as one, the other gets a new password",
    );
    Some(ValidDatabaseRotation {
        roles: [first.clone(), second.clone()],
        admin: admin.clone(),
    })
}

fn is_role(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=63).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("pg_")
}
