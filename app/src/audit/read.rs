//! Events, opened with the keys that are still there.
//!
//! Owns [`part`] and [`stream`]: memory holds one part at a time, whatever is asked for (I-12).

use futures::stream::{self, Stream};
use sqlx::PgConnection;

use super::chain::Stored;
use super::query::Filter;
use super::store;
use super::wire::EventOut;
use crate::db::Database;
use crate::error::Result;
use crate::subjects::{self, Subject};
use crate::users::UserId;

/// Events that a stream reads at once.
const PART: i64 = 500;

/// One part of what matches, newest first.
pub(super) async fn part(
    connection: &mut PgConnection,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<EventOut>> {
    let mut events = store::list(connection, filter, before, limit).await?;
    if let Some(person) = filter.about {
        events.iter_mut().for_each(|event| keep_to(person, event));
    }
    let subjects = events.iter().filter_map(|event| event.subject.map(Subject));
    let keys = subjects::keys(connection, subjects).await?;
    let open = |event| EventOut::of(event, &keys);
    Ok(events.into_iter().map(open).collect())
}

/// Leaves out what is sealed for anybody else than `person`: an administrator's address is not theirs to know.
fn keep_to(person: UserId, event: &mut Stored) {
    if event.subject != Some(person.0) {
        event.subject = None;
        event.sealed = None;
    }
}

/// Everything that matches, newest first, part by part. No connection is held between two parts: a
/// slow reader costs nobody else one.
pub(crate) fn stream(
    database: Database,
    filter: Filter,
) -> impl Stream<Item = Result<Vec<EventOut>>> + Send {
    stream::try_unfold(Some(None), move |before| {
        let (database, filter) = (database.clone(), filter.clone());
        async move {
            let Some(before) = before else {
                return Ok(None);
            };
            let mut connection = database.acquire_in_turn().await?;
            let events = part(&mut connection, &filter, before, PART).await?;
            let last = events.last().map(|event| Some(event.seq));
            Ok((!events.is_empty()).then_some((events, last)))
        }
    })
}
