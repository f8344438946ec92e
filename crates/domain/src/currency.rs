//! Currencies of ISO 4217.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OrderError, excerpt};

/// Highest numeric code of ISO 4217, which has three digits.
const NUMERIC_CODE_MAX: u16 = 999;

/// A currency of ISO 4217 that has prices, such as EUR.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

impl FromStr for Currency {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Self, OrderError> {
        // ISO 4217 also lists metals such as gold. They have no minor unit and thus no prices.
        iso_currency::Currency::from_code(text)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or_else(|| OrderError::Currency(excerpt(text)))
    }
}

impl Currency {
    /// Returns all currencies.
    pub fn all() -> impl Iterator<Item = Self> {
        let currencies = (0..=NUMERIC_CODE_MAX).filter_map(iso_currency::Currency::from_numeric);
        currencies.filter(|currency| currency.exponent().is_some()).map(Self)
    }

    /// Returns the number of decimals of an amount in major units (ISO 4217): 2 for EUR and HUF, 0 for
    /// JPY. Browsers write some currencies with fewer decimals.
    pub fn exponent(self) -> u8 {
        self.0.exponent().and_then(|exponent| u8::try_from(exponent).ok()).unwrap_or_default()
    }

    /// Formats an amount in minor units: `12.34 EUR`, `1234 JPY`.
    pub fn display(self, amount: i64) -> impl fmt::Display {
        format!("{} {self}", Decimal::new(amount, self.exponent().into()))
    }
}

impl TryFrom<String> for Currency {
    type Error = OrderError;

    fn try_from(text: String) -> Result<Self, OrderError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.to_string()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currency_code_must_be_iso_4217_with_minor_unit() {
        assert!("EUR".parse::<Currency>().is_ok());
        for invalid in ["euro", "eur", "EUX", "XAU", "", "€"] {
            assert!(invalid.parse::<Currency>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn all_currencies_with_minor_unit_are_listed() {
        let codes: Vec<_> = Currency::all().map(String::from).collect();
        assert!((150..200).contains(&codes.len()), "{codes:?}");
        for code in ["EUR", "HUF", "JPY", "KWD", "UYW"] {
            assert!(codes.iter().any(|listed| listed == code), "{code}");
        }
        let letters = || b'A'..=b'Z';
        let all =
            letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
        let parsed =
            all.filter(|code| std::str::from_utf8(code).unwrap().parse::<Currency>().is_ok());
        assert_eq!(parsed.count(), codes.len(), "every valid code is listed once");
    }

    #[test]
    fn amount_is_formatted_with_decimals_of_its_currency() {
        let format =
            |code: &str, amount| code.parse::<Currency>().unwrap().display(amount).to_string();
        assert_eq!(format("EUR", 1234), "12.34 EUR");
        assert_eq!(format("EUR", -5), "-0.05 EUR");
        assert_eq!(format("JPY", 1234), "1234 JPY");
        assert_eq!(format("KWD", 1234), "1.234 KWD");
    }
}
