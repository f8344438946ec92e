//! Admin API: requests of the command line to the daemon, and the responses.
//!
//! A request is one line of JSON on the admin socket of the daemon, and so is its response. The daemon
//! and the command line are one program, so the format may change with each version.

#![forbid(unsafe_code)]

#[cfg(fuzzing)]
pub mod fuzzing;

use std::path::PathBuf;
use std::time::Duration;

use instored_domain::{
    AddOrderOutcome, CatalogueChange, ClaimCode, CommandFailure, Consent, Customer, CustomerId,
    CustomerName, History, HistoryView, Order, OrderId, Page, Product, RetentionStatus,
};
use instored_mqtt::{PublicKeyAnnouncement, Statistics};
use instored_vault::{AuditEntry, BackupSummary, Passphrase, RotationSummary, VerificationReport};
use serde::{Deserialize, Serialize};

/// Request of the command line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names of the variants describe the requests")]
pub enum Request {
    Customers,
    Customer {
        customer: CustomerId,
    },
    /// Finds the customer of a consent receipt or of a valid claim code.
    CustomerByCode {
        code: ClaimCode,
    },
    Rename {
        customer: CustomerId,
        name: Option<CustomerName>,
    },
    Forget {
        customer: CustomerId,
    },
    Export {
        customer: CustomerId,
    },
    History {
        customer: CustomerId,
        view: HistoryView,
        page: Page,
    },
    AddOrders {
        orders: Vec<Order>,
    },
    VoidOrder {
        customer: CustomerId,
        order: OrderId,
    },
    Products,
    PutProducts {
        products: Vec<Product>,
    },
    RemoveProducts {
        skus: Vec<String>,
    },
    Key,
    MqttStatistics,
    RotateKeys,
    Verify,
    AuditLog {
        limit: usize,
    },
    Compact,
    Backup {
        passphrase: Passphrase,
    },
    HoldButton {
        duration: Duration,
    },
    /// Offers an enrolment to the person at the entrance.
    OfferEnrolment {
        /// True if the person is not enrolled, although they resemble a customer.
        is_another_person: bool,
    },
    /// Consents of a customer, with their texts.
    Consents {
        customer: CustomerId,
    },
    /// State of the deletion of inactive customers.
    Retention,
    /// Lifts, for one day, the limit on customers who fall due for deletion.
    ConfirmDue,
}

impl Request {
    /// Returns true if the request may take long. It is executed on a thread of its own.
    pub fn is_long_running(&self) -> bool {
        matches!(self, Self::RotateKeys | Self::Verify | Self::Compact | Self::Backup { .. })
    }
}

/// Response to a [`Request`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each variant contains the result of one request")]
pub enum Response {
    /// Enrolled customers, and the error of each rejected record.
    Customers {
        customers: Vec<Customer>,
        rejected: Vec<String>,
    },
    Customer(Customer),
    Forgotten {
        templates: u64,
        orders: u64,
    },
    /// All data about the customer.
    Export(serde_json::Value),
    /// Page of the history, and the error of each rejected order.
    History {
        history: History,
        rejected: Vec<String>,
    },
    /// One outcome per order, in the same sequence as in the request. A void has one outcome.
    Added(Vec<AddOrderOutcome>),
    /// Catalogue, and the error of each rejected product.
    Products {
        products: Vec<Product>,
        rejected: Vec<String>,
    },
    Catalogue(CatalogueChange),
    Key(PublicKeyAnnouncement),
    MqttStatistics(Statistics),
    Rotated(RotationSummary),
    Verified(VerificationReport),
    AuditLog(Vec<AuditEntry>),
    Compacted,
    /// Path of the backup in the state folder. The command line moves the file to its target.
    BackedUp {
        file: PathBuf,
        backup: BackupSummary,
    },
    ButtonHeld,
    Offered,
    Consents(Vec<StoredConsent>),
    /// Status, and number of customers who are marked for deletion.
    Retention {
        status: RetentionStatus,
        due: u64,
    },
}

/// Consent of a customer, with its text.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredConsent {
    /// The consent.
    #[serde(flatten)]
    pub consent: Consent,
    /// Text that the person could read; `None` if it is not stored.
    pub text: Option<String>,
}

/// Parses a line of the admin socket.
///
/// # Errors
/// If the line is not a request. The failure is the response to the command line.
pub fn parse_request(line: &str) -> Result<Request, CommandFailure> {
    serde_json::from_str(line).map_err(CommandFailure::malformed)
}
