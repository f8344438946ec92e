//! What a load gives: the records that hold, and those that do not.

use std::fmt;

use instored_domain::CustomerId;

use super::fault::RecordFault;
use super::slot::{NAME_LENGTH, Name, Slot};

/// Records that were read: the good ones, and the refused ones, which are not used.
#[derive(Debug)]
pub struct Loaded<T> {
    /// What verified.
    pub good: Vec<T>,
    /// What did not.
    pub refused: Vec<Refused>,
}

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self { good: Vec::new(), refused: Vec::new() }
    }
}

impl<T> Loaded<T> {
    pub(super) fn push(&mut self, read: Result<T, Refused>) {
        match read {
            Ok(record) => self.good.push(record),
            Err(refused) => self.refused.push(refused),
        }
    }
}

/// Something that is not as the box left it, and is not used. Displays as one line that says what
/// to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Which, in words: "the template 2 of customer 67e5…".
    pub what: String,
    /// Why.
    pub reason: String,
    advice: &'static str,
}

impl Refused {
    /// A record of a customer.
    pub(super) fn record(id: CustomerId, slot: Slot, name: &Name, fault: &RecordFault) -> Self {
        let number = match slot {
            Slot::Template => format!(" {}", number(name)),
            _ => String::new(),
        };
        let advice = match slot {
            Slot::Order | Slot::Replaced => "import the customer's orders again",
            _ => "have the customer enrol again, or forget them; a backup may have it",
        };
        let what = format!("the {}{number} of customer {id}", slot.word());
        Self { what, reason: fault.to_string(), advice }
    }

    /// A customer of whom nothing can be read.
    pub(super) fn account(id: CustomerId, fault: &RecordFault) -> Self {
        Self {
            what: format!("everything of customer {id}"),
            reason: fault.to_string(),
            advice: "forget them and have them enrol again; a backup may have it",
        }
    }

    /// A product of the catalogue.
    pub(super) fn product(sku: &str, fault: &RecordFault) -> Self {
        Self {
            what: format!("the product {sku}"),
            reason: fault.to_string(),
            advice: "import the catalogue again",
        }
    }

    /// The vault as a whole.
    pub(super) fn vault(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            reason: reason.into(),
            advice: "find out who had access to the box; restore a backup if in doubt",
        }
    }
}

fn number(name: &Name) -> u32 {
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| name[NAME_LENGTH - 4 + i]);
    u32::from_be_bytes([a, b, c, d])
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused: {}; {}", self.what, self.reason, self.advice)
    }
}
