//! The redis-credentials subcommand on real Redis, with users as the guide sets them up.

use std::process::Output;

use erpgo_test_kit::redis::{self, TestRedis};
use sha2::{Digest as _, Sha256};

use super::job::{self, Job, write};
use crate::commands::{ask, connect, run};

const GUIDE: &str = include_str!("../../../../docs/guides/redis-users.md");

struct Users {
    server: TestRedis,
    job: Job,
}

impl Users {
    async fn on(server: TestRedis) -> Self {
        let users = Self {
            server,
            job: Job::new("redis-credentials", "--user"),
        };
        let lines = GUIDE.split("```redis").nth(1).unwrap();
        for line in lines.split("```").next().unwrap().trim().lines() {
            // One server has no file to save to, which is what is tested there.
            if line != "ACL SAVE" {
                users.run(line).await;
            }
        }
        let admin = users.url("erp_rotation", "rotation-password");
        std::fs::write(users.job.admin_file(), admin).unwrap();
        users
    }

    async fn new() -> Self {
        let users = Self::on(redis::server_with_acl_file().await).await;
        users.run("ACL SAVE").await;
        users
    }

    async fn run(&self, line: &str) {
        let () = ask(&self.server.url(), line.split(' ')).await;
    }

    fn url(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@{}/0", self.server.address())
    }

    async fn let_in(&self, user: &str, password: &str) -> bool {
        connect(&self.url(user, password)).await.is_ok()
    }

    fn set(&self, user: &str, password: &str) {
        write(&self.job.verifier_file(), &hash(password));
        expect(&self.job.run("set", user), 0, "");
    }
}

fn hash(password: &str) -> String {
    hex::encode(Sha256::digest(password))
}

fn expect(output: &Output, code: i32, text: &str) {
    let hash = hash("canary");
    let canaries = ["canary", "-password", "redis://erp", hash.as_str()];
    job::expect(output, code, text, &canaries);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_password_is_given_and_taken_away_and_no_connection_ends() {
    let mut users = Users::new().await;
    let mut serving = connect(&users.url("erp_a", "first-password"))
        .await
        .unwrap();
    let () = run(&mut serving, ["SET", "erpgo:x", "1"]).await;

    assert!(!users.let_in("erp_b", "canary").await);
    users.set("erp_b", "canary");
    // Once more changes nothing.
    expect(&users.job.run("set", "erp_b"), 0, "");
    let mut next = connect(&users.url("erp_b", "canary")).await.unwrap();
    let seen: String = run(&mut next, ["GET", "erpgo:x"]).await;
    assert_eq!(seen, "1", "it reaches the same keys");

    for _ in 0..2 {
        expect(&users.job.run("clear", "erp_a"), 0, "");
    }
    let refused = connect(&users.url("erp_a", "first-password")).await;
    let refused = refused.err().unwrap();
    assert_eq!(
        refused.kind(),
        ::redis::ErrorKind::AuthenticationFailed,
        "{refused}"
    );
    let who: String = run(&mut serving, ["GET", "erpgo:x"]).await;
    assert_eq!(who, "1", "who was connected works on");

    // The next turn: the first user gets another password, and no earlier one is left.
    users.set("erp_a", "canary-a");
    users.set("erp_a", "canary-b");
    assert!(users.let_in("erp_a", "canary-b").await);
    assert!(!users.let_in("erp_a", "canary-a").await);
    assert!(!users.let_in("erp_a", "first-password").await);

    // A restart keeps what was given and what was taken away.
    expect(&users.job.run("clear", "erp_b"), 0, "");
    users.server.stop();
    users.server.start();
    assert!(users.let_in("erp_a", "canary-b").await);
    assert!(!users.let_in("erp_b", "canary").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_cannot_take_turns_keeps_its_password() {
    let users = Users::new().await;
    write(&users.job.verifier_file(), &hash("canary"));
    users.run("ACL SETUSER erp_b off >second-password").await;
    for (user, text) in [
        ("erp_c", "it does not exist"),
        ("default", "it is the default user"),
        ("erp_rotation", "the administrator's own"),
        ("erp_b", "it is off"),
    ] {
        for order in ["set", "clear"] {
            let said = users.job.run(order, user);
            expect(&said, 78, text);
            expect(&said, 78, "see docs/guides/redis-users.md");
        }
    }
    users.run("ACL SETUSER erp_b on").await;
    assert!(users.let_in("erp_b", "second-password").await);
    assert!(users.let_in("erp_a", "first-password").await);
    assert!(users.let_in("erp_rotation", "rotation-password").await);

    let forgetful = Users::on(redis::server().await).await;
    expect(
        &forgetful.job.run("clear", "erp_a"),
        78,
        "a restart would undo the change: set aclfile",
    );
    assert!(forgetful.let_in("erp_a", "first-password").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_fail_has_its_exit_code() {
    let mut users = Users::new().await;
    let (admin, verifier) = (users.job.admin_file(), users.job.verifier_file());
    expect(
        &users.job.run("set", "erp_a"),
        78,
        "verifier cannot be read",
    );
    write(&verifier, "canary-in-clear");
    expect(
        &users.job.run("set", "erp_a"),
        78,
        "passwords are not taken",
    );
    write(&verifier, &hash("canary"));
    let other = users.job.run("set", "erp a >x");
    assert_eq!(other.status.code(), Some(2), "an argument that is none");

    let right = std::fs::read_to_string(&admin).unwrap();
    write(&admin, "postgres://erp_rotation:canary@db/erp");
    expect(&users.job.run("set", "erp_a"), 78, "does not hold a URL");
    write(&admin, &users.url("erp_rotation", "canary"));
    expect(&users.job.run("clear", "erp_a"), 75, "as the administrator");
    write(&admin, &right);
    users.run("ACL SETUSER erp_rotation -acl|setuser").await;
    let lacks = users.job.run("set", "erp_a");
    expect(&lacks, 65, "Redis refused to set the password");
    expect(&lacks, 65, "it answered NOPERM");
    expect(&lacks, 65, "the password of erp_a is as it was");
    assert!(users.let_in("erp_a", "first-password").await);

    users.run("ACL SETUSER erp_rotation +acl|setuser").await;
    users.server.remove_acl_file();
    let unsaved = users.job.run("clear", "erp_a");
    expect(&unsaved, 65, "refused to save its access list");
    expect(&unsaved, 65, "was changed and is not saved");
    users.server.stop();
    expect(&users.job.run("clear", "erp_a"), 75, "as the administrator");
}
