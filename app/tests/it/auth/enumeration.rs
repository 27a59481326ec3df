//! Sign-ins and requests for another password tell nobody who exists by the time that they take.
//!
//! A thousand rounds; in each, one request of each kind and one bare hash, in an order drawn anew, so
//! that whatever the machine does beside it falls on all of them alike. What is judged is how often one
//! kind takes longer than another by more than [`MARGIN`] of a hash, or of itself where nothing is hashed.
//!
//! The hash is cheap here, a twentieth of what a deployment pays: what else differs between two kinds (a
//! query, a row, a mail) weighs twenty times as much as it would; a hash that is left out for one kind
//! is four times the margin. What the requests ask of PostgreSQL and Redis is counted in `work`.

mod work;

use std::time::{Duration, Instant};

use erpgo::limits::Identifier;
use erpgo_secret_set::Secret;
use erpgo_test_kit::redis;

use crate::sql::{execute, number};
use crate::world::{ADMIN, PASSWORD, World};

const ROUNDS: usize = 1_000;
/// Of the median of the hash.
const MARGIN: f64 = 0.25;
/// The failure that locks.
const LAST: usize = 5;

const KNOWN: &str = "known@example.org";
const NOBODY: &str = "other@example.org";
const WRONG: &str = "not the password at all";

const YAML: &str = "
auth: { hash_memory_kib: 1024, hash_iterations: 2, hash_concurrency: 2 }
limits: { login_per_ip: 0, lockout_duration: 24h }
database: { max_connections: 4 }
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A sign-in: nobody has the name.
    Unknown,
    /// A sign-in: the name is right, the password is not.
    Wrong,
    /// A sign-in: name and password are right, and the name is locked.
    Locked,
    /// The failure that locks, of a name that nobody has.
    LastUnknown,
    /// The failure that locks, of one that somebody has; that is told to the owner.
    LastWrong,
    /// Another password for whoever has a name that nobody has.
    ForgotUnknown,
    /// Another password for somebody.
    ForgotKnown,
    /// The hash alone.
    Hash,
}

use Kind::{ForgotKnown, ForgotUnknown, Hash, LastUnknown, LastWrong, Locked, Unknown, Wrong};

/// Kinds of which nobody may tell one from another.
const ALIKE: [&[Kind]; 3] = [
    &[Unknown, Wrong, Locked],
    &[LastUnknown, LastWrong],
    &[ForgotUnknown, ForgotKnown],
];

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Whether `one` is slower than `other` by more than `margin`, in more than half of the rounds: that is,
/// whether the median of the differences lies beyond the margin.
///
/// Where two kinds do the same, the difference of a round is as often above 0 as below. Even if four
/// rounds in five were disturbed by more than the margin, so that 40 % lie beyond it on either side,
/// more than half of 1000 would do so with a chance below exp(-2 * 1000 * 0.1²) = 2e-9 (Hoeffding);
/// the 22 comparisons of all tests here make that 5e-8 a run. Undisturbed it is smaller by far.
fn slower(one: &[f64], other: &[f64], margin: f64) -> bool {
    let beyond = one.iter().zip(other).filter(|(a, b)| *a - *b > margin);
    beyond.count() * 2 > one.len()
}

/// Times of each kind, by the round.
#[derive(Clone)]
struct Times {
    kinds: &'static [Kind],
    taken: Vec<Vec<f64>>,
}

impl Times {
    fn of(&self, kind: Kind) -> &[f64] {
        let at = self.kinds.iter().position(|other| *other == kind);
        &self.taken[at.unwrap()]
    }

    fn median(&self, kind: Kind) -> f64 {
        median(self.of(kind).to_vec())
    }

    fn medians(&self) -> String {
        let told = |kind: &Kind| format!("{kind:?} {}", self.median(*kind));
        self.kinds.iter().map(told).collect::<Vec<_>>().join(", ")
    }

