//! `timestamptz` at the border, [`jiff::Timestamp`] inside.
//!
//! Owns [`DbTime`]: microseconds since 2000-01-01 UTC on the wire. Values outside of jiff's range
//! (`infinity` among them) are decoding errors, never clamped.

use jiff::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

/// 2000-01-01T00:00:00Z in microseconds since 1970.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// A timestamp on its way to or from the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DbTime(pub Timestamp);

impl DbTime {
    /// The current time, as precise as the database keeps it.
    #[must_use]
    pub fn now() -> Self {
        Self::truncated(Timestamp::now())
    }

    /// `at` without what the database would drop.
    #[must_use]
    pub fn truncated(at: Timestamp) -> Self {
        Self(Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at))
    }
}

impl From<Timestamp> for DbTime {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Type<Postgres> for DbTime {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz")
    }
}

impl PgHasArrayType for DbTime {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("_timestamptz")
    }
}

impl Encode<'_, Postgres> for DbTime {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let since = self.0.as_microsecond() - POSTGRES_EPOCH_US;
        Encode::<Postgres>::encode(since, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for DbTime {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => {
                let since = <i64 as Decode<Postgres>>::decode(value)?;
                let unix = since
                    .checked_add(POSTGRES_EPOCH_US)
                    .ok_or("timestamp out of range")?;
                Ok(Self(Timestamp::from_microsecond(unix)?))
            }
            PgValueFormat::Text => Ok(Self(value.as_str()?.parse()?)),
        }
    }
}
