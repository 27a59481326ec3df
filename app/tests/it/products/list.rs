//! Lists of products: order, filter, part.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{PATH, body};
use crate::runtime::one_thread;
use crate::world::World;

const SORTS: [&str; 5] = ["sku", "name", "price", "created_at", "updated_at"];

/// A world and its administrator's token.
async fn stage() -> (World, String) {
    let world = World::new().await;
    let admin = world.admin().await;
    (world, admin)
}

/// Adds products without the API, which would take ten times as long.
async fn add(pool: &sqlx::PgPool, products: &[(String, String, String, i64)]) {
    for (sku, name, price, minutes) in products {
        sqlx::query(
            "INSERT INTO products (id, sku, name, price, currency, created_at, updated_at)
             VALUES (gen_random_uuid(), $1, $2, $3::numeric, 'EUR', now() - $4 * interval '1 minute', now())",
        )
        .bind(sku)
        .bind(name)
        .bind(price)
        .bind(minutes)
        .execute(pool)
        .await
        .unwrap();
    }
}

fn skus(page: &Value) -> Vec<String> {
    let products = page["products"].as_array().unwrap();
    products
        .iter()
        .map(|p| p["sku"].as_str().unwrap().to_owned())
        .collect()
}

/// Products with many equal names, prices and times: the id alone tells them apart.
fn products() -> impl Strategy<Value = Vec<(String, String, i64)>> {
    let one = (
        "[ab]{1,2}",
        prop_oneof![Just("1"), Just("1.5"), Just("20")],
        0i64..3,
    )
        .prop_map(|(name, price, minutes)| (name, price.to_owned(), minutes));
    proptest::collection::vec(one, 0..24)
}

fn numbered(
    prefix: &str,
    products: &[(String, String, i64)],
) -> Vec<(String, String, String, i64)> {
    let with_sku = |(n, (name, price, minutes)): (usize, &(String, String, i64))| {
        // Spread over the alphabet, so that a later one may lie before an earlier one.
        let letter = char::from(b'a' + u8::try_from((n * 7) % 26).unwrap());
        (
            format!("{letter}-{prefix}-{n}"),
            name.clone(),
            price.clone(),
            *minutes,
        )
    };
    products.iter().enumerate().map(with_sku).collect()
}

