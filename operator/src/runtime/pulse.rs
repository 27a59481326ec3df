//! Whether something has changed of which no watch tells.
//!
//! Owns the beat between two reconciles: a Redis that goes away changes no object of the cluster, and
//! secret backends are not watched. Of each `ErpGo` that serves, the pods are asked again, and every
//! other beat the backend; only a different answer asks for a reconcile. Nothing is written.

use std::sync::Arc;
use std::time::Duration;

use erpgo_secret_set::OPERATOR_LOOKS_EVERY;
use futures::{Stream, StreamExt as _, stream};
use kube::runtime::reflector::ObjectRef;

use super::progress::Key;
use super::watches::Handle;
use crate::reconcile::Context;
use crate::reconcile::memory::Heard;
use crate::reconcile::observe;

const EVERY: Duration = Duration::from_secs(10);
/// Beats from one look at the backend to the next.
const BACKEND: u64 = OPERATOR_LOOKS_EVERY.as_secs() / EVERY.as_secs();
/// `ErpGo` objects that are asked after at once.
const AT_ONCE: usize = 8;

/// The objects of which something else is heard than before.
pub fn changes(context: Arc<Context>) -> impl Stream<Item = ObjectRef<Handle>> + Send {
    stream::unfold((context, 1_u64), |(context, beat)| async move {
        tokio::time::sleep(EVERY).await;
        let changed = changed(&context, beat.is_multiple_of(BACKEND)).await;
        Some((stream::iter(changed), (context, beat + 1)))
    })
    .flatten()
}

async fn changed(context: &Arc<Context>, backend: bool) -> Vec<ObjectRef<Handle>> {
    let asked = stream::iter(context.memory.all_heard()).map(|(key, before)| {
        let context = Arc::clone(context);
        async move {
            is_news(&context, &before, backend)
                .await
                .then(|| object(&key))
        }
    });
    let found: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
    found.into_iter().flatten().collect()
}

async fn is_news(context: &Context, before: &Heard, backend: bool) -> bool {
    if context.complaints.of(&before.pods).await != before.complaints {
        return true;
    }
    backend && observe::secret_set(context, &before.erpgo).await != before.secret_set
}

fn object(key: &Key) -> ObjectRef<Handle> {
    ObjectRef::new(&key.name).within(&key.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backend_is_looked_at_as_often_as_a_fleet_is_counted_by() {
        assert_eq!(
            EVERY * u32::try_from(BACKEND).unwrap(),
            OPERATOR_LOOKS_EVERY
        );
    }
}
