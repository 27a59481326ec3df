//! A namespace of one test.

use super::access::Access;
use anyhow::Context;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Client;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::core::GroupVersionKind;
use serde_json::json;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// A namespace that no other test uses, removed on drop together with the ErpGos in it.
#[derive(Debug)]
pub struct TestNamespace {
    access: Access,
    name: String,
}

impl TestNamespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Creates a namespace, with the `default` service account that pods need.
pub(crate) async fn create(access: &Access, prefix: &str) -> anyhow::Result<TestNamespace> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let name = format!("{prefix}-{}", &id[..10]);
    let client = Client::try_from(access.config()?)?;
    let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    let created = Api::<Namespace>::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await;
    created.with_context(|| format!("cannot create namespace {name}"))?;
    let account = serde_json::from_value(json!({"metadata": {"name": "default"}}))?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client, &name);
    match accounts.create(&PostParams::default(), &account).await {
        // A controller manager may have been quicker.
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        result => result
            .map(drop)
            .context("cannot create the default service account")?,
    }
    Ok(TestNamespace {
        access: access.clone(),
        name,
    })
}

impl Drop for TestNamespace {
    fn drop(&mut self) {
        let (access, name) = (self.access.clone(), self.name.clone());
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async { tokio::time::timeout(LIMIT, remove(&access, &name)).await? })
        };
        // Best effort: the name is not used again, and `down` removes everything.
        let _ = std::thread::spawn(work).join();
    }
}

async fn remove(access: &Access, name: &str) -> anyhow::Result<()> {
    let client = Client::try_from(access.config()?)?;
    // A cluster without the definition has none to remove.
    let _ = remove_erpgos(&client, name).await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(name, &DeleteParams::default()).await?;
    // The controller that would empty and finalize the namespace is not there.
    let finalized = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}});
    let request = http::Request::put(format!("/api/v1/namespaces/{name}/finalize"))
        .body(serde_json::to_vec(&finalized)?)?;
    client.request_text(request).await?;
    Ok(())
}

/// An operator that watches the whole cluster must not go on with what a finished test left.
async fn remove_erpgos(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("erpgo.io", "v1alpha1", "ErpGo"));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    for object in api.list(&ListParams::default()).await? {
        let name = object.metadata.name.unwrap_or_default();
        let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        api.delete(&name, &DeleteParams::default()).await?;
        // Without a finalizer it is gone already.
        let _ = api.patch(&name, &PatchParams::default(), &free).await;
    }
    Ok(())
}
