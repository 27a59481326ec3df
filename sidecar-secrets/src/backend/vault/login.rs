//! Logging in to Vault.
//!
//! Owns the two logins. The credential files are read at each login, since the kubelet replaces a
//! projected token and an operator replaces a secret id.

use erpgo_secret_set::Secret;
use serde::Serialize;
use zeroize::Zeroizing;

use super::requests::Requests;
use super::wire::Granted;
use crate::backend::BackendError;
use crate::config::VaultAuth;
use crate::config::files::read_credential;

#[derive(Serialize)]
struct TokenLogin<'a> {
    role: &'a str,
    jwt: &'a str,
}

#[derive(Serialize)]
struct AppRoleLogin<'a> {
    role_id: &'a str,
    secret_id: &'a str,
}

pub(super) async fn login(requests: &Requests, auth: &VaultAuth) -> Result<Granted, BackendError> {
    requests.login(body(auth)?).await
}

fn body(auth: &VaultAuth) -> Result<Zeroizing<Vec<u8>>, BackendError> {
    let credential = |source| BackendError::Credential {
        what: "the Vault login",
        source,
    };
    let read = |path| read_credential(path).map_err(credential);
    match auth {
        VaultAuth::Token { role, jwt_file } => {
            let jwt: Secret = read(jwt_file)?;
            Ok(json(&TokenLogin {
                role,
                jwt: jwt.expose_secret(),
            }))
        }
        VaultAuth::AppRole {
            role_id_file,
            secret_id_file,
        } => {
            let (role_id, secret_id) = (read(role_id_file)?, read(secret_id_file)?);
            let role_id = role_id.expose_secret();
            Ok(json(&AppRoleLogin {
                role_id,
                secret_id: secret_id.expose_secret(),
            }))
        }
    }
}

fn json(login: &impl Serialize) -> Zeroizing<Vec<u8>> {
    // Serialising two strings into memory has no failing case.
    Zeroizing::new(serde_json::to_vec(login).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_login_reads_its_files_again() {
        let dir = tempfile::tempdir().unwrap();
        let jwt_file = dir.path().join("jwt");
        let auth = VaultAuth::Token {
            role: "shop".into(),
            jwt_file: jwt_file.clone(),
        };
        for token in ["first", "second"] {
            std::fs::write(&jwt_file, token).unwrap();
            let sent = body(&auth).unwrap();
            assert_eq!(
                sent.as_slice(),
                format!(r#"{{"role":"shop","jwt":"{token}"}}"#).as_bytes()
            );
        }
        std::fs::remove_file(&jwt_file).unwrap();
        assert!(matches!(body(&auth), Err(BackendError::Credential { .. })));
    }

    #[test]
    fn approle_sends_both_ids() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let auth = VaultAuth::AppRole {
            role_id_file: file("role", "r-1\n"),
            secret_id_file: file("secret", "s-1\n"),
        };
        assert_eq!(
            body(&auth).unwrap().as_slice(),
            br#"{"role_id":"r-1","secret_id":"s-1"}"#
        );
    }
}
