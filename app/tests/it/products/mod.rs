//! Products through the API.

mod conditions;
mod crud;
mod list;
mod moving;
mod once;

use serde_json::{Value, json};

use crate::world::World;

const PATH: &str = "/api/v1/products";

fn body(sku: &str) -> Value {
    json!({"sku": sku, "name": "Chair", "description": "Oak", "price": "12.5", "currency": "EUR"})
}

/// The path of a new product.
async fn product(world: &World, token: &str, sku: &str) -> String {
    let created = world.post(PATH, token, body(sku)).await.expect(201);
    created.headers["location"].to_str().unwrap().to_owned()
}
