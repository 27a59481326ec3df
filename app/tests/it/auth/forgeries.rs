//! The public lists of JWT attacks, put together byte by byte: none in all spellings, key confusion,
//! kid injection, keys in the header, crit, duplicate keys, wrong types, signatures that are empty,
//! cut, longer or written otherwise, other audiences.

mod claims;
mod genuine;
mod headers;
mod signatures;

use crate::world::World;
use claims::claims;
use genuine::Genuine;
use headers::{algorithms, headers, keys_in_the_header, kids, none};
use signatures::{keys, shapes};

/// What each is, and the token.
type Forgeries = Vec<(String, String)>;

#[tokio::test]
async fn r10_2_no_forgery_of_the_public_lists_is_accepted() {
    let world = World::new().await;
    let genuine = Genuine::new(&world).await;
    let classes = [
        ("none", none(&genuine), 40),
        ("algorithms", algorithms(&genuine), 25),
        ("keys", keys(&genuine), 15),
        ("kids", kids(&genuine), 100),
        ("keys in the header", keys_in_the_header(&genuine), 6),
        ("headers", headers(&genuine), 20),
        ("claims", claims(&genuine), 60),
        ("shapes", shapes(&genuine), 40),
    ];
    let mut tried = std::collections::HashSet::new();
    let mut accepted = Vec::new();
    for (class, forgeries, least) in classes {
        assert!(forgeries.len() >= least, "{class}: {}", forgeries.len());
        for (what, token) in forgeries {
            assert_ne!(token, genuine.token, "{what} is no forgery");
            let answer = world.get("/api/v1/profile", &token).await;
            if answer.status != 401 || answer.code() != "TOKEN_INVALID" {
                accepted.push(format!("{class}: {what}: {}", answer.text));
            }
            tried.insert(token);
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
    assert!(tried.len() >= 300, "{}", tried.len());
    // Put together by the same hands, the genuine one passes: the forgeries fail for their own sake.
    let rebuilt = genuine.signed(&genuine.header.to_string(), &genuine.claims.to_string());
    world.get("/api/v1/profile", &rebuilt).await.expect(200);
    world
        .get("/api/v1/profile", &genuine.token)
        .await
        .expect(200);
}
