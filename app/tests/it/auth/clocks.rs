//! Pods and a database whose clocks are minutes apart.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use erpgo::auth::token::{self, Claims, Kind, Subject};
use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::sql::sql;
use crate::world::{ADMIN, SETTINGS, World, access, database, document, refresh_token, set};

const LIFE: Duration = Duration::from_secs(900);

/// An access token of a session that stands, as a pod issues it whose clock is `ahead` by so many minutes.
async fn issued(world: &World, ahead: i64) -> String {
    let token = access(&world.signed_in(ADMIN).await);
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap());
    let claims: Claims = serde_json::from_slice(&claims.unwrap()).unwrap();
    let subject = Subject {
        user: claims.sub,
        session: claims.sid,
    };
    let now = Timestamp::now() + SignedDuration::from_mins(ahead);
    let claims = Claims::new(Kind::Access, &claims.iss, subject, now, LIFE);
    let set = world.state.keyring.current();
    token::issue(Kind::Access, &set, claims).unwrap().token
}

#[tokio::test]
async fn a_token_of_a_pod_that_is_minutes_ahead_or_behind_is_accepted() {
    let world = World::new().await;
    for ahead in [-14, -5, 5, 10] {
        let token = issued(&world, ahead).await;
        let answer = world.get("/api/v1/profile", &token).await;
        assert_eq!(answer.status, 200, "{ahead} minutes: {}", answer.text);
    }
    // What is behind by a token's whole life issues none that another pod accepts.
    let token = issued(&world, -16).await;
    let answer = world.get("/api/v1/profile", &token).await;
    answer.refused(401, "TOKEN_EXPIRED");
}

/// A world whose database is `ahead` of the pods by so many minutes.
async fn apart(ahead: i32) -> World {
    let database = database().await;
    let name = database.name();
    let clocks = format!(
        "CREATE SCHEMA apart; GRANT USAGE ON SCHEMA apart TO PUBLIC;
         CREATE FUNCTION apart.now() RETURNS timestamptz LANGUAGE sql STABLE
             AS $$ SELECT pg_catalog.now() + interval '{ahead} minutes' $$;
         CREATE FUNCTION apart.clock_timestamp() RETURNS timestamptz LANGUAGE sql
             AS $$ SELECT pg_catalog.clock_timestamp() + interval '{ahead} minutes' $$;
         ALTER DATABASE {name} SET search_path = apart, pg_catalog, public"
    );
    let mut admin = PgConnection::connect(&database.admin_url()).await.unwrap();
    sql(&mut admin, &clocks).await;
    admin.close().await.unwrap();
    let document = document(&database.url(), None);
    World::on(database, set(document), SETTINGS).await
}

async fn moves_back(world: &World, seconds: u32) {
    let sql = format!("UPDATE refresh_tokens SET used_at = used_at - interval '{seconds} seconds'");
    let pool = world.state.database.pool();
    sqlx::query(AssertSqlSafe(sql))
        .execute(&pool)
        .await
        .unwrap();
}

/// Seconds by which the last use of a token is away from the database's time.
async fn error_of_last_use(world: &World) -> f64 {
    let pool = world.state.database.pool();
    let sql = "SELECT extract(epoch FROM now() - max(used_at))::float8 FROM refresh_tokens";
    sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
}

// One pod uses the token and another is asked again: only the database's clock is the same for both.
#[tokio::test]
async fn the_grace_of_a_second_tab_is_measured_by_the_clock_of_the_database() {
    for ahead in [-5, 5] {
        let world = apart(ahead).await;
        let first = world.signed_in(ADMIN).await;
        let token = refresh_token(&first);
        let one = world.refresh(&token).await.expect(200).json();
        let error = error_of_last_use(&world).await;
        assert!((0.0..60.0).contains(&error), "{ahead} minutes: {error}");
        let other = world.refresh(&token).await.expect(200).json();
        assert_eq!(refresh_token(&one), refresh_token(&other));
        let profile = world.get("/api/v1/profile", &access(&other)).await;
        assert_eq!(profile.status, 200, "{ahead} minutes: {}", profile.text);
        moves_back(&world, 11).await;
        world.refresh(&token).await.refused(401, "TOKEN_REUSED");
    }
}
