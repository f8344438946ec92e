//! Export of a customer's data, for the customer.

use instored_domain::{
    ClaimCode, Consent, Customer, CustomerId, Embedding, ModelId, Order, OrderId, Template,
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::error::VaultError;
use crate::orders;
use crate::record::{Claim, ReplacedOrder};
use crate::record_key::{RecordKind, numbered_name};
use crate::vault::Vault;
use crate::verified::Rejected;

/// All data that the vault stores about a customer, including templates.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Export {
    /// Id of the customer.
    pub customer: CustomerId,
    /// Customer's record with preferences; `None` if it does not verify.
    pub record: Option<Customer>,
    /// Consents with their receipts.
    pub consents: Vec<Consent>,
    /// Templates of the customer's face.
    pub templates: Vec<ExportedTemplate>,
    /// Orders and voids, newest first.
    pub orders: Vec<Order>,
    /// Ids of orders that other orders replaced. The contents of the replaced orders were deleted.
    pub replaced_orders: Vec<OrderId>,
    /// Codes by which a till can identify the customer.
    pub claim_codes: Vec<ExportedClaim>,
    /// A message for each record that cannot be read.
    pub unreadable: Vec<String>,
}

/// Template of one view of the customer's face.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ExportedTemplate {
    /// Model that computed the embedding.
    pub model: ModelId,
    /// Number of the template among the customer's templates, from 0.
    pub sequence: u32,
    /// Time at which the template was created.
    pub created: Timestamp,
    /// Embedding, a unit vector.
    #[serde(serialize_with = "serialize_values")]
    pub embedding: Embedding,
}

impl From<Template> for ExportedTemplate {
    fn from(template: Template) -> Self {
        let Template { model, sequence, created, embedding, .. } = template;
        Self { model, sequence, created, embedding }
    }
}

/// Claim code.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ExportedClaim {
    /// Code.
    pub code: ClaimCode,
    /// Expiry of the code.
    pub expires: Timestamp,
}

impl From<Claim> for ExportedClaim {
    fn from(Claim { code, expires }: Claim) -> Self {
        Self { code, expires }
    }
}

fn serialize_values<S: Serializer>(
    embedding: &Embedding,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    embedding.values().serialize(serializer)
}

/// Adds a verified record to `records`, or the message of a rejected one to `unreadable`.
fn collect<R, T: From<R>>(
    read: Result<R, Rejected>,
    records: &mut Vec<T>,
    unreadable: &mut Vec<String>,
) {
    match read {
        Ok(record) => records.push(record.into()),
        Err(rejected) => unreadable.push(rejected.to_string()),
    }
}

impl Vault {
    /// Returns all data of a customer from one state of the vault, or `None` if there is no such
    /// customer.
    ///
    /// # Errors
    /// If the vault or the customer's key cannot be read. A record that does not verify is listed
    /// in [`Export::unreadable`].
    pub fn export(&self, id: CustomerId) -> Result<Option<Export>, VaultError> {
        self.read(|reader| {
            let Some(account) = reader.account(id)? else { return Ok(None) };
            let mut export = Export {
                customer: id,
                record: None,
                consents: Vec::new(),
                templates: Vec::new(),
                orders: Vec::new(),
                replaced_orders: Vec::new(),
                claim_codes: Vec::new(),
                unreadable: Vec::new(),
            };
            let unreadable = &mut export.unreadable;
            match reader.record(&account, RecordKind::Customer, &numbered_name(0))? {
                Ok(record) => export.record = record,
                Err(rejected) => unreadable.push(rejected.to_string()),
            }
            reader.records(&account, RecordKind::Consent, |read: Result<Consent, _>| {
                collect(read, &mut export.consents, unreadable);
            })?;
            reader.records(&account, RecordKind::Template, |read: Result<Template, _>| {
                collect(read, &mut export.templates, unreadable);
            })?;
            reader.records(&account, RecordKind::Claim, |read: Result<Claim, _>| {
                collect(read, &mut export.claim_codes, unreadable);
            })?;
            reader.records(&account, RecordKind::Replaced, |read| {
                collect(read.map(|ReplacedOrder(id)| id), &mut export.replaced_orders, unreadable);
            })?;
            let orders = orders::orders_and_voids(reader, &account)?;
            unreadable.extend(orders.rejected.iter().map(ToString::to_string));
            export.orders = orders.records;
            Ok(Some(export))
        })
    }
}
