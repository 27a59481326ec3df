//! Settings of limits (R5), all of which change while the process runs (R15.4).
//!
//! Owns [`LimitSettings`]. 0 switches a limit of requests off.

use std::time::Duration;

use super::reader::Reader;

/// Most requests a minute that can be set.
const MOST: u32 = 10_000_000;

/// Limits of sign-ins and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Sign-ins an IP may try in `login_window`; 0 switches this limit off.
    pub login_per_ip: u32,
    /// The window of `login_per_ip`.
    pub login_window: Duration,
    /// Failures after which an identifier is locked.
    pub lockout_failures: u32,
    /// For how long.
    pub lockout_duration: Duration,
    /// Requests of each class.
    pub rates: RateSettings,
}

/// Requests a minute, class by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSettings {
    /// Reads.
    pub read: Rate,
    /// Writes.
    pub write: Rate,
    /// Exports.
    pub export: Rate,
}

/// Requests a minute; 0 for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Of one address.
    pub per_ip: u32,
    /// Of one user.
    pub per_user: u32,
}

impl LimitSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            login_per_ip: reader.number("limits.login_per_ip", 5, 0..=1_000_000),
            login_window: reader.duration("limits.login_window", 15 * 60, 1..=86_400),
            lockout_failures: reader.number("limits.lockout_failures", 5, 1..=1_000),
            lockout_duration: reader.duration("limits.lockout_duration", 15 * 60, 1..=86_400),
            rates: RateSettings::read(reader),
        }
    }
}

// More than one pod can answer: by default a limit stops a client that has run wild, and lets through
// whatever a busy one, or an office behind one address, does.
impl RateSettings {
    fn read(reader: &mut Reader) -> Self {
        Self {
            read: Rate {
                per_ip: reader.number("limits.read_per_ip", 600_000, 0..=MOST),
                per_user: reader.number("limits.read_per_user", 300_000, 0..=MOST),
            },
            write: Rate {
                per_ip: reader.number("limits.write_per_ip", 600_000, 0..=MOST),
                per_user: reader.number("limits.write_per_user", 300_000, 0..=MOST),
            },
            export: Rate {
                per_ip: reader.number("limits.export_per_ip", 6_000, 0..=MOST),
                per_user: reader.number("limits.export_per_user", 600, 0..=MOST),
            },
        }
    }
}
