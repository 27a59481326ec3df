//! Search and export (R18.5).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::events;
use crate::world::World;

#[tokio::test]
async fn r18_5_the_log_is_searched_by_action_actor_target_and_time() {
    let world = World::new().await;
    let (kim, token) = world.user("kim@example.org", &["users.read"]).await;
    world.get("/api/v1/users", &token).await.expect(200);
    let found = events(&world, &format!("actor={kim}&action=user.listed")).await;
    assert_eq!(found.len(), 1);
    let at = found[0]["at"].as_str().unwrap();
    assert_eq!(
        events(&world, &format!("actor={kim}&action=user.listed&to={at}"))
            .await
            .len(),
        0
    );
    assert_eq!(
        events(&world, &format!("actor={kim}&action=user.listed&from={at}"))
            .await
            .len(),
        1
    );
    let assigned = events(&world, &format!("target=user:{kim}&action=role.assigned")).await;
    assert_eq!(assigned.len(), 1);
    assert_ne!(assigned[0]["actor"], kim.as_str());
}

#[tokio::test]
async fn r18_5_a_cursor_goes_through_everything_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    for number in 0..7 {
        let role = json!({"name": format!("role {number}"), "permissions": []});
        world.post("/api/v1/roles", &admin, role).await.expect(201);
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/audit?action=role.created&limit=3".to_owned();
    loop {
        let part = world.get(&path, &admin).await.expect(200).json();
        let part_events = part["events"].as_array().unwrap();
        seen.extend(
            part_events
                .iter()
                .map(|event| event["seq"].as_i64().unwrap()),
        );
        let Some(cursor) = part["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/audit?action=role.created&limit=3&cursor={cursor}");
    }
    // That of the first administrator is the oldest.
    assert_eq!(seen.len(), 8);
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    let first = world
        .get("/api/v1/audit?action=role.created&limit=3", &admin)
        .await
        .json();
    let other = format!(
        "/api/v1/audit?limit=3&cursor={}",
        first["next_cursor"].as_str().unwrap()
    );
    world
        .get(&other, &admin)
        .await
        .refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn r18_3_reads_and_exports_of_the_log_are_noted() {
    let world = World::new().await;
    let (auditor, token) = world.user("auditor@example.org", &["audit.read"]).await;
    world
        .get("/api/v1/audit?action=user.created", &token)
        .await
        .expect(200);
    world
        .get("/api/v1/audit/export?action=user.created", &token)
        .await
        .expect(200);
    for action in ["audit.read", "audit.exported"] {
        let found = events(&world, &format!("action={action}&actor={auditor}")).await;
        assert_eq!(found.len(), 1, "{action}");
        assert_eq!(found[0]["detail"]["action"], "user.created");
    }
}

#[tokio::test]
async fn the_export_is_one_event_a_line_across_many_parts() {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut connection = super::superuser(&world).await;
    super::run(
        &mut connection,
        "WITH written AS (
             INSERT INTO audit_events (id, action, outcome)
             SELECT gen_random_uuid(), 'role.deleted', 'success' FROM generate_series(1, 1203)
             RETURNING seq, at)
         INSERT INTO audit_pending SELECT * FROM written",
    )
    .await
    .unwrap();
    let answer = world
        .get("/api/v1/audit/export?action=role.deleted", &admin)
        .await
        .expect(200);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let seqs: Vec<i64> = answer
        .text
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["seq"]
                .as_i64()
                .unwrap()
        })
        .collect();
    assert_eq!(seqs.len(), 1203);
    assert!(seqs.is_sorted_by(|a, b| a > b));
}

/// Events bear the time of the database; the clock of a pod may be behind it.
#[tokio::test]
async fn an_export_ends_with_its_own_event_whatever_the_clock_of_the_pod() {
    let world = World::new().await;
    let (_, token) = world.user("auditor@example.org", &["audit.read"]).await;
    let mut connection = super::superuser(&world).await;
    super::run(
        &mut connection,
        "ALTER TABLE audit_events
             ALTER COLUMN at SET DEFAULT clock_timestamp() + interval '1 minute'",
    )
    .await
    .unwrap();
    let at = |value: &Value| -> Timestamp { value.as_str().unwrap().parse().unwrap() };
    let lines = async |query: String| -> Vec<Value> {
        let path = format!("/api/v1/audit/export{query}");
        let answer = world.get(&path, &token).await.expect(200);
        let lines = answer.text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = lines(String::new()).await;
    assert_eq!(all[0]["action"], "audit.exported");
    // An end that was asked for stands.
    let end = all[0]["at"].as_str().unwrap();
    let earlier = lines(format!("?to={end}")).await;
    assert_eq!(earlier[..], all[1..]);

    let person = world
        .get("/api/v1/profile/export", &token)
        .await
        .expect(200)
        .json();
    let own = &person["events"][0];
    assert_eq!(own["action"], "user.exported");
    let moment = SignedDuration::from_micros(1);
    assert_eq!(at(&person["exported_at"]), at(&own["at"]) + moment);
}

#[tokio::test]
async fn only_who_may_read_the_log_reads_it() {
    let world = World::new().await;
    let (_, token) = world.user("kim@example.org", &["users.read"]).await;
    for path in ["/api/v1/audit", "/api/v1/audit/export"] {
        world.get(path, &token).await.refused(403, "FORBIDDEN");
        world.get(path, "").await.refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn p03_what_is_not_understood_is_refused_by_name() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (query, name) in [
        ("action=nonsense", "action"),
        ("actor=kim", "actor"),
        ("target=kim", "target"),
        ("target=user:", "target"),
        ("target=:kim", "target"),
        ("from=yesterday", "from"),
        ("from=-009000-01-01T00:00:00Z", "from"),
        ("from=0000-12-31T23:59:59Z", "from"),
        ("to=1", "to"),
        ("to=-004714-01-01T00:00:00Z", "to"),
        ("cursor=abc", "cursor"),
        ("limit=0", "limit"),
        ("colour=red", "colour"),
    ] {
        let answer = world.get(&format!("/api/v1/audit?{query}"), &admin).await;
        answer.refused(400, "VALIDATION_ERROR");
        let pointer = answer.json()["errors"][0]["pointer"].clone();
        assert_eq!(
            pointer,
            format!("/query/{name}").replacen('/', "#/", 1),
            "{query}"
        );
    }
    let early = "/api/v1/audit/export?to=-009000-01-01T00:00:00Z";
    let answer = world.get(early, &admin).await;
    answer.refused(400, "VALIDATION_ERROR");
    // Everything that there is, from the first time to the last.
    let all = "from=0001-01-01T00:00:00Z&to=9999-12-30T00:00:00Z";
    for path in ["/api/v1/audit", "/api/v1/audit/export"] {
        let answer = world
            .get(&format!("{path}?{all}"), &admin)
            .await
            .expect(200);
        assert!(answer.text.contains("auth.signed_in"), "{}", answer.text);
    }
}
