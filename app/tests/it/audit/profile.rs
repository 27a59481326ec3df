//! Events of a change of one's own account.

use http::Method;
use serde_json::json;

use super::events;
use crate::world::{World, call_with};

#[tokio::test]
async fn a_change_of_ones_own_name_is_noted_like_one_by_somebody_else() {
    let world = World::new().await;
    let (kim, token) = world.user("kim@example.org", &[]).await;
    let names = json!({"first_name": "Kim", "last_name": "Roehampton"});
    let headers = [("user-agent", "walking/1.0"), ("if-match", "\"v0\"")];
    let put = async |headers: &[(&str, &str)]| {
        let place = (Method::PUT, "/api/v1/profile");
        call_with(&world.router, place, &token, headers, Some(&names)).await
    };
    put(&headers).await.refused(412, "PRECONDITION_FAILED");
    assert_eq!(events(&world, "action=user.changed").await.len(), 0);
    put(&headers[..1]).await.expect(200);
    let [event] = &events(&world, "action=user.changed").await[..] else {
        panic!("not one event")
    };
    assert_eq!(event["actor"], kim.as_str());
    assert_eq!(event["target"], format!("user:{kim}"));
    assert_eq!(event["detail"], json!({"changed": ["last_name"]}));
    let personal = json!({"ip": "127.0.0.1", "agent": "walking/1.0"});
    assert_eq!(event["personal"], personal);
    assert!(!event.to_string().contains("Roehampton"), "{event}");
}
