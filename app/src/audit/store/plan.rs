//! A year of a million events is searched through an index, whatever is asked for.

use sqlx::PgConnection;

use super::statement;
use crate::audit::query::{Filter, ListQuery};
use crate::db::plan::{MOST, asks_for_all, by_index, fill, migrated, sql};
use crate::extract::query::parse;

/// The months before those that the schema comes with: a year in all, as is kept.
const MONTHS: &str = "
    SET timezone = 'UTC';
    DO $$
    DECLARE starts timestamptz;
    BEGIN
        FOR back IN 1..8 LOOP
            starts := date_trunc('month', now()) - make_interval(months => back);
            EXECUTE format('CREATE TABLE %I PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)',
                           'audit_events_' || to_char(starts, 'YYYY_MM'), starts, starts + interval '1 month');
        END LOOP;
    END $$";

/// One actor and one target are those of every tenth event, half of all events are sign-ins, and one in
/// ten thousand is an erasure. Each month has as many as any other.
const MILLION: &str = "
    INSERT INTO audit_events (seq, at, id, action, outcome, actor, target, request_id)
    SELECT n,
           date_trunc('month', now()) - interval '8 months'
               + (n - 1) * ((date_trunc('month', now()) + interval '4 months')
                            - (date_trunc('month', now()) - interval '8 months')) / 1000000,
           gen_random_uuid(),
           CASE WHEN a % 10000 = 0 THEN 'user.erased' WHEN a % 2 = 0 THEN 'auth.signed_in'
                ELSE (ARRAY['user.changed', 'user.read', 'role.assigned'])[1 + a % 3] END,
           CASE WHEN a % 7 = 0 THEN 'refused' ELSE 'success' END,
           CASE WHEN b % 10 = 0 THEN '00000000-0000-7000-8000-000000000000'
                ELSE '00000000-0000-7000-8000-' || lpad((b % 10000)::text, 12, '0') END::uuid,
           'user:00000000-0000-7000-8000-'
               || CASE WHEN c % 10 = 0 THEN '000000000000' ELSE lpad((c % 10000)::text, 12, '0') END,
           gen_random_uuid()::text
    FROM (SELECT n, hashint8(n) & 2147483647 AS a, hashint8(n + 1000000) & 2147483647 AS b,
                 hashint8(n + 2000000) & 2147483647 AS c
          FROM generate_series(1::bigint, 1000000) n) AS drawn";

/// Nothing, what is frequent and what is rare.
const ACTIONS: [&str; 3] = ["", "&action=auth.signed_in", "&action=user.erased"];
const ACTORS: [&str; 3] = [
    "",
    "&actor=00000000-0000-7000-8000-000000000000",
    "&actor=00000000-0000-7000-8000-000000004711",
];
const TARGETS: [&str; 3] = [
    "",
    "&target=user:00000000-0000-7000-8000-000000000000",
    "&target=user:00000000-0000-7000-8000-000000000815",
];

/// So many months after the beginning of this one, and so many hours.
fn at(months: i64, hours: i64) -> jiff::Timestamp {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let begun = now.first_of_month().unwrap().start_of_day().unwrap();
    let month = begun.checked_add(jiff::Span::new().months(months)).unwrap();
    month.timestamp() + jiff::SignedDuration::from_hours(hours)
}

/// Nothing, a half of the year from either end, an hour, and the last and the first hours.
fn times() -> [String; 6] {
    [
        String::new(),
        format!("&from={}", at(-2, 0)),
        format!("&to={}", at(-2, 0)),
        format!("&from={}&to={}", at(-2, 100), at(-2, 101)),
        format!("&from={}", at(4, -3)),
        format!("&to={}", at(-8, 3)),
    ]
}

/// Every filter with every other.
fn filters() -> Vec<String> {
    let mut filters = Vec::new();
    for time in times() {
        for action in ACTIONS {
            for actor in ACTORS {
                for target in TARGETS {
                    filters.push(format!("limit=20{action}{actor}{target}{time}"));
                }
            }
        }
    }
    filters
}

async fn cheap(connection: &mut PgConnection, filter: &Filter, before: Option<i64>, limit: i64) {
    let explain = statement("EXPLAIN (FORMAT JSON) ", filter, before, limit);
    let what = format!("{filter:?} before {before:?}");
    by_index(connection, explain, MOST, &what).await;
}

#[tokio::test]
async fn r06_2_and_r18_5_each_filter_has_an_index_at_a_million_events() {
    let (_database, mut connection) = migrated().await;
    sql(&mut connection, MONTHS).await;
    fill(&mut connection, "audit_events", MILLION).await;
    let filters = filters();
    assert_eq!(filters.len(), 3 * 3 * 3 * 6);
    for text in filters {
        let query: ListQuery = parse(&text).unwrap();
        let next = format!("{text}&cursor={}", query.cursor_after(500_000));
        let further: ListQuery = parse(&next).unwrap();
        assert_eq!((query.before, further.before), (None, Some(500_000)));
        for query in [query, further] {
            let part = i64::from(query.limit) + 1;
            cheap(&mut connection, &query.filter, query.before, part).await;
        }
    }
    // What an export tells of a person, in its own parts.
    for person in [ACTORS[1], ACTORS[2]] {
        let query: ListQuery = parse(person.trim_start_matches('&')).unwrap();
        let filter = Filter {
            about: query.filter.actor,
            ..Filter::default()
        };
        for before in [None, Some(500_000)] {
            cheap(&mut connection, &filter, before, 500).await;
        }
    }
}

#[test]
fn r06_2_every_parameter_of_the_search_is_among_them() {
    let mut asked = filters();
    // With which each part goes on.
    asked.push("cursor=".to_owned());
    asks_for_all("/api/v1/audit", &asked);
}
