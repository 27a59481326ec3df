//! Rules for the secret set in AWS Secrets Manager.
//!
//! Owns the making of [`Aws`].

use erpgo_crds::{AwsAuth, AwsBackend, AwsWebIdentity};

use super::faults::Faults;
use super::{secrets, syntax};
use crate::reconcile::valid::{Aws, AwsLogin};

const AWS: &str = "spec.secrets.backend.aws";

pub(super) fn valid(aws: &AwsBackend, faults: &mut Faults) -> Option<Aws> {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    faults.unless(
        aws.region.contains('-') && aws.region.chars().all(lower),
        &format!("{AWS}.region"),
        "must be a region, for example eu-central-1",
    );
    let named = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    faults.unless(
        !aws.secret_id.is_empty() && aws.secret_id.chars().all(named),
        &format!("{AWS}.secretId"),
        "must be a name of letters, digits and /_+=.@-, for example erpgo/shop",
    );
    let endpoint = endpoint("endpoint", aws.endpoint.as_deref(), aws, faults);
    let sts_endpoint = self::endpoint("stsEndpoint", aws.sts_endpoint.as_deref(), aws, faults);
    let ca = aws.ca_config_map_ref.as_ref();
    if let Some(ca) = ca {
        syntax::object_name(&format!("{AWS}.caConfigMapRef.name"), &ca.name, faults);
        syntax::data_key(&format!("{AWS}.caConfigMapRef.key"), &ca.key, faults);
    }
    Some(Aws {
        region: aws.region.clone(),
        secret_id: aws.secret_id.clone(),
        endpoint,
        sts_endpoint,
        allow_http: aws.allow_http,
        ca: ca.map(|ca| (ca.name.clone(), ca.key.clone())),
        login: login(&aws.auth, faults)?,
    })
}

fn endpoint(
    name: &str,
    address: Option<&str>,
    aws: &AwsBackend,
    faults: &mut Faults,
) -> Option<String> {
    let address = address?;
    secrets::address(&format!("{AWS}.{name}"), address, aws.allow_http, faults);
    Some(address.trim_end_matches('/').to_owned())
}

fn login(auth: &AwsAuth, faults: &mut Faults) -> Option<AwsLogin> {
    let field = format!("{AWS}.auth");
    let static_credentials = &auth.static_credentials_secret_ref;
    match (&auth.web_identity, &auth.pod_identity, static_credentials) {
        (Some(identity), None, None) => {
            web_identity(identity, faults);
            Some(AwsLogin::WebIdentity(identity.clone()))
        }
        (None, Some(_), None) => Some(AwsLogin::PodIdentity),
        (None, None, Some(secret)) => {
            let field = format!("{field}.staticCredentialsSecretRef.name");
            syntax::object_name(&field, &secret.name, faults);
            Some(AwsLogin::Static(secret.name.clone()))
        }
        _ => {
            faults.add(
                field,
                "takes exactly one of webIdentity, podIdentity and staticCredentialsSecretRef: write \
                 one of them",
            );
            None
        }
    }
}

fn web_identity(identity: &AwsWebIdentity, faults: &mut Faults) {
    let field = format!("{AWS}.auth.webIdentity");
    role(&format!("{field}.roleArn"), &identity.role_arn, faults);
    if let Some(arn) = &identity.operator_role_arn {
        role(&format!("{field}.operatorRoleArn"), arn, faults);
    }
    let (field, audience) = (format!("{field}.audience"), &identity.audience);
    secrets::audience(&field, audience, "sts.amazonaws.com", faults);
}

fn role(field: &str, arn: &str, faults: &mut Faults) {
    faults.unless(
        arn.starts_with("arn:")
            && arn.contains(":role/")
            && arn.chars().all(|c| c.is_ascii_graphic()),
        field,
        "must be the ARN of a role, for example arn:aws:iam::123456789012:role/erpgo-shop",
    );
}