    /// The pairs that can be told apart and should not be: slower, faster.
    fn told_apart(&self, margin: f64) -> Vec<(Kind, Kind)> {
        let mut found = Vec::new();
        for group in ALIKE {
            let kinds: Vec<_> = self
                .kinds
                .iter()
                .filter(|kind| group.contains(kind))
                .collect();
            for one in &kinds {
                for other in &kinds {
                    if one != other && slower(self.of(**one), self.of(**other), margin) {
                        found.push((**one, **other));
                    }
                }
            }
        }
        found
    }

    /// As if `kind` took less by `less` in each round.
    fn without(&self, kind: Kind, less: &[f64]) -> Self {
        let mut faster = self.clone();
        let at = self.kinds.iter().position(|other| *other == kind);
        for (time, less) in faster.taken[at.unwrap()].iter_mut().zip(less) {
            *time -= less;
        }
        faster
    }

    /// Nothing is told apart; it would be if `kind` left out the hash, and then it is faster than `others`.
    fn tell_nothing(&self, leavers: &[(Kind, &[Kind])]) {
        let margin = self.median(Hash) * MARGIN;
        let (found, medians) = (self.told_apart(margin), self.medians());
        assert!(
            found.is_empty(),
            "slower, faster: {found:?} by more than {margin} s; medians: {medians}"
        );
        for (kind, others) in leavers {
            let seen = self.without(*kind, self.of(Hash)).told_apart(margin);
            let faster: Vec<_> = others.iter().map(|other| (*other, *kind)).collect();
            assert_eq!(seen, faster, "medians: {medians}, margin {margin}");
        }
    }
}

/// One of the orders that `count` things have, up to six, from the bits of a random number.
fn order(count: usize) -> Vec<usize> {
    let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
    let mut order: Vec<_> = (0..count).collect();
    for at in (1..count).rev() {
        let drawn = usize::try_from((random >> (8 * at)) & 0xff).unwrap() % (at + 1);
        order.swap(at, drawn);
    }
    order
}

struct Tried<'a> {
    world: &'a World,
    round: usize,
}

impl Tried<'_> {
    async fn once(&self, kind: Kind) -> Duration {
        let unknown = format!("nobody{}@example.org", self.round);
        match kind {
            // Each of the wrong ones is its first failure, as each of the unknown is; the locked get the same
            // call beforehand, for a name that nobody tries.
            Unknown => self.signs_in(&unknown, WRONG, &unknown).await,
            Wrong => self.signs_in(KNOWN, WRONG, KNOWN).await,
            Locked => self.signs_in(ADMIN, PASSWORD, "x").await,
            LastUnknown => self.locks("sixth@example.org").await,
            LastWrong => self.locks("fifth@example.org").await,
            ForgotUnknown => self.forgets(NOBODY).await,
            ForgotKnown => self.forgets(KNOWN).await,
            Hash => self.hash().await,
        }
    }

    async fn signs_in(&self, email: &str, password: &str, forgiven: &str) -> Duration {
        let logins = &self.world.state.logins;
        logins.forgive(&Identifier::of(forgiven)).await;
        self.fails(email, password).await
    }

    /// The failures before it are counted, and nothing else is done for them.
    async fn locks(&self, email: &str) -> Duration {
        execute(self.world, "DELETE FROM outbox").await;
        let (logins, identifier) = (&self.world.state.logins, Identifier::of(email));
        logins.forgive(&identifier).await;
        for _ in 1..LAST {
            assert!(!logins.attempt(&identifier).await.last);
        }
        self.fails(email, WRONG).await
    }

    async fn fails(&self, email: &str, password: &str) -> Duration {
        let begun = Instant::now();
        let answer = self.world.login(email, password).await;
        let took = begun.elapsed();
        answer.refused(401, "INVALID_CREDENTIALS");
        took
    }

    async fn forgets(&self, email: &str) -> Duration {
        execute(self.world, "DELETE FROM outbox").await;
        let begun = Instant::now();
        let answer = self.world.forgot(email).await;
        let took = begun.elapsed();
        answer.expect(202);
        took
    }

    async fn hash(&self) -> Duration {
        let set = self.world.state.keyring.current();
        let password = Secret::new(WRONG.to_owned());
        let begun = Instant::now();
        let verified = self.world.state.hasher.verify(set, password, None).await;
        let took = begun.elapsed();
        assert!(verified.is_ok());
        took
    }
}

