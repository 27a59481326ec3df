//! The three places where a secret set may lie, reached from pods of the real node.
//!
//! Owns the set-up that the guide to the backends describes: Vault with Kubernetes auth and AWS as moto
//! plays it run on this machine at the node's address, which pods reach and nobody outside does.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use erpgo_test_kit::moto::{self, REGION, TestMoto};
use erpgo_test_kit::tools::tool;
use erpgo_test_kit::vault::{self, TestVault};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::Stage;

const SET: &str = "shop-secret-set";
const DOCUMENT: &str = "document.json";
const CURRENT: &str = "AWSCURRENT";

/// Where the secret set of a stage lies.
pub enum Backend {
    /// In a Secret.
    Kubernetes,
    /// In Vault.
    Vault(TestVault),
    /// In AWS Secrets Manager.
    Aws(TestMoto),
}

/// How a document is deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// So that it can be brought back, which a Secret cannot.
    ForNow,
    /// With its history.
    ForGood,
}

/// What somebody at a terminal needs to reach a backend.
#[derive(Default)]
pub(crate) struct Tools {
    /// A program and where it is.
    pub(crate) program: Option<(&'static str, PathBuf)>,
    /// Variables that the program reads.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Backend {
    /// A Vault in which the ServiceAccount `shop` of the stage may log in by Kubernetes auth.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn vault(stage: &Stage) -> Result<Self> {
        let vault = vault::server_at(stage.node.address().await?).await;
        let path = path(stage);
        let policy = format!(
            "path \"secret/data/{path}\" {{ capabilities = [\"create\", \"read\", \"update\"] }}\n\
             path \"secret/metadata/{path}\" {{ capabilities = [\"create\", \"update\", \"delete\"] }}"
        );
        vault.policy("shop", &policy).await;
        let config = kubernetes_auth(stage)?;
        vault.enable_kubernetes_at(&config).await;
        let account = (stage.namespace.as_str(), "shop");
        vault
            .kubernetes_role("shop", account, "vault", &["shop"])
            .await;
        Ok(Self::Vault(vault))
    }

    /// AWS, with an access key in the Secret `aws`.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn aws(stage: &Stage) -> Result<Self> {
        let moto = moto::server_at(stage.node.address().await?).await;
        let key = json!({"access-key-id": "AKIAIOSFODNN7EXAMPLE", "secret-access-key": uuid::Uuid::new_v4().to_string()});
        stage.put_secret("aws", key).await?;
        Ok(Self::Aws(moto))
    }

    /// `spec.secrets.backend`.
    #[must_use]
    pub fn spec(&self, stage: &Stage) -> Value {
        let path = path(stage);
        match self {
            Self::Kubernetes => json!({"kubernetes": {}}),
            Self::Vault(vault) => json!({"vault": {
                "address": vault.url(), "allowHttp": true, "path": path,
                "auth": {"kubernetes": {"role": "shop"}},
            }}),
            Self::Aws(moto) => json!({"aws": {
                "region": REGION, "secretId": path, "endpoint": moto.url(), "allowHttp": true,
                "auth": {"staticCredentialsSecretRef": {"name": "aws"}},
            }}),
        }
    }

    /// The Vault, to be sealed.
    #[must_use]
    pub const fn as_vault(&self) -> Option<&TestVault> {
        match self {
            Self::Vault(vault) => Some(vault),
            Self::Kubernetes | Self::Aws(_) => None,
        }
    }

    /// What a person with every right uses to reach it.
    ///
    /// # Errors
    /// When a program is not there.
    pub(crate) async fn tools(&self) -> Result<Tools> {
        Ok(match self {
            Self::Kubernetes => Tools::default(),
            Self::Vault(vault) => Tools {
                program: Some(("vault", tool("vault")?)),
                variables: vec![
                    ("VAULT_ADDR", vault.url()),
                    ("VAULT_TOKEN", vault.root_token().to_owned()),
                ],
            },
            Self::Aws(moto) => {
                let folder = moto::command_line().await;
                Tools {
                    program: Some(("aws", folder.join("bin/aws"))),
                    variables: vec![
                        ("PYTHONPATH", folder.display().to_string()),
                        ("AWS_ENDPOINT_URL", moto.url()),
                        ("AWS_DEFAULT_REGION", REGION.to_owned()),
                        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
                        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
                    ],
                }
            }
        })
    }

    /// The document, as a person with every right reads it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn document(&self, stage: &Stage) -> Result<Value> {
        let text = match self {
            Self::Kubernetes => {
                let secrets: Api<Secret> = stage.api();
                let data = secrets.get(SET).await?.data.unwrap_or_default();
                let bytes = data.get(DOCUMENT).context("the Secret has no document")?;
                String::from_utf8(bytes.0.clone())?
            }
            Self::Vault(vault) => {
                let data = vault.kv_get(&path(stage)).await.unwrap_or_default();
                text(&data["document"])?
            }
            Self::Aws(moto) => {
                let asked = json!({"SecretId": path(stage), "VersionStage": CURRENT});
                text(&moto.secrets("GetSecretValue", &asked).await["SecretString"])?
            }
        };
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes a document past the operator, as a person who edits by hand or restores a backup.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn write(&self, stage: &Stage, document: &Value) -> Result<()> {
        let text = document.to_string();
        match self {
            Self::Kubernetes => {
                let secrets: Api<Secret> = stage.api();
                let data = STANDARD.encode(&text);
                let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SET}, "data": {DOCUMENT: data}});
                let params = PatchParams::apply("a-person").force();
                secrets.patch(SET, &params, &Patch::Apply(&object)).await?;
            }
            Self::Vault(vault) => vault.kv_put(&path(stage), &json!({"document": text})).await,
            Self::Aws(moto) => put(moto, &path(stage), &text).await,
        }
        Ok(())
    }

    /// Deletes the document past the operator, as a person does by mistake.
    ///
    /// # Errors
    /// When the API server refuses, or nothing that is deleted there can be brought back.
    pub async fn delete(&self, stage: &Stage, deletion: Deletion) -> Result<()> {
        let for_good = deletion == Deletion::ForGood;
        match self {
            Self::Kubernetes => {
                ensure!(for_good, "a Secret that is deleted is gone");
                let secrets: Api<Secret> = stage.api();
                secrets.delete(SET, &DeleteParams::default()).await?;
            }
            Self::Vault(vault) => {
                let area = if for_good { "metadata" } else { "data" };
                let path = format!("secret/{area}/{}", path(stage));
                vault.delete(&path).await;
            }
            Self::Aws(moto) => {
                let asked =
                    json!({"SecretId": path(stage), "ForceDeleteWithoutRecovery": for_good});
                moto.secrets("DeleteSecret", &asked).await;
            }
        }
        Ok(())
    }

    /// Whether there is a document.
    ///
    /// # Errors
    /// When the backend cannot be asked.
    pub async fn has_document(&self, stage: &Stage) -> Result<bool> {
        Ok(match self {
            Self::Kubernetes => {
                let secrets: Api<Secret> = stage.api();
                secrets.get_opt(SET).await?.is_some()
            }
            Self::Vault(vault) => vault.kv_get(&path(stage)).await.is_some(),
            Self::Aws(moto) => {
                let all = moto.secrets("ListSecrets", &json!({})).await;
                let all = all["SecretList"].as_array().context("no list of secrets")?;
                all.iter().any(|secret| secret["Name"] == path(stage))
            }
        })
    }

    /// Removes what this set up outside the namespace.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn end(self, stage: &Stage) -> Result<()> {
        if matches!(self, Self::Vault(_)) {
            remove_reviewer(stage)?;
        }
        Ok(())
    }
}

