//! Currencies (ISO 4217).
//!
//! Owns [`Currency`] and the list of those in use, each with the digits of its smallest unit.

use std::fmt;
use std::str::FromStr;

use utoipa::ToSchema;

/// A currency in use, by its code (ISO 4217).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ToSchema)]
#[schema(value_type = String, example = "EUR", pattern = "^[A-Z]{3}$")]
pub struct Currency(usize);

/// The text is no currency in use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be a currency of ISO 4217 in use, such as EUR")]
pub struct NotACurrency;

/// Codes by the digits of the smallest unit, two where nothing else is said.
const TWO: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD \
    HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK \
    MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB \
    SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD \
    UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";
const NONE: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
const THREE: &str = "BHD IQD JOD KWD LYD OMR TND";

/// All codes in one row; a currency is its place in it.
fn all() -> impl Iterator<Item = (&'static str, u32)> {
    [(TWO, 2), (NONE, 0), (THREE, 3)]
        .into_iter()
        .flat_map(|(codes, digits)| codes.split_whitespace().map(move |code| (code, digits)))
}

impl Currency {
    /// The code.
    #[must_use]
    pub fn code(self) -> &'static str {
        all().nth(self.0).map_or("", |(code, _)| code)
    }

    /// Digits behind the point of the smallest unit.
    #[must_use]
    pub fn digits(self) -> u32 {
        all().nth(self.0).map_or(2, |(_, digits)| digits)
    }
}

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        all()
            .position(|(code, _)| code == text)
            .map(Self)
            .ok_or(NotACurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_is_three_letters_and_there_once() {
        let codes: Vec<_> = all().map(|(code, _)| code).collect();
        assert!(
            codes
                .iter()
                .all(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()))
        );
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
        for (code, digits) in [("EUR", 2), ("JPY", 0), ("KWD", 3)] {
            let currency: Currency = code.parse().unwrap();
            assert_eq!((currency.code(), currency.digits()), (code, digits));
        }
        for bad in ["", "eur", "EU", "EURO", "XXX", "DEM"] {
            assert_eq!(bad.parse::<Currency>(), Err(NotACurrency), "{bad}");
        }
    }
}
