//! Units of quantities.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OrderError, excerpt};

/// The unit of a quantity.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    JsonSchema,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
// Except `Piece`, the names are the symbols of metric units.
#[allow(missing_docs)]
pub enum Unit {
    #[default]
    Piece,
    Kg,
    G,
    L,
    Ml,
    M,
}

impl Unit {
    /// Returns the unit's symbol, empty for pieces.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Piece => "",
            Self::Kg => "kg",
            Self::G => "g",
            Self::L => "l",
            Self::Ml => "ml",
            Self::M => "m",
        }
    }

    pub(super) fn is_piece(&self) -> bool {
        *self == Self::Piece
    }
}

impl FromStr for Unit {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Self, OrderError> {
        [Self::Kg, Self::G, Self::L, Self::Ml, Self::M]
            .into_iter()
            .find(|unit| unit.symbol() == text)
            .or_else(|| matches!(text, "" | "piece").then_some(Self::Piece))
            .ok_or_else(|| OrderError::Unit(excerpt(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_is_parsed_from_its_symbol() {
        for unit in [Unit::Piece, Unit::Kg, Unit::G, Unit::L, Unit::Ml, Unit::M] {
            assert_eq!(unit.symbol().parse(), Ok(unit));
        }
        assert_eq!("piece".parse(), Ok(Unit::Piece));
        assert!(matches!("pound".parse::<Unit>(), Err(OrderError::Unit(_))));
    }
}
