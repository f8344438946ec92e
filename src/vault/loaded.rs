//! What a load gives: the records that hold, and those that do not.

use std::fmt;

use super::record::RecordFault;

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

/// A record that is there and is not used. Displays as one line that says what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Which, in words: "template 2 of customer 67e5…".
    pub record: String,
    /// Why.
    pub reason: String,
    advice: &'static str,
}

impl Refused {
    /// A record of a person's enrolment.
    pub(super) fn person(record: String, fault: &RecordFault) -> Self {
        let advice = "have the customer enrol again, or forget them";
        Self { record, reason: fault.to_string(), advice }
    }

    /// An order.
    pub(super) fn order(record: String, fault: &RecordFault) -> Self {
        Self { record, reason: fault.to_string(), advice: "import the order again" }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} is refused: {}; {}", self.record, self.reason, self.advice)
    }
}
