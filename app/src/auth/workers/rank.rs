//! How a thread that computes steps behind all others.
//!
//! Owns [`Rank`], which a thread takes for good, and [`Beat`], by which it is interrupted while it computes.
//! Where the system refuses either, hashes are made all the same and compete with requests.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// How far a thread that shares steps back, as a niceness: where a core is wanted by another, it gets nine tenths.
const NICENESS: i32 = 10;
/// The time between two beats. Each takes about a microsecond.
const GAP: Duration = Duration::from_micros(200);
/// Harmless by default, and meant for no other purpose here.
const BEAT: Signal = Signal::SIGURG;

/// What a thread gets of a core that another thread wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// Next to nothing.
    Idle,
    /// A tenth.
    Sharing,
}

impl Rank {
    /// Gives this thread the rank. There is no way back up.
    pub(super) fn take(self) {
        let taken = match self {
            Self::Idle => idle().map_err(|error| format!("{error:?}")),
            Self::Sharing => rustix::process::nice(NICENESS)
                .map(drop)
                .map_err(|error| error.to_string()),
        };
        if let Err(error) = taken {
            tracing::warn!(rank = ?self, error, "password hashes compete with requests on equal terms");
        }
    }
}

fn idle() -> Result<(), thread_priority::Error> {
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Min,
        ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle),
    )
}

/// A timer that interrupts its thread. A kernel that preempts late looks for whom else to run when a thread
/// enters it, and a hash never would by itself.
pub(super) struct Beat(Option<Timer>);

impl Beat {
    /// Of the thread that calls; still at first.
    pub(super) fn of_this_thread() -> Self {
        if !is_heard() {
            return Self(None);
        }
        let event = SigEvent::new(SigevNotify::SigevThreadId {
            signal: BEAT,
            thread_id: nix::unistd::gettid().as_raw(),
            si_value: 0,
        });
        let timer = Timer::new(ClockId::CLOCK_MONOTONIC, event);
        Self(timer.inspect_err(refused).ok())
    }

    /// Does `work` while it beats.
    pub(super) fn during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.set(Expiration::Interval(GAP.into()));
        let done = work();
        self.set(Expiration::OneShot(TimeSpec::from(Duration::ZERO)));
        done
    }

    fn set(&mut self, expiration: Expiration) {
        let Some(timer) = &mut self.0 else {
            return;
        };
        if let Err(error) = timer.set(expiration, TimerSetTimeFlags::empty()) {
            refused(&error);
            self.0 = None;
        }
    }
}

/// The kernel does not send what is ignored: somebody has to listen, which is all that the flag is for.
fn is_heard() -> bool {
    static HEARD: OnceLock<bool> = OnceLock::new();
    *HEARD.get_or_init(|| {
        let flag = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(BEAT as i32, flag)
            .inspect_err(refused)
            .is_ok()
    })
}

fn refused(error: &impl std::fmt::Display) {
    tracing::warn!(%error, "password hashes are not interrupted for requests");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    use thread_priority::thread_schedule_policy;

    fn ranked<T: Send>(rank: Rank, look: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                rank.take();
                look()
            });
            thread.join().unwrap()
        })
    }

    // On Linux each thread has its own.
    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[test]
    fn each_rank_is_that_of_its_thread_and_of_no_other() {
        let mine = (niceness(), thread_schedule_policy().unwrap());
        let policy = ranked(Rank::Idle, || thread_schedule_policy().unwrap());
        assert_eq!(
            policy,
            ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle)
        );
        let (nice, policy) = ranked(Rank::Sharing, || {
            (niceness(), thread_schedule_policy().unwrap())
        });
        assert_eq!((nice, policy), ((mine.0 + NICENESS).min(19), mine.1));
        assert_eq!((niceness(), thread_schedule_policy().unwrap()), mine);
    }

    #[test]
    fn a_thread_is_interrupted_while_it_works_and_not_afterwards() {
        let heard = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(BEAT as i32, Arc::clone(&heard)).unwrap();
        let mut beat = Beat::of_this_thread();
        let limit = Instant::now() + Duration::from_secs(10);
        beat.during(|| {
            while !heard.load(Ordering::Relaxed) {
                assert!(Instant::now() < limit, "not interrupted");
            }
        });
        let left = beat.0.as_ref().map(Timer::get);
        assert!(matches!(left, Some(Ok(None))), "{left:?}");
    }
}
