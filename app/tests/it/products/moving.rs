//! A list that is followed while what is in it changes.

use std::collections::HashSet;

use http::Method;
use serde_json::json;

use super::{PATH, body, product};
use crate::world::{World, call_with};

/// Follows the list in the order `sort`, two by two. After the first part its first product goes to the end of
/// every order in which that can be.
async fn followed(sort: &str) -> Vec<String> {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut paths = Vec::new();
    for sku in ["A", "B", "C", "D"] {
        paths.push(product(&world, &admin, sku).await);
    }
    let list = format!("{PATH}?sort={sort}&limit=2");
    let (mut seen, mut next) = (Vec::new(), list.clone());
    loop {
        let part = world.get(&next, &admin).await.expect(200).json();
        let ids = part["products"].as_array().unwrap().iter();
        seen.extend(ids.map(|product| product["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = part["next_cursor"].as_str() else {
            return seen;
        };
        next = format!("{list}&cursor={cursor}");
        if seen.len() == 2 {
            let mut last = body("Z");
            last["name"] = json!("Zebra");
            let route = (Method::PUT, &*paths[0]);
            let any = [("if-match", "*")];
            let changed = call_with(&world.router, route, &admin, &any, Some(&last)).await;
            changed.expect(200);
        }
    }
}

fn different(ids: &[String]) -> usize {
    ids.iter().collect::<HashSet<_>>().len()
}

#[tokio::test]
async fn by_its_creation_a_product_has_its_place_whatever_changes() {
    let seen = followed("created_at").await;
    assert_eq!((seen.len(), different(&seen)), (4, 4));
}

/// What the guide warns of: it is seen where it was and where it went.
#[tokio::test]
async fn by_what_changes_a_product_moves() {
    for sort in ["sku", "updated_at"] {
        let seen = followed(sort).await;
        assert_eq!((seen.len(), different(&seen)), (5, 4), "{sort}");
        assert_eq!(seen.first(), seen.last(), "{sort}");
    }
}
