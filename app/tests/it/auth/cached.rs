//! Generated reads and changes, and marks in Redis between them: what lies there is what is answered until a change,
//! and never after one (P11).
//!
//! One world for all cases, each with a user and a role of its own. A call of Redis may be lost on a busy machine,
//! and the database is asked in its place: what must come from Redis may come with the next read; what must not come
//! from there is no excuse.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::commands::{connect, run};
use crate::runtime::two_threads;
use crate::world::{World, until};

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Whether the user has the role.
    Holds,
    /// What the role allows.
    Allows,
    /// The user's name: nothing that permissions follow from, and a change of the user all the same.
    Name,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The user asks what they may do; `anew` as if at a process that has never seen them.
    Read {
        anew: bool,
    },
    /// Everything in Redis about what the user may do is written over with what nobody was ever allowed.
    Mark,
    Change(Change),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = prop_oneof![
        2 => Just(Change::Holds),
        2 => Just(Change::Allows),
        1 => Just(Change::Name),
    ];
    let step = prop_oneof![
        3 => any::<bool>().prop_map(|anew| Step::Read { anew }),
        3 => Just(Step::Mark),
        4 => change.prop_map(Step::Change),
    ];
    proptest::collection::vec(step, 6..16)
}

/// How often each thing was met that the property speaks of.
type Met = RefCell<BTreeMap<String, usize>>;

/// A user with a role, and what has to be true of them.
struct Person<'a> {
    world: &'a World,
    redis: MultiplexedConnection,
    met: &'a Met,
    admin: String,
    email: String,
    id: String,
    token: String,
    role: String,
    holds: bool,
    allowed: String,
    /// What lies in Redis in place of what the user may do, and has to be believed.
    mark: Option<String>,
    /// Changes that ended the belief in a mark, and were followed by no read yet.
    unread: Vec<Change>,
    /// No two marks, and no two changes of a role, come to the same.
    turn: usize,
}

impl<'a> Person<'a> {
    async fn new(
        world: &'a World,
        redis: MultiplexedConnection,
        met: &'a Met,
        case: usize,
    ) -> Self {
        let email = format!("kim{case}@example.org");
        let allowed = "first.read";
        let (id, token) = world.user(&email, &[allowed]).await;
        let held = "SELECT role_id::text FROM user_roles WHERE user_id = $1::uuid";
        let role = sqlx::query_scalar(held)
            .bind(&id)
            .fetch_one(&world.state.database.pool())
            .await
            .unwrap();
        Self {
            world,
            redis,
            met,
            admin: world.admin().await,
            email,
            id,
            token,
            role,
            holds: true,
            allowed: allowed.to_owned(),
            mark: None,
            unread: Vec::new(),
            turn: 0,
        }
    }

    fn note(&self, what: &str) {
        *self.met.borrow_mut().entry(what.to_owned()).or_default() += 1;
    }

    async fn takes(&mut self, step: Step) {
        match step {
            Step::Read { anew } => self.reads(anew).await,
            Step::Mark => self.marks().await,
            Step::Change(change) => {
                self.turn += 1;
                self.makes(change).await;
                self.expects(change);
            }
        }
    }

    /// What the database says.
    fn stored(&self) -> Value {
        if self.holds {
            json!([self.allowed])
        } else {
            json!([])
        }
    }

    /// What the user is told that they may do.
    async fn told(&self) -> Value {
        let answer = self.world.get("/api/v1/profile", &self.token).await;
        answer.expect(200).json()["permissions"].clone()
    }

    async fn reads(&mut self, anew: bool) {
        if let Some(mark) = self.mark.clone() {
            return self.is_believed(&mark).await;
        }
        if anew {
            self.world.state.sessions.forget_all();
        }
        // At once, and once: no call of Redis that is lost excuses what is out of date.
        assert_eq!(self.told().await, self.stored(), "{:?}", self.unread);
        for change in std::mem::take(&mut self.unread) {
            self.note(&format!("{change:?}"));
        }
    }

