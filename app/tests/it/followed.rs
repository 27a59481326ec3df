//! Lists of users and roles that are followed to their end while others are added, and deleted behind.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::runtime::one_thread;
use crate::sql::execute;
use crate::world::World;

const SORTS: [&str; 4] = ["email", "first_name", "last_name", "created_at"];
/// More than any list here has.
const PARTS: usize = 100;
const FORGET: &str = "DELETE FROM users WHERE email LIKE '%@followed.example.org'";

/// The ids of the whole list, part by part; `between` is told those of each part.
async fn followed(
    (world, admin): (&World, &str),
    list: &str,
    mut between: impl AsyncFnMut(&[String]),
) -> Vec<String> {
    let (mut seen, mut next) = (Vec::new(), list.to_owned());
    for _ in 0..PARTS {
        let part = world.get(&next, admin).await.expect(200).json();
        let rows = part["users"].as_array().or(part["roles"].as_array());
        let ids = rows.unwrap().iter().map(|row| row["id"].as_str().unwrap());
        let ids: Vec<_> = ids.map(str::to_owned).collect();
        // A page is numbered, and what follows a cursor is not.
        assert_eq!(part.get("pagination").is_some(), next == list, "{part}");
        seen.extend_from_slice(&ids);
        let Some(cursor) = part["next_cursor"].as_str() else {
            assert!(part.get("next_cursor").is_some(), "{part}");
            return seen;
        };
        next = format!("{list}&cursor={cursor}");
        between(&ids).await;
    }
    panic!("it has no end: {seen:?}");
}

/// First letter, first name, last name, and when they came: few, so that many are equal.
type Person = (char, String, String, i64);

fn people(most: usize) -> impl Strategy<Value = Vec<Person>> {
    let letter = proptest::char::ranges(vec!['a'..='d', 'A'..='D'].into());
    let person = (letter, "[aB]{1,2}", "[Ab]{0,1}", 0i64..3);
    proptest::collection::vec(person, 0..most)
}

/// Adds them without the API, which would take ten times as long.
async fn add(world: &World, people: &[Person]) -> Vec<String> {
    let pool = world.state.database.pool();
    let mut ids = Vec::new();
    for (letter, first, last, minutes) in people {
        let query = sqlx::query_scalar(
            "INSERT INTO users (id, email, first_name, last_name, password_hash, pepper_kid, created_at, updated_at)
             SELECT id, $1 || '-' || id || '@followed.example.org', $2, $3, 'x', 'k',
                    timestamptz '2026-01-01 00:00:00Z' + $4 * interval '1 minute', now()
             FROM gen_random_uuid() id RETURNING id::text",
        );
        let query = query.bind(letter.to_string()).bind(first).bind(last);
        ids.push(query.bind(minutes).fetch_one(&pool).await.unwrap());
    }
    ids
}

/// Deletes whoever of these was added by [`add`].
async fn remove(world: &World, id: &str) {
    sqlx::query("DELETE FROM users WHERE id::text = $1 AND email LIKE '%@followed.example.org'")
        .bind(id)
        .execute(&world.state.database.pool())
        .await
        .unwrap();
}