// In two steps: moto, other than AWS, leaves the label on two versions when a value is put in one after
// the label was moved.
async fn put(moto: &TestMoto, path: &str, text: &str) {
    let asked = json!({"SecretId": path, "VersionStage": CURRENT});
    let before = moto.secrets("GetSecretValue", &asked).await["VersionId"].clone();
    let version = uuid::Uuid::new_v4().to_string();
    let put = json!({"SecretId": path, "SecretString": text, "ClientRequestToken": version, "VersionStages": ["EDITED"]});
    moto.secrets("PutSecretValue", &put).await;
    let moved = json!({"SecretId": path, "VersionStage": CURRENT, "MoveToVersionId": version, "RemoveFromVersionId": before});
    moto.secrets("UpdateSecretVersionStage", &moved).await;
}

fn path(stage: &Stage) -> String {
    format!("erpgo/{}", stage.namespace)
}

fn text(value: &Value) -> Result<String> {
    let text = value.as_str().context("there is no document")?;
    Ok(text.to_owned())
}

// Vault asks the API server about each token, as a ServiceAccount that may ask.
fn kubernetes_auth(stage: &Stage) -> Result<Value> {
    let (node, namespace) = (&stage.node, stage.namespace.as_str());
    remove_reviewer(stage)?;
    let account = format!("--serviceaccount={namespace}:vault");
    let role = "--clusterrole=system:auth-delegator";
    node.kubectl(&["-n", namespace, "create", "serviceaccount", "vault"])?;
    node.kubectl(&[
        "create",
        "clusterrolebinding",
        &reviewer(stage),
        role,
        &account,
    ])?;
    let token = node.kubectl(&["-n", namespace, "create", "token", "vault", "--duration=3h"])?;
    let cluster = |field: &str| {
        let path = format!("jsonpath={{.clusters[0].cluster.{field}}}");
        node.kubectl(&["config", "view", "--raw", "-o", &path])
    };
    let authority = STANDARD.decode(cluster("certificate-authority-data")?.trim())?;
    ensure!(!authority.is_empty(), "the kubeconfig names no authority");
    Ok(json!({
        "kubernetes_host": cluster("server")?.trim(),
        "kubernetes_ca_cert": String::from_utf8(authority)?,
        "token_reviewer_jwt": token.trim(),
        "disable_local_ca_jwt": true,
    }))
}

fn remove_reviewer(stage: &Stage) -> Result<()> {
    let name = reviewer(stage);
    let args = ["delete", "clusterrolebinding", &name, "--ignore-not-found"];
    stage.node.kubectl(&args).map(drop)
}

fn reviewer(stage: &Stage) -> String {
    format!("{}-vault", stage.namespace)
}
