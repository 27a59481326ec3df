//! Settings of AWS Secrets Manager.
//!
//! Owns [`AwsConfig`]. Keys and tokens come as file paths; the two variables that EKS Pod Identity puts
//! into a pod are taken under the names that it gives them.

use std::net::IpAddr;
use std::path::PathBuf;

use super::backend::endpoint;
use super::environment::Environment;
use crate::http::{Endpoint, PlainHttp};

// The agents of EKS and ECS on the node: link-local, so that plain http does not leave it.
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// One secret in Secrets Manager.
#[derive(Debug)]
pub(crate) struct AwsConfig {
    pub(crate) region: String,
    pub(crate) secret_id: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) auth: AwsAuth,
}

/// Where credentials come from.
#[derive(Debug)]
pub(crate) enum AwsAuth {
    WebIdentity {
        sts: Endpoint,
        role_arn: String,
        token_file: PathBuf,
    },
    PodIdentity {
        agent: Endpoint,
        path: String,
        token_file: PathBuf,
    },
    Files {
        access_key_id_file: PathBuf,
        secret_access_key_file: PathBuf,
    },
}

pub(super) fn read(env: &mut Environment<'_>) -> Option<AwsConfig> {
    let region = region(env);
    let secret_id = secret_id(env);
    let plain = env.parsed("SIDECAR_AWS_ALLOW_HTTP", "false", "true or false")?;
    let plain = if plain {
        PlainHttp::Allowed
    } else {
        PlainHttp::LoopbackOnly
    };
    let service = |env: &mut Environment<'_>, name, service| {
        let given = env.optional(name);
        let text = given.unwrap_or_else(|| of_region(service, region.as_deref()));
        endpoint(env, name, &text, plain)
    };
    let endpoint = service(env, "SIDECAR_AWS_ENDPOINT", "secretsmanager");
    let sts = service(env, "SIDECAR_AWS_STS_ENDPOINT", "sts");
    let secure = [&endpoint, &sts].into_iter().flatten().any(|e| e.secure);
    let ca_file = if secure {
        env.file("SIDECAR_AWS_CA_FILE", None).map(Some)
    } else {
        Some(None)
    };
    let auth = auth(env, sts?);
    Some(AwsConfig {
        region: region?,
        secret_id: secret_id?,
        endpoint: endpoint?,
        ca_file: ca_file?,
        auth: auth?,
    })
}

fn of_region(service: &str, region: Option<&str>) -> String {
    let region = region.unwrap_or("invalid");
    let suffix = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://{service}.{region}.{suffix}")
}

fn region(env: &mut Environment<'_>) -> Option<String> {
    const NAME: &str = "SIDECAR_AWS_REGION";
    let text = env.required(NAME)?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.len() > 40 || !text.bytes().all(allowed) {
        env.invalid(NAME, "a region such as eu-central-1");
        return None;
    }
    Some(text)
}

fn secret_id(env: &mut Environment<'_>) -> Option<String> {
    const NAME: &str = "SIDECAR_AWS_SECRET_ID";
    let text = env.required(NAME)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-:".contains(&b);
    if text.len() > 2048 || !text.bytes().all(allowed) {
        env.invalid(NAME, "the name or ARN of a secret");
        return None;
    }
    Some(text)
}

fn auth(env: &mut Environment<'_>, sts: Endpoint) -> Option<AwsAuth> {
    const NAME: &str = "SIDECAR_AWS_AUTH";
    match env.required(NAME)?.as_str() {
        "web-identity" => web_identity(env, sts),
        "pod-identity" => pod_identity(env),
        "files" => files(env),
        _ => {
            env.invalid(NAME, "web-identity, pod-identity or files");
            None
        }
    }
}

fn web_identity(env: &mut Environment<'_>, sts: Endpoint) -> Option<AwsAuth> {
    let role_arn = env.required("SIDECAR_AWS_ROLE_ARN");
    let token = "/var/run/erpgo/aws-token/token";
    let token_file = env.credential("SIDECAR_AWS_TOKEN_FILE", Some(token));
    Some(AwsAuth::WebIdentity {
        sts,
        role_arn: role_arn?,
        token_file: token_file?,
    })
}

fn pod_identity(env: &mut Environment<'_>) -> Option<AwsAuth> {
    const NAME: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let uri = env.required(NAME);
    let token_file = env.credential("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", None);
    let Some((agent, path)) = agent(&uri?) else {
        env.invalid(NAME, "http on loopback or at the node's agent");
        return None;
    };
    Some(AwsAuth::PodIdentity {
        agent,
        path,
        token_file: token_file?,
    })
}

// Address and path; the token goes nowhere but to this node.
fn agent(uri: &str) -> Option<(Endpoint, String)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let agent = Endpoint::parse(&format!("http://{authority}"), PlainHttp::Allowed).ok()?;
    let address: IpAddr = agent.host.parse().ok()?;
    let near = address.is_loopback() || AGENTS.contains(&agent.host.as_str());
    near.then(|| (agent, format!("/{path}")))
}

fn files(env: &mut Environment<'_>) -> Option<AwsAuth> {
    let access_key_id_file = env.credential("SIDECAR_AWS_ACCESS_KEY_ID_FILE", None);
    let secret_access_key_file = env.credential("SIDECAR_AWS_SECRET_ACCESS_KEY_FILE", None);
    Some(AwsAuth::Files {
        access_key_id_file: access_key_id_file?,
        secret_access_key_file: secret_access_key_file?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_token_stays_on_the_node() {
        for near in [
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://127.0.0.1:8080/v1/credentials",
        ] {
            let (_, path) = agent(near).unwrap();
            assert_eq!(path, "/v1/credentials");
        }
        for far in [
            "http://10.0.0.1/v1/credentials",
            "http://169.254.169.254/v1/credentials",
            "https://169.254.170.23/v1/credentials",
            "http://localhost.evil.test/",
            "http://127.0.0.1@evil.test/",
        ] {
            assert!(agent(far).is_none(), "{far}");
        }
    }

    #[test]
    fn a_region_has_its_own_endpoint() {
        let shown = |region| of_region("sts", Some(region));
        assert_eq!(
            shown("eu-central-1"),
            "https://sts.eu-central-1.amazonaws.com"
        );
        assert_eq!(
            shown("cn-north-1"),
            "https://sts.cn-north-1.amazonaws.com.cn"
        );
    }
}