#[test]
fn r02_5_each_user_is_seen_once_while_others_come_and_those_behind_go() {
    let runtime = one_thread();
    let (world, admin) = runtime.block_on(async {
        let world = World::new().await;
        let admin = world.admin().await;
        (world, admin)
    });
    let cases = (
        people(16),
        people(8),
        0..SORTS.len(),
        any::<bool>(),
        1usize..5,
    );
    let mut runner = TestRunner::new(ProptestConfig::with_cases(100));
    let outcome = runner.run(&cases, |(first, later, sort, descending, limit)| {
        let order = if descending { "desc" } else { "asc" };
        let sort = SORTS[sort];
        let list = format!("/api/v1/users?sort_by={sort}&sort_order={order}&limit={limit}");
        let (there, seen) = runtime.block_on(async {
            execute(&world, FORGET).await;
            let there = add(&world, &first).await;
            let mut waiting = later.chunks(2);
            let between = async |behind: &[String]| {
                add(&world, waiting.next().unwrap_or_default()).await;
                remove(&world, &behind[0]).await;
            };
            let seen = followed((&world, &admin), &list, between).await;
            (there, seen)
        });
        let different: HashSet<_> = seen.iter().collect();
        prop_assert_eq!(different.len(), seen.len(), "one twice: {:?}", seen);
        let missed = there.iter().find(|id| !different.contains(id));
        prop_assert_eq!(missed, None, "{:?}", seen);
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn r02_5_each_role_is_seen_once_while_others_come_and_those_behind_go() {
    let world = World::new().await;
    let admin = world.admin().await;
    let make = async |name: &str| {
        let body = json!({"name": name, "permissions": []});
        let made = world.post("/api/v1/roles", &admin, body).await;
        made.expect(201).json()["id"].as_str().unwrap().to_owned()
    };
    let mut there = Vec::new();
    for name in ["b", "C", "d", "E", "f", "g", "H"] {
        there.push(make(name).await);
    }
    let mut later = ["A", "a2", "G2", "z"].into_iter();
    let between = async |behind: &[String]| {
        if let Some(name) = later.next() {
            make(name).await;
        }
        if there.contains(&behind[0]) {
            let path = format!("/api/v1/roles/{}", behind[0]);
            world.delete(&path, &admin).await.expect(204);
        }
    };
    let seen = followed((&world, &admin), "/api/v1/roles?limit=2", between).await;
    let different: HashSet<_> = seen.iter().collect();
    assert_eq!(different.len(), seen.len(), "one twice: {seen:?}");
    assert!(there.iter().all(|id| different.contains(id)), "{seen:?}");
}

#[tokio::test]
async fn a_cursor_serves_the_list_that_it_is_of_and_no_other() {
    let world = World::new().await;
    let admin = world.admin().await;
    for email in ["ann@example.org", "kim@example.org"] {
        world.user(email, &[]).await;
    }
    let body = json!({"name": "Warehouse", "permissions": []});
    world.post("/api/v1/roles", &admin, body).await.expect(201);
    let cursor = async |list: &str| {
        let part = world.get(list, &admin).await.expect(200).json();
        part["next_cursor"].as_str().unwrap().to_owned()
    };
    let users = cursor("/api/v1/users?sort_by=email&limit=1").await;
    let roles = cursor("/api/v1/roles?limit=1").await;
    for refused in [
        format!("/api/v1/users?sort_by=first_name&cursor={users}"),
        format!("/api/v1/users?sort_by=email&sort_order=desc&cursor={users}"),
        format!("/api/v1/users?sort_by=email&is_active=true&cursor={users}"),
        format!("/api/v1/users?sort_by=email&page=1&cursor={users}"),
        format!("/api/v1/users?cursor={roles}"),
        format!("/api/v1/roles?cursor={users}"),
        format!("/api/v1/roles?page=2&cursor={roles}"),
        "/api/v1/roles?cursor=x".to_owned(),
    ] {
        let answer = world.get(&refused, &admin).await;
        answer.refused(400, "VALIDATION_ERROR");
        let pointer = &answer.json()["errors"][0]["pointer"];
        assert_eq!(pointer, "#/query/cursor", "{refused}");
    }
    // How many are shown may change on the way.
    let rest = format!("/api/v1/users?sort_by=email&limit=20&cursor={users}");
    let rest = world.get(&rest, &admin).await.expect(200).json();
    let emails = rest["users"].as_array().unwrap().iter();
    let emails: Vec<_> = emails.map(|user| user["email"].as_str().unwrap()).collect();
    assert_eq!(emails, ["ann@example.org", "kim@example.org"]);
}