async fn tries(world: &World, kinds: &'static [Kind]) -> Times {
    world.user(KNOWN, &[]).await;
    world.user("fifth@example.org", &[]).await;
    rounds(world, kinds).await
}

async fn rounds(world: &World, kinds: &'static [Kind]) -> Times {
    for _ in 0..LAST {
        world.login(ADMIN, WRONG).await.expect(401);
    }
    let mut taken = vec![Vec::new(); kinds.len()];
    for round in 0..ROUNDS {
        let tried = Tried { world, round };
        for at in order(kinds.len()) {
            taken[at].push(tried.once(kinds[at]).await.as_secs_f64());
        }
    }
    Times { kinds, taken }
}

#[tokio::test]
async fn unknown_wrong_and_locked_sign_ins_take_the_same_time() {
    // Counted by the process: a Redis that is late once on a busy machine is away, and knows of no lock.
    let world = World::with(YAML, None).await;
    let times = tries(&world, &[Unknown, Wrong, Locked, Hash]).await;
    times.tell_nothing(&[(Unknown, &[Wrong, Locked])]);
}

/// The cost was lowered, and nobody has signed in since: whoever is nobody would be four times as quick.
#[tokio::test]
async fn they_take_the_same_time_while_hashes_are_of_another_cost_than_new_ones() {
    let world = World::with(YAML, None).await;
    world.user(KNOWN, &[]).await;
    let dearer = "UPDATE users SET password_hash = replace(password_hash, ',t=2,', ',t=8,')";
    execute(&world, dearer).await;
    let times = rounds(&world, &[Unknown, Wrong, Locked, Hash]).await;
    times.tell_nothing(&[(Unknown, &[Wrong, Locked])]);
    let (dearer, new) = (times.median(Unknown), times.median(Hash));
    assert!(
        dearer > 2.0 * new,
        "{dearer} is not of eight passes, {new} is of two"
    );
}

/// The same where Redis counts, and so do the failures that lock, of which the owner is told by a mail.
#[tokio::test]
async fn unknown_wrong_and_locked_sign_ins_and_those_that_lock_take_the_same_time_by_redis() {
    let redis = redis::server().await;
    let world = World::counting(YAML, &redis.url()).await;
    world.redis_is_listening().await;
    let kinds = &[Unknown, Wrong, Locked, LastUnknown, LastWrong, Hash];
    let times = tries(&world, kinds).await;
    times.tell_nothing(&[(Unknown, &[Wrong, Locked]), (LastUnknown, &[LastWrong])]);
    // Each of them has locked, and Redis has counted all the while.
    let locked = "SELECT count(*) FROM audit_events WHERE action = 'auth.locked'";
    let expected = i64::try_from(2 * ROUNDS + 1).unwrap();
    assert_eq!(number(&world, locked).await, expected);
    assert!(world.state.redis.is_up());
}

#[tokio::test]
async fn whoever_forgot_a_password_is_answered_in_the_same_time_whether_or_not_they_exist() {
    let world = World::with(YAML, None).await;
    let times = tries(&world, &[ForgotUnknown, ForgotKnown]).await;
    let margin = times.median(ForgotUnknown) * MARGIN;
    let (found, medians) = (times.told_apart(margin), times.medians());
    assert!(
        found.is_empty(),
        "slower, faster: {found:?} by more than {margin} s; medians: {medians}"
    );
    // It would be seen if one of them took as much less as two margins are.
    let less = vec![2.0 * margin; ROUNDS];
    let seen = times.without(ForgotUnknown, &less).told_apart(margin);
    assert_eq!(seen, [(ForgotKnown, ForgotUnknown)], "medians: {medians}");
}
