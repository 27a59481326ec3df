//! The owner of a locked account is told (R5.5).

use super::Post;
use super::sink::Mood;
use crate::world::ADMIN;

#[tokio::test]
async fn r05_5_the_owner_is_told_of_a_lock_once_and_a_stranger_never() {
    let post = Post::new(Mood::Takes).await;
    let world = &post.world;
    let mut unlock_at = String::new();
    for _ in 0..7 {
        for email in [ADMIN, "nobody@example.org"] {
            let answer = world.login(email, "wrong horse battery").await;
            answer.refused(401, "INVALID_CREDENTIALS");
            if email == ADMIN && unlock_at.is_empty() {
                answer.json()["unlock_at"]
                    .as_str()
                    .unwrap()
                    .clone_into(&mut unlock_at);
            }
        }
    }
    let mail = post.sink.mail(1).await;
    assert!(
        mail.contains("Subject: Sign-in to your account is paused"),
        "{mail}"
    );
    assert!(
        mail.contains(&format!("To: {ADMIN}")) && mail.contains("127.0.0.1"),
        "{mail}"
    );
    assert!(mail.contains(&unlock_at[..10]), "{mail}");
    post.nothing_waits().await;
    assert_eq!(post.sink.mails().len(), 1, "{:?}", post.sink.mails());
}
