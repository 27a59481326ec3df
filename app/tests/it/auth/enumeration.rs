//! Unknown, wrong and locked sign-ins take the same time.
//!
//! A thousand rounds; in each, one sign-in of each kind and one bare hash, in an order drawn anew, so
//! that whatever the machine does beside it falls on all of them alike. What is judged is how often one
//! kind takes longer than another by more than [`MARGIN`] of a hash.
//!
//! The hash is cheap here, a twentieth of what a deployment pays: what else differs between two kinds (a
//! query, a row, a mail) weighs twenty times as much as it would; a hash that is left out for one kind
//! is four times the margin.

use std::time::{Duration, Instant};

use erpgo::limits::Identifier;
use erpgo_secret_set::Secret;

use crate::world::{ADMIN, PASSWORD, World};

const ROUNDS: usize = 1_000;
/// Of the median of the hash.
const MARGIN: f64 = 0.25;
const KINDS: [Kind; 4] = [Kind::Unknown, Kind::Wrong, Kind::Locked, Kind::Hash];

const YAML: &str = "
auth: { hash_memory_kib: 1024, hash_iterations: 2, hash_concurrency: 2 }
limits: { login_per_ip: 0 }
database: { max_connections: 4 }
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nobody has the name.
    Unknown,
    /// The name is right, the password is not.
    Wrong,
    /// Name and password are right, and the name is locked.
    Locked,
    /// No sign-in: the hash alone.
    Hash,
}

/// Times of each kind, by the round.
type Times = [Vec<f64>; KINDS.len()];

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
/// six comparisons make that 2e-8 a run. Undisturbed it is smaller by far.
fn slower(one: &[f64], other: &[f64], margin: f64) -> bool {
    let beyond = one.iter().zip(other).filter(|(a, b)| *a - *b > margin);
    beyond.count() * 2 > one.len()
}

/// The pairs of sign-ins that can be told apart.
fn told_apart(times: &Times, margin: f64) -> Vec<(Kind, Kind)> {
    let sign_ins = || KINDS.into_iter().zip(times).take(3);
    let mut found = Vec::new();
    for (one, slow) in sign_ins() {
        for (other, fast) in sign_ins() {
            if one != other && slower(slow, fast, margin) {
                found.push((one, other));
            }
        }
    }
    found
}

/// One of the 24 orders, from the bits of a random number.
fn order() -> [usize; 4] {
    let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
    let mut order = [0, 1, 2, 3];
    for (at, bits) in [(3, 0), (2, 8), (1, 16)] {
        let drawn = usize::try_from((random >> bits) & 0xff).unwrap() % (at + 1);
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
        let (email, password) = match kind {
            Kind::Unknown => (&*unknown, "not the password at all"),
            Kind::Wrong => ("known@example.org", "not the password at all"),
            Kind::Locked => (ADMIN, PASSWORD),
            Kind::Hash => return self.hash().await,
        };
        // Each of the wrong ones is its first failure, as each of the unknown is; the others get the same
        // call beforehand, for a name that nobody tries.
        let forgiven = if kind == Kind::Locked { "x" } else { email };
        self.world
            .state
            .logins
            .forgive(&Identifier::of(forgiven))
            .await;
        let begun = Instant::now();
        let answer = self.world.login(email, password).await;
        let took = begun.elapsed();
        answer.refused(401, "INVALID_CREDENTIALS");
        took
    }

    async fn hash(&self) -> Duration {
        let set = self.world.state.keyring.current();
        let password = Secret::new("not the password at all".to_owned());
        let begun = Instant::now();
        let verified = self.world.state.hasher.verify(set, password, None).await;
        let took = begun.elapsed();
        assert!(verified.is_ok());
        took
    }
}

async fn tries() -> Times {
    // Counted by the process: a Redis that is late once on a busy machine is away, and knows of no lock.
    let world = World::with(YAML, None).await;
    world.user("known@example.org", &[]).await;
    for _ in 0..5 {
        world
            .login(ADMIN, "not the password at all")
            .await
            .expect(401);
    }
    let mut times = Times::default();
    for round in 0..ROUNDS {
        let tried = Tried {
            world: &world,
            round,
        };
        for kind in order() {
            times[kind].push(tried.once(KINDS[kind]).await.as_secs_f64());
        }
    }
    times
}

#[tokio::test]
async fn unknown_wrong_and_locked_sign_ins_take_the_same_time() {
    let times = tries().await;
    let medians = times.clone().map(median);
    let margin = medians[3] * MARGIN;
    let found = told_apart(&times, margin);
    assert!(
        found.is_empty(),
        "slower, faster: {found:?} by more than {margin} s; medians of {KINDS:?}: {medians:?}"
    );
    // It would be seen if one of them left the hash out.
    let mut without = times;
    let hash = without[3].clone();
    for (time, hash) in without[0].iter_mut().zip(hash) {
        *time -= hash;
    }
    let seen = told_apart(&without, margin);
    let fast = [(Kind::Wrong, Kind::Unknown), (Kind::Locked, Kind::Unknown)];
    assert_eq!(seen, fast, "medians: {medians:?}, margin {margin}");
}
