//! Results of reading: verified and rejected records.

use std::fmt;

use instored_domain::CustomerId;

use crate::record_error::RecordError;
use crate::record_key::{RecordKind, RecordName, name_number};

/// Verified records, and the records that were rejected during the same read.
#[derive(Debug)]
pub struct Verified<T> {
    /// Records that are valid.
    pub records: Vec<T>,
    /// Rejections of invalid records.
    pub rejected: Vec<Rejected>,
}

impl<T> Default for Verified<T> {
    fn default() -> Self {
        Self { records: Vec::new(), rejected: Vec::new() }
    }
}

impl<T> Verified<T> {
    pub(crate) fn push(&mut self, read: Result<T, Rejected>) {
        match read {
            Ok(record) => self.records.push(record),
            Err(rejected) => self.rejected.push(rejected),
        }
    }
}

/// Rejected part of the vault, which is not used. `Display` prints one line with the subject, the
/// reason and a remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// Rejected part, for example "the template 2 of customer 67e5…".
    pub(crate) subject: String,
    /// Reason of the rejection.
    pub(crate) reason: String,
    remedy: &'static str,
}

impl Rejected {
    /// Rejects one record of a customer.
    pub(crate) fn record(
        id: CustomerId,
        kind: RecordKind,
        name: &RecordName,
        error: &RecordError,
    ) -> Self {
        let number = match kind {
            RecordKind::Template => format!(" {}", name_number(name)),
            _ => String::new(),
        };
        let remedy = match kind {
            RecordKind::Order | RecordKind::Replaced => "import the customer's orders again",
            _ => "enrol the customer again, forget the customer, or restore a backup",
        };
        let subject = format!("the {}{number} of customer {id}", kind.label());
        Self { subject, reason: error.to_string(), remedy }
    }

    /// Rejects all records of a customer whose key or record index cannot be read.
    pub(crate) fn account(id: CustomerId, error: &RecordError) -> Self {
        Self {
            subject: format!("the key or list of records of customer {id}"),
            reason: error.to_string(),
            remedy: "forget the customer and enrol them again, or restore a backup",
        }
    }

    /// Rejects a product of the catalogue.
    pub(crate) fn product(sku: &str, error: &RecordError) -> Self {
        Self {
            subject: format!("the product {sku}"),
            reason: error.to_string(),
            remedy: "import the catalogue again",
        }
    }

    /// Rejects a part of the vault that belongs to no single record.
    pub(crate) fn vault(subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            reason: reason.into(),
            remedy: "find out who had access to the box; restore a backup if in doubt",
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is rejected: {}; {}", self.subject, self.reason, self.remedy)
    }
}
