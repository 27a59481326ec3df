//! Users, roles and one's own account: who says what they have read undoes nothing that they have not.

mod guide;
mod lost;
mod reads;
mod refused;
mod shown;
mod writes;

use http::Method;
use serde_json::{Value, json};

use crate::world::{Answer, PASSWORD, World, call_with};

const EMAIL: &str = "kim@example.org";

/// What has a version, and how it is edited.
struct Thing {
    path: String,
    /// The field that an edit changes.
    field: &'static str,
    /// What an edit sends.
    state: Value,
}

impl Thing {
    /// A new user who has no role.
    async fn new_user(world: &World, token: &str) -> Self {
        let new =
            json!({"email": EMAIL, "first_name": "Kim", "last_name": "Doe", "password": PASSWORD});
        Self::user(made(world, token, "/api/v1/users", new).await)
    }

    /// The user called [`EMAIL`], who is at `path`.
    fn user(path: String) -> Self {
        Self {
            path,
            field: "first_name",
            state: json!({"email": EMAIL, "first_name": "Kim", "last_name": "Doe", "is_active": true}),
        }
    }

    /// A new role that nobody has.
    async fn new_role(world: &World, token: &str) -> Self {
        let state =
            json!({"name": "Packer", "description": "Packs", "permissions": ["products.read"]});
        Self {
            path: made(world, token, "/api/v1/roles", state.clone()).await,
            field: "name",
            state,
        }
    }

    /// The account of whoever asks.
    fn own_account() -> Self {
        Self {
            path: "/api/v1/profile".to_owned(),
            field: "first_name",
            state: json!({"first_name": "Kim", "last_name": "Doe"}),
        }
    }

    /// PUT with another name, or whatever else has no body.
    async fn send(
        &self,
        world: &World,
        method: &Method,
        token: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = (method == Method::PUT).then(|| self.called("Changed"));
        let place = (method.clone(), &*self.path);
        call_with(&world.router, place, token, headers, body.as_ref()).await
    }

    /// PUT with this name, of the version that has this tag.
    async fn edit(&self, world: &World, token: &str, name: &str, tag: &str) -> Answer {
        let place = (Method::PUT, &*self.path);
        let headers = [("if-match", tag)];
        let body = self.called(name);
        call_with(&world.router, place, token, &headers, Some(&body)).await
    }

    fn called(&self, name: &str) -> Value {
        let mut body = self.state.clone();
        body[self.field] = json!(name);
        body
    }

    /// The tag and what is shown.
    async fn read(&self, world: &World, token: &str) -> (String, Value) {
        let answer = world.get(&self.path, token).await.expect(200);
        (tag(&answer), answer.json())
    }
}

/// The path of what a POST has made.
async fn made(world: &World, token: &str, path: &str, body: Value) -> String {
    let made = world.post(path, token, body).await.expect(201);
    assert_eq!(tag(&made), "\"v1\"");
    made.headers["location"].to_str().unwrap().to_owned()
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}
