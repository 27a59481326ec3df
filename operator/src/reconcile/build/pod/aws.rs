//! What the sidecar needs for AWS.
//!
//! Owns the variables and mounts of the container `secrets` with that backend. Credentials are files,
//! never variables (I-04).

use k8s_openapi::api::core::v1::{EnvVar, VolumeMount};

use super::secrets_sidecar::PUBLIC_ROOTS;
use super::{env, volumes};
use crate::reconcile::valid::{Aws, AwsLogin};

pub(super) fn backend(aws: &Aws) -> (Vec<EnvVar>, Vec<VolumeMount>) {
    let (login, mut mounts) = login(&aws.login);
    mounts.extend(aws.ca.is_some().then(volumes::aws_ca));
    ([environment(aws), login].concat(), mounts)
}

fn environment(aws: &Aws) -> Vec<EnvVar> {
    let ca = match aws.ca {
        Some(_) => volumes::AWS_CA_FILE,
        None => PUBLIC_ROOTS,
    };
    let mut list = vec![
        env("SIDECAR_BACKEND", "aws"),
        env("SIDECAR_AWS_REGION", &aws.region),
        env("SIDECAR_AWS_SECRET_ID", &aws.secret_id),
        env("SIDECAR_AWS_CA_FILE", ca),
    ];
    let endpoint = aws.endpoint.as_ref();
    list.extend(endpoint.map(|address| env("SIDECAR_AWS_ENDPOINT", address)));
    let sts = aws.sts_endpoint.as_ref();
    list.extend(sts.map(|address| env("SIDECAR_AWS_STS_ENDPOINT", address)));
    if aws.allow_http {
        list.push(env("SIDECAR_AWS_ALLOW_HTTP", "true"));
    }
    list
}

fn login(login: &AwsLogin) -> (Vec<EnvVar>, Vec<VolumeMount>) {
    match login {
        AwsLogin::WebIdentity(identity) => (
            vec![
                env("SIDECAR_AWS_AUTH", "web-identity"),
                env("SIDECAR_AWS_ROLE_ARN", &identity.role_arn),
                env("SIDECAR_AWS_TOKEN_FILE", volumes::AWS_TOKEN_FILE),
            ],
            vec![volumes::aws_token()],
        ),
        AwsLogin::PodIdentity => (vec![env("SIDECAR_AWS_AUTH", "pod-identity")], vec![]),
        AwsLogin::Static(_) => (
            vec![
                env("SIDECAR_AWS_AUTH", "files"),
                env(
                    "SIDECAR_AWS_ACCESS_KEY_ID_FILE",
                    volumes::ACCESS_KEY_ID_FILE,
                ),
                env(
                    "SIDECAR_AWS_SECRET_ACCESS_KEY_FILE",
                    volumes::SECRET_ACCESS_KEY_FILE,
                ),
            ],
            vec![volumes::aws_credentials()],
        ),
    }
}
