//! Writes the next generation of the secret set and tells the pods.
//!
//! Owns the way from a decided [`Write`] to the document. It is written on the generation that it was
//! decided on or not at all; a conflict is no failure, since the next reconcile sees what is there.

use erpgo_crds::ErpGo;
use erpgo_secret_set::{
    Document, Generation, KeyName, NewValue, RedisUrl, abort, join, leave, prepare, promote,
    retire, revoke, stage,
};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::context::Context;
use super::error::ReconcileError;
use super::names::Names;
use crate::audience::Audience;
use crate::rotation::{Edit, Write};
use crate::secrets::{SecretsError, WriteId, Written, login};

pub(super) async fn carry_out(
    context: &Context,
    erpgo: &ErpGo,
    write: &Write,
    pods: &Audience,
) -> Result<(), ReconcileError> {
    let what = "the next secret generation";
    let failed = |source| ReconcileError::Effect { what, source };
    let Some(generation) = replace(context, erpgo, write).await.map_err(failed)? else {
        return Ok(());
    };
    context.health.metrics.wrote("SecretSet");
    tracing::info!(
        namespace = erpgo.namespace(),
        erpgo = erpgo.name_any(),
        rotation = write.rotation,
        step = write.edit.step(),
        %generation,
        "wrote {what}"
    );
    let store = context.secrets.store(erpgo);
    let name = Names::of(erpgo).control_token();
    // Without it pods still read by themselves.
    if let Ok(token) = store.require(&name, "token").await {
        context.acks.nudge(&token, pods, generation).await;
    }
    Ok(())
}

async fn replace(
    context: &Context,
    erpgo: &ErpGo,
    write: &Write,
) -> Result<Option<Generation>, SecretsError> {
    let Some(held) = context.secrets.read(erpgo).await? else {
        return Ok(None);
    };
    if held.document.generation != write.on {
        return Ok(None);
    }
    let edited = edit(context, erpgo, held.document, &write.edit).await?;
    let id = WriteId::derive(&write.rotation, &write.edit.step());
    let secrets = &context.secrets;
    let written = secrets.replace(erpgo, &held.revision, &edited, &id).await?;
    Ok(match written {
        Written::Done(_) => Some(edited.generation),
        Written::Conflict => None,
    })
}

async fn edit(
    context: &Context,
    erpgo: &ErpGo,
    document: Document,
    edit: &Edit,
) -> Result<Document, SecretsError> {
    Ok(match edit {
        Edit::Prepare(key, login) => {
            let Some(held) = document.keys.get(*key) else {
                return Err(SecretsError::Invalid {
                    reasons: vec![format!("{key} is not in it")],
                });
            };
            let value = login::with_new_password(&held.current.value, login)?;
            prepare(document, NewValue { key: *key, value }, Timestamp::now())
        }
        Edit::Stage(keys) => {
            let waits = |key: &KeyName| document.prepared.contains_key(key);
            let (ready, drawn): (Vec<_>, Vec<_>) = keys.iter().copied().partition(waits);
            let values = values(context, erpgo, &drawn).await?;
            stage(document, &ready, values, Timestamp::now())
        }
        Edit::Promote(keys) => promote(document, keys),
        Edit::Retire(keys) => retire(document, keys),
        Edit::Abort(keys) => abort(document, keys),
        Edit::Revoke(key, kid) => revoke(document, *key, kid),
        Edit::Join => {
            let url = context.secrets.new_value(erpgo, KeyName::Redis).await?;
            join(document, RedisUrl(url), Timestamp::now())
        }
        Edit::Leave => leave(document),
    })
}

async fn values(
    context: &Context,
    erpgo: &ErpGo,
    keys: &[KeyName],
) -> Result<Vec<NewValue>, SecretsError> {
    let mut values = Vec::new();
    for key in keys {
        let value = context.secrets.new_value(erpgo, *key).await?;
        values.push(NewValue { key: *key, value });
    }
    Ok(values)
}