/// Followed to its end while others insert, a list has each product of its beginning exactly once.
#[test]
fn r02_2_cursors_neither_skip_nor_repeat_while_products_are_added() {
    let runtime = one_thread();
    let (world, admin) = runtime.block_on(stage());
    let cases = (
        products(),
        products(),
        0..SORTS.len(),
        any::<bool>(),
        1usize..6,
    );
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
    runner
        .run(&cases, |(first, later, sort, descending, limit)| {
            let (first, later) = (numbered("first", &first), numbered("later", &later));
            let sign = if descending { "-" } else { "" };
            let list = format!(
                "{PATH}?sort={sign}{}&currency=EUR&limit={limit}",
                SORTS[sort]
            );
            let seen = runtime.block_on(async {
                let pool = world.state.database.pool();
                sqlx::query("TRUNCATE products")
                    .execute(&pool)
                    .await
                    .unwrap();
                add(&pool, &first).await;
                let mut waiting = later.chunks(2);
                let (mut seen, mut cursor) = (Vec::new(), None::<String>);
                loop {
                    let path = match &cursor {
                        None => list.clone(),
                        Some(cursor) => format!("{list}&cursor={cursor}"),
                    };
                    let page = world.get(&path, &admin).await.expect(200).json();
                    assert!(page["products"].as_array().unwrap().len() <= limit);
                    seen.extend(skus(&page));
                    cursor = page["next_cursor"].as_str().map(str::to_owned);
                    if cursor.is_none() {
                        assert!(page["next_cursor"].is_null() && page.get("next_cursor").is_some());
                        return seen;
                    }
                    add(&pool, waiting.next().unwrap_or_default()).await;
                }
            });
            let unique: HashSet<_> = seen.iter().collect();
            prop_assert_eq!(unique.len(), seen.len(), "a product twice: {:?}", seen);
            for (sku, ..) in &first {
                prop_assert!(unique.contains(sku), "{} is missing in {:?}", sku, seen);
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(async { drop(world) });
}

/// Page by page the list is the whole list, in the order that was asked for.
#[test]
fn r02_2_every_order_is_the_order_of_the_database_with_the_id_last() {
    let runtime = one_thread();
    let (world, admin) = runtime.block_on(stage());
    let cases = (products(), 0..SORTS.len(), any::<bool>(), 1usize..7);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
    runner
        .run(&cases, |(products, sort, descending, limit)| {
            let products = numbered("x", &products);
            let (sign, direction) = if descending {
                ("-", "DESC")
            } else {
                ("", "ASC")
            };
            runtime.block_on(async {
                let pool = world.state.database.pool();
                sqlx::query("TRUNCATE products")
                    .execute(&pool)
                    .await
                    .unwrap();
                add(&pool, &products).await;
                let column = SORTS[sort];
                let text = format!(
                    "SELECT sku FROM products ORDER BY {column} {direction}, id {direction}"
                );
                let expected: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(text))
                    .fetch_all(&pool)
                    .await
                    .unwrap();
                let list = format!("{PATH}?sort={sign}{column}&currency=EUR&limit={limit}");
                let (mut by_page, mut number) = (Vec::new(), 1);
                loop {
                    let page = world
                        .get(&format!("{list}&page={number}"), &admin)
                        .await
                        .expect(200)
                        .json();
                    by_page.extend(skus(&page));
                    assert_eq!(page["pagination"]["total"], products.len());
                    if page["pagination"]["has_next"] == false {
                        break;
                    }
                    number += 1;
                }
                assert_eq!(by_page, expected);
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(async { drop(world) });
}

#[tokio::test]
async fn each_filter_keeps_what_it_says() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (sku, price, currency, active) in [
        ("A", "5", "EUR", true),
        ("B", "10", "EUR", false),
        ("C", "15", "USD", true),
    ] {
        let mut sent = body(sku);
        sent["price"] = json!(price);
        sent["currency"] = json!(currency);
        sent["active"] = json!(active);
        world.post(PATH, &admin, sent).await.expect(201);
    }
    let pool = world.state.database.pool();
    sqlx::query("UPDATE products SET created_at = '2026-01-01T00:00:00Z' WHERE sku = 'A'")
        .execute(&pool)
        .await
        .unwrap();
    for (query, expected) in [
        ("", vec!["A", "B", "C"]),
        ("sku=B", vec!["B"]),
        ("sku=b", vec![]),
        ("active=false", vec!["B"]),
        ("active=true", vec!["A", "C"]),
        ("currency=USD", vec!["C"]),
        ("currency=EUR&min_price=6", vec!["B"]),
        ("currency=EUR&min_price=5&max_price=5.0000", vec!["A"]),
        ("currency=EUR&max_price=9.9999", vec!["A"]),
        ("created_before=2026-01-01T00:00:00Z", vec![]),
        ("created_before=0001-01-01T00:00:00Z", vec![]),
        ("created_after=0001-01-01T00:00:00Z", vec!["A", "B", "C"]),
        (
            "created_after=2026-01-01T00:00:00Z&created_before=2026-01-02T00:00:00Z",
            vec!["A"],
        ),
        ("created_after=2026-01-01T00:00:00.000001Z", vec!["B", "C"]),
    ] {
        for part in ["", "&page=1"] {
            let path = format!("{PATH}?sort=sku&{query}{part}");
            assert_eq!(
                skus(&world.get(&path, &admin).await.expect(200).json()),
                expected,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn r02_5_limits_pages_and_parameters_outside_the_rules_are_refused() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (query, pointer) in [
        ("limit=0", "#/query/limit"),
        ("limit=1001", "#/query/limit"),
        ("limit=-1", "#/query/limit"),
        ("limit=1e3", "#/query/limit"),
        ("page=0", "#/query/page"),
        ("page=-1", "#/query/page"),
        ("page=100001&limit=1000", "#/query/page"),
        ("page=1&cursor=x", "#/query/cursor"),
        ("cursor=x", "#/query/cursor"),
        ("sort=price", "#/query/sort"),
        ("min_price=1", "#/query/min_price"),
        ("max_price=1", "#/query/max_price"),
        ("currency=eur", "#/query/currency"),
        ("active=1", "#/query/active"),
        ("created_after=yesterday", "#/query/created_after"),
        (
            "created_after=-009000-01-01T00:00:00Z",
            "#/query/created_after",
        ),
        (
            "created_before=0000-12-31T23:59:59Z",
            "#/query/created_before",
        ),
        ("sku=a%20b", "#/query/sku"),
        ("offset=1", "#/query/offset"),
        ("sort=sku&sort=name", "#/query/sort"),
    ] {
        let answer = world.get(&format!("{PATH}?{query}"), &admin).await;
        answer.refused(400, "VALIDATION_ERROR");
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            pointer,
            "{query}: {}",
            answer.text
        );
    }
    world
        .get(&format!("{PATH}?limit=1000&page=1"), &admin)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_cursor_serves_its_own_list_only() {
    let world = World::new().await;
    let admin = world.admin().await;
    let pool = world.state.database.pool();
    let four: Vec<_> = (0..4)
        .map(|n| (format!("S-{n}"), "n".to_owned(), "1".to_owned(), n))
        .collect();
    add(&pool, &four).await;
    let page = world
        .get(&format!("{PATH}?sort=sku&limit=2"), &admin)
        .await
        .expect(200)
        .json();
    let cursor = page["next_cursor"].as_str().unwrap();
    for other in [
        "sort=-sku",
        "sort=name",
        "sort=sku&active=true",
        "sort=sku&currency=EUR",
    ] {
        let path = format!("{PATH}?{other}&cursor={cursor}");
        world
            .get(&path, &admin)
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    // The limit may change on the way.
    let path = format!("{PATH}?sort=sku&limit=1&cursor={cursor}");
    assert_eq!(
        skus(&world.get(&path, &admin).await.expect(200).json()),
        ["S-2"]
    );
}

/// P4: whatever stands there, only a column of the list orders it.
#[test]
fn p04_a_column_outside_the_whitelist_is_refused_at_every_list() {
    let runtime = one_thread();
    let (world, admin) = runtime.block_on(stage());
    let real = [
        "id",
        "version",
        "description",
        "password_hash",
        "auth_epoch",
        "pepper_kid",
        "products.sku",
        "1",
        "sku",
    ];
    let word = prop_oneof![
        proptest::sample::select(real.to_vec()).prop_map(str::to_owned),
        proptest::sample::select(vec![
            "sku;drop table products",
            "sku--",
            "(select 1)",
            "sku desc",
            "sku,name",
            "\"sku\"",
            "sku/**/",
            "Sku",
            "--sku",
            "sku'",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,24}",
    ];
    let lists = [(PATH, "sort", "-"), ("/api/v1/users", "sort_by", "")];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    runner
        .run(&(word, 0..lists.len()), |(word, list)| {
            let (path, parameter, sign) = lists[list];
            let allowed: &[&str] = match list {
                0 => &["sku", "name", "created_at", "updated_at"],
                _ => &["email", "first_name", "last_name", "created_at"],
            };
            let plain = if sign.is_empty() {
                Some(&*word)
            } else {
                Some(word.strip_prefix(sign).unwrap_or(&word))
            };
            let listed = plain.is_some_and(|plain| allowed.contains(&plain));
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .append_pair(parameter, &word)
                .finish();
            let answer = runtime.block_on(world.get(&format!("{path}?{query}"), &admin));
            if listed {
                prop_assert_eq!(answer.status.as_u16(), 200, "{}: {}", word, answer.text);
            } else {
                prop_assert_eq!(&answer.code(), "VALIDATION_ERROR", "{}", word);
                let pointer = format!("#/query/{parameter}");
                prop_assert_eq!(&answer.json()["errors"][0]["pointer"], &pointer);
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        assert!(world.get(PATH, &admin).await.status.is_success());
        drop(world);
    });
}
