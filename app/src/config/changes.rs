//! Which settings a reload changes.
//!
//! Owns [`LiveSettings::changes`]: names, never values. What can be reloaded and has no name here does
//! not compile.

use super::{FeatureSettings, LimitSettings, LiveSettings, Rate, RateSettings};

/// A setting's name, and whether it is another one now.
type Compared = (&'static str, bool);

impl LiveSettings {
    /// The names of the settings that `next` sets otherwise.
    #[must_use]
    pub fn changes(&self, next: &Self) -> Vec<&'static str> {
        let Self {
            log_level,
            limits,
            features: FeatureSettings { docs },
        } = self;
        let mut all = vec![
            ("log.level", *log_level != next.log_level),
            ("features.docs", *docs != next.features.docs),
        ];
        all.extend(of_limits(limits, &next.limits));
        let changed = all.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(name, _)| name).collect()
    }
}

fn of_limits(before: &LimitSettings, after: &LimitSettings) -> Vec<Compared> {
    let LimitSettings {
        login_per_ip,
        login_window,
        lockout_failures,
        lockout_duration,
        rates: RateSettings {
            read,
            write,
            export,
        },
    } = before;
    let mut all = vec![
        ("limits.login_per_ip", *login_per_ip != after.login_per_ip),
        ("limits.login_window", *login_window != after.login_window),
        (
            "limits.lockout_failures",
            *lockout_failures != after.lockout_failures,
        ),
        (
            "limits.lockout_duration",
            *lockout_duration != after.lockout_duration,
        ),
    ];
    let names = ["limits.read_per_ip", "limits.read_per_user"];
    all.extend(of_rate(names, *read, after.rates.read));
    let names = ["limits.write_per_ip", "limits.write_per_user"];
    all.extend(of_rate(names, *write, after.rates.write));
    let names = ["limits.export_per_ip", "limits.export_per_user"];
    all.extend(of_rate(names, *export, after.rates.export));
    all
}

fn of_rate([ip, user]: [&'static str; 2], before: Rate, after: Rate) -> [Compared; 2] {
    let Rate { per_ip, per_user } = before;
    [
        (ip, per_ip != after.per_ip),
        (user, per_user != after.per_user),
    ]
}