    async fn is_believed(&self, mark: &str) {
        let (marked, stored) = (json!([mark]), self.stored());
        until("what lies in Redis is answered", || async {
            // Or the process would answer from its own memory.
            self.world.state.sessions.forget_all();
            let told = self.told().await;
            if told == marked {
                self.note("believed");
                return true;
            }
            assert_eq!(told, stored, "in place of {mark}");
            self.note("lost");
            // An entry that came late may lie over it.
            self.write(mark).await;
            false
        })
        .await;
    }

    async fn marks(&mut self) {
        // So that there is an entry of the time after the last change.
        self.reads(true).await;
        self.turn += 1;
        let mark = format!("mark{}.read", self.turn);
        self.write(&mark).await;
        self.mark = Some(mark);
    }

    /// Writes it over each entry of the user, those of before their changes among them.
    async fn write(&self, mark: &str) {
        let mut redis = self.redis.clone();
        let pattern = format!("erpgo:permissions:{}:*", self.id);
        let found: Vec<String> = run(&mut redis, ["KEYS", &*pattern]).await;
        let text = json!([mark]).to_string();
        for key in found {
            // It ends when what it stands for would have ended.
            let () = run(&mut redis, ["SET", &*key, &*text, "KEEPTTL"]).await;
        }
    }

    async fn makes(&mut self, change: Change) {
        match change {
            Change::Holds => {
                let how = if self.holds { "remove" } else { "assign" };
                let path = format!("/api/v1/roles/{how}");
                let body = json!({"user_id": self.id, "role_id": self.role});
                let answer = self.world.post(&path, &self.admin, body).await;
                answer.expect(204);
                self.holds = !self.holds;
            }
            Change::Allows => {
                self.allowed = format!("allowed{}.read", self.turn);
                let path = format!("/api/v1/roles/{}", self.role);
                let name = format!("role of {}", self.id);
                let body = json!({"name": name, "permissions": [self.allowed]});
                let answer = self.world.put(&path, &self.admin, body).await;
                answer.expect(200);
            }
            Change::Name => {
                let last_name = ["Doe", "Roe"][self.turn % 2];
                let path = format!("/api/v1/users/{}", self.id);
                let body = json!({"email": self.email, "first_name": "Kim", "last_name": last_name,
                                  "is_active": true});
                let answer = self.world.put(&path, &self.admin, body).await;
                answer.expect(200);
            }
        }
    }

    /// No mark is believed after a change. That of a role which the user does not have is none of theirs.
    fn expects(&mut self, change: Change) {
        if self.mark.is_none() {
            return;
        }
        if self.holds || change != Change::Allows {
            self.mark = None;
            self.unread.push(change);
        } else {
            self.note("of another's role");
        }
    }
}

#[test]
fn p11_what_is_cached_is_answered_until_a_change_and_never_after_one() {
    let runtime = two_threads();
    let (redis, world) = runtime.block_on(World::counting_with_redis());
    let marking = runtime.block_on(async {
        let mut connection = connect(&redis.url()).await.unwrap();
        // What is written for the test has all the time that a busy machine needs.
        connection.set_response_timeout(Duration::from_secs(10));
        connection
    });
    let (met, cases) = (Met::default(), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig {
        // What is never answered is waited for in each of them.
        max_shrink_iters: 10,
        ..ProptestConfig::with_cases(100)
    });
    let run = runner.run(&steps(), |steps| {
        cases.set(cases.get() + 1);
        runtime.block_on(async {
            let mut person = Person::new(&world, marking.clone(), &met, cases.get()).await;
            for step in steps {
                person.takes(step).await;
            }
            person.reads(true).await;
        });
        Ok(())
    });
    run.unwrap();
    let met = met.into_inner();
    let often = |what: &str| met.get(what).copied().unwrap_or_default();
    for (what, least) in [
        ("believed", 50),
        ("Holds", 5),
        ("Allows", 5),
        ("Name", 5),
        ("of another's role", 1),
    ] {
        assert!(often(what) >= least, "{what} in too few cases: {met:?}");
    }
    // Were it answered from the database as a rule, what lies in Redis would be for nothing.
    assert!(often("lost") * 10 <= often("believed"), "{met:?}");
    runtime.block_on(async { drop((marking, world, redis)) });
}
