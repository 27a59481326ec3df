//! A tag stands for all that is shown, and for nothing else.

use http::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{EMAIL, Thing, made, tag};
use crate::api_keys::key;
use crate::world::{PASSWORD, World};

/// A user as they were seen last.
struct Seen<'a> {
    world: &'a World,
    admin: &'a str,
    user: Thing,
    tag: String,
}

impl Seen<'_> {
    async fn again(&self) -> crate::world::Answer {
        let known = [("if-none-match", &*self.tag)];
        self.user
            .send(self.world, &Method::GET, self.admin, &known)
            .await
    }

    async fn differs(&mut self, why: &str) {
        let answer = self.again().await;
        assert_eq!(answer.status, 200, "{why}");
        let tag = tag(&answer);
        assert_ne!(tag, self.tag, "{why}");
        self.tag = tag;
    }

    async fn is_the_same(&self, why: &str) {
        assert_eq!(self.again().await.status, 304, "{why}");
    }
}

/// A code as a mail would bring it.
async fn mailed(world: &World, user: &str) -> String {
    let code = uuid::Uuid::new_v4().simple().to_string();
    sqlx::query(
        "INSERT INTO email_tokens (id, user_id, purpose, token_hash, address, created_at, expires_at)
         VALUES (gen_random_uuid(), $1::uuid, 'email_verification', $2, $3, now(),
                 now() + interval '1 hour')",
    )
    .bind(user)
    .bind(Sha256::digest(&code).to_vec())
    .bind(EMAIL)
    .execute(&world.state.database.pool())
    .await
    .unwrap();
    code
}

#[tokio::test]
async fn whatever_changes_what_is_shown_of_a_user_changes_their_tag_and_nothing_else_does() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (id, token) = world.user(EMAIL, &[]).await;
    let role = json!({"name": "Packer", "permissions": ["products.read"]});
    let role = made(&world, &admin, "/api/v1/roles", role).await;
    let membership = json!({"user_id": id, "role_id": role.rsplit('/').next()});
    let post = async |path: &str, token: &str, body: &serde_json::Value| {
        world.post(path, token, body.clone()).await.expect(204);
    };
    let put_role = async |name: &str, description: &str, permissions: &[&str]| {
        let body = json!({"name": name, "description": description, "permissions": permissions});
        world.put(&role, &admin, body).await.expect(200);
    };
    let user = Thing::user(format!("/api/v1/users/{id}"));
    let (read, _) = user.read(&world, &admin).await;
    let mut seen = Seen {
        world: &world,
        admin: &admin,
        user,
        tag: read,
    };

    post("/api/v1/roles/assign", &admin, &membership).await;
    seen.differs("a role was given").await;
    post("/api/v1/roles/assign", &admin, &membership).await;
    seen.is_the_same("they had the role").await;
    put_role("Packer", "Packs", &["products.*"]).await;
    seen.is_the_same("the role's name is all that is shown of it")
        .await;
    put_role("Packers", "Packs", &["products.*"]).await;
    seen.differs("a role of theirs was renamed").await;

    world.login(EMAIL, "wrong").await.expect(401);
    world.login(EMAIL, PASSWORD).await.expect(200);
    seen.is_the_same("a sign-in is not shown").await;
    let proof = json!({"token": mailed(&world, &id).await});
    post("/api/v1/email/verify", "", &proof).await;
    seen.differs("the address is known to be theirs").await;
    let again = json!({"token": mailed(&world, &id).await});
    post("/api/v1/email/verify", "", &again).await;
    seen.is_the_same("it was known").await;
    let password =
        json!({"current_password": PASSWORD, "new_password": "violet badgers whistle opera"});
    post("/api/v1/auth/change-password", &token, &password).await;
    seen.differs("the time of the last change is shown").await;

    post("/api/v1/roles/remove", &admin, &membership).await;
    seen.differs("a role was taken").await;
    post("/api/v1/roles/remove", &admin, &membership).await;
    seen.is_the_same("they did not have the role").await;
    post(&format!("/api/v1/users/{id}/erase"), &admin, &json!({})).await;
    seen.differs("they were erased").await;
}

/// The permissions of an account follow from its roles and from what reads it: the row may be the same.
#[tokio::test]
async fn the_tag_of_ones_own_account_covers_what_one_may_do() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (id, token) = world.user(EMAIL, &[]).await;
    let role = Thing::new_role(&world, &admin).await;
    let membership = json!({"user_id": id, "role_id": role.path.rsplit('/').next()});
    let assigned = world.post("/api/v1/roles/assign", &admin, membership).await;
    assigned.expect(204);
    let (own, user) = (
        Thing::own_account(),
        Thing::user(format!("/api/v1/users/{id}")),
    );
    let (read, _) = own.read(&world, &token).await;
    let (row, _) = user.read(&world, &admin).await;
    let wider = json!({"name": "Packer", "permissions": ["products.read", "products.write"]});
    world.put(&role.path, &admin, wider).await.expect(200);

    let known = [("if-none-match", &*read)];
    let now = own.send(&world, &Method::GET, &token, &known).await;
    let now = now.expect(200);
    let may = json!(["products.read", "products.write"]);
    assert_eq!(now.json()["permissions"], may);
    assert_ne!(tag(&now), read);
    let late = own.edit(&world, &token, "Kim", &read).await;
    late.refused(412, "PRECONDITION_FAILED");
    // And of the row nothing has changed.
    assert_eq!(user.read(&world, &admin).await.0, row);

    let (_, key) = key(&world, &token, &["products.read"]).await;
    let (narrow, shown) = own.read(&world, &key).await;
    assert_eq!(shown["permissions"], json!(["products.read"]));
    assert_ne!(narrow, tag(&now));
    assert_eq!(own.read(&world, &token).await.0, tag(&now));
}
