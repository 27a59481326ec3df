//! A new pepper takes the place of the old one, login by login.

use crate::world::{ADMIN, World, document, set, version};

async fn kid(world: &World) -> String {
    sqlx::query_scalar("SELECT pepper_kid FROM users WHERE email = $1")
        .bind(ADMIN)
        .fetch_one(&world.state.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_login_rehashes_with_the_current_pepper_and_a_lost_pepper_locks_out() {
    let world = World::new().await;
    assert_eq!(kid(&world).await, "pepper-1");
    let old = world.state.keyring.current();
    let mut promoted = document(&world.database.url(), None);
    promoted.keys.pepper.current.kid = "pepper-2".to_owned().try_into().unwrap();
    promoted.keys.pepper.previous = Some(version(&old.keys.pepper.current));
    world.state.keyring.replace(set(promoted));
    world.signed_in(ADMIN).await;
    assert_eq!(kid(&world).await, "pepper-2");

    // Retired: the hash no longer needs the old one.
    let now = world.state.keyring.current();
    let mut retired = document(&world.database.url(), None);
    retired.keys.pepper.current = version(&now.keys.pepper.current);
    world.state.keyring.replace(set(retired));
    world.signed_in(ADMIN).await;

    // A set without the pepper that the hash needs: refused like a wrong password, not a 500.
    let mut lost = document(&world.database.url(), None);
    lost.keys.pepper.current.kid = "pepper-9".to_owned().try_into().unwrap();
    world.state.keyring.replace(set(lost));
    world
        .login(ADMIN, crate::world::PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}
