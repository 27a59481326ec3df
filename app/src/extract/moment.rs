//! A time that a client names.
//!
//! Owns [`Moment`] and [`take`]: from the year 1 on. Must never hold one that PostgreSQL has no place for,
//! which takes none before 4714 BC.

use std::str::FromStr;

use jiff::Timestamp;

use super::Params;

/// The year 1 begins.
const FIRST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// A time of the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(Timestamp);

/// The text is no such time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a time of the years 1 to 9999")]
pub struct NotAMoment;

/// Takes the parameter called `name`.
pub fn take(params: &mut Params, name: &str) -> Option<Timestamp> {
    const RULE: &str = "must be a time of the years 1 to 9999, such as 2026-01-31T12:00:00Z";
    let moment: Option<Moment> = params.take_parsed(name, RULE);
    moment.map(Timestamp::from)
}

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        // There is none later than 9999.
        let at: Timestamp = text.parse().map_err(|_| NotAMoment)?;
        (at >= FIRST).then_some(Self(at)).ok_or(NotAMoment)
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_lies_in_the_years_1_to_9999() {
        for good in [
            "0001-01-01T00:00:00Z",
            "2026-01-31T12:00:00.5+01:00",
            "9999-12-30T00:00:00Z",
        ] {
            let at: Timestamp = good.parse().unwrap();
            assert_eq!(good.parse::<Moment>().map(Timestamp::from), Ok(at));
        }
        for bad in [
            "0000-12-31T23:59:59.999999999Z",
            "0001-01-01T00:00:00+00:01",
            "-009000-01-01T00:00:00Z",
            "+010000-01-01T00:00:00Z",
            "yesterday",
            "",
        ] {
            assert_eq!(bad.parse::<Moment>(), Err(NotAMoment), "{bad}");
        }
    }
}
