//! A timer as fine as the kernel's.
//!
//! Owns [`Alarm`]. Tokio's timers go off at whole milliseconds, which is longer than most answers take: what
//! left by them would be late by more than is measured.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// Goes off once each time that it is waited for.
pub(crate) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// # Errors
    /// When the kernel has no timer for us.
    #[expect(
        deprecated,
        reason = "its successor asks us to promise what an owned descriptor keeps: it is open until it is dropped"
    )]
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        AsyncFd::new(timer).map(Self)
    }

    /// Waits until `at`, if that is not over.
    ///
    /// # Errors
    /// When the kernel does not take the time.
    pub(crate) async fn until(&self, at: Instant) -> io::Result<()> {
        let left = at.saturating_duration_since(Instant::now());
        // Set to nothing, it would never go off.
        if left.is_zero() {
            return Ok(());
        }
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once(left))?;
        loop {
            let mut gone_off = self.0.readable().await?;
            let mut times = [0; 8];
            match rustix::io::read(self.0.get_ref(), &mut times) {
                Err(Errno::AGAIN) => gone_off.clear_ready(),
                read => return Ok(read.map(drop)?),
            }
        }
    }
}

fn once(after: Duration) -> Itimerspec {
    let zero = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Itimerspec {
        it_interval: zero,
        it_value: Timespec {
            tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: after.subsec_nanos().into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_goes_off_at_its_time_and_again_at_the_next() -> io::Result<()> {
        let (alarm, begun) = (Alarm::new()?, Instant::now());
        for micros in [300, 700, 700, 1_500] {
            let at = begun + Duration::from_micros(micros);
            alarm.until(at).await?;
            assert!(Instant::now() >= at, "{micros}");
        }
        assert!(begun.elapsed() < Duration::from_secs(10));
        Ok(())
    }

    /// Tokio's own would be late by most of a millisecond every time; one try on a busy machine says nothing.
    #[tokio::test]
    async fn it_goes_off_within_a_part_of_a_millisecond() -> io::Result<()> {
        let alarm = Alarm::new()?;
        // From here on one of whole milliseconds would be at the start of one whenever it is asked.
        alarm
            .until(Instant::now() + Duration::from_micros(300))
            .await?;
        let mut least = Duration::MAX;
        for _ in 0..100 {
            let at = Instant::now() + Duration::from_micros(300);
            alarm.until(at).await?;
            least = least.min(at.elapsed());
            if least < Duration::from_micros(500) {
                return Ok(());
            }
        }
        panic!("{least:?}");
    }
}
