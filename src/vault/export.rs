//! Everything of one customer, for the customer.

use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable};
use serde::{Serialize, Serializer};

use crate::domain::{ClaimCode, Consent, Customer, CustomerId, Embedding, ModelId, Order};

use super::Vault;
use super::claims::read_claim;
use super::customers::{read_customer, whose};
use super::error::{Fault, VaultError};
use super::loaded::Refused;
use super::orders::read_order;
use super::schema::{
    Bytes, CLAIMS, CONSENTS, CUSTOMERS, ORDERS, TEMPLATES, claim_parts, customer_key, with_prefix,
};
use super::templates::read_template;

/// All that the vault keeps of a customer. It is their data, so it holds the faces too.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Export {
    /// Who.
    pub customer: CustomerId,
    /// Their record; absent when it does not verify.
    pub record: Option<Customer>,
    /// What they agreed to.
    pub consents: Vec<Consent>,
    /// Their face.
    pub templates: Vec<ExportedTemplate>,
    /// What they bought, newest first.
    pub orders: Vec<Order>,
    /// Codes by which a till may name them.
    pub claim_codes: Vec<ExportedClaim>,
    /// What is kept and cannot be read, a sentence each.
    pub unreadable: Vec<String>,
}

/// One view of the customer's face.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ExportedTemplate {
    /// The model that made it.
    pub model: ModelId,
    /// Which of the customer's templates, from 0.
    pub sequence: u32,
    /// When it was made.
    pub created: Timestamp,
    /// The face: a unit vector.
    #[serde(serialize_with = "values")]
    pub embedding: Embedding,
}

/// A claim code.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ExportedClaim {
    /// The code.
    pub code: ClaimCode,
    /// Until when it names the customer.
    pub expires: Timestamp,
}

fn values<S: Serializer>(embedding: &Embedding, serializer: S) -> Result<S::Ok, S::Error> {
    embedding.values().serialize(serializer)
}

impl Vault {
    /// Everything of a customer, from one moment. `None`: there is no such customer.
    ///
    /// # Errors
    /// When the vault cannot be read; what does not verify is named in [`Export::unreadable`].
    pub fn export(&self, id: CustomerId) -> Result<Option<Export>, VaultError> {
        self.storage.read(|txn| {
            let prefix = customer_key(id);
            let mut unreadable = Vec::new();
            let mut keep = |refused: Refused| unreadable.push(refused.to_string());

            let mut record = None;
            match txn.open_table(CUSTOMERS)?.get(prefix.as_slice())? {
                None => return Ok(None),
                Some(value) => match read_customer(&self.seal, &prefix, value.value()) {
                    Ok(customer) => record = Some(customer),
                    Err(refused) => keep(refused),
                },
            }
            let consents = gather(txn, CONSENTS, &prefix, &mut keep, |key, value| {
                self.seal
                    .verify(key, value)
                    .map_err(|fault| Refused::person(format!("consent of {}", whose(key)), &fault))
            })?;
            let templates = gather(txn, TEMPLATES, &prefix, &mut keep, |key, value| {
                let t = read_template(&self.seal, key, value)?;
                Ok(ExportedTemplate {
                    model: t.model,
                    sequence: t.sequence,
                    created: t.created,
                    embedding: t.embedding,
                })
            })?;
            let mut orders = gather(txn, ORDERS, &prefix, &mut keep, read_order)?;
            orders.reverse();
            let mut claim_codes = Vec::new();
            for entry in txn.open_table(CLAIMS)?.iter()? {
                let (key, value) = entry?;
                let Some((code, _)) = claim_parts(key.value()).filter(|(_, of)| *of == id) else {
                    continue;
                };
                match read_claim(&self.seal, key.value(), value.value()) {
                    Ok(claim) => claim_codes.push(ExportedClaim { code, expires: claim.expires }),
                    Err(refused) => keep(refused),
                }
            }
            let customer = id;
            Ok(Some(Export {
                customer,
                record,
                consents,
                templates,
                orders,
                claim_codes,
                unreadable,
            }))
        })
    }
}

/// The records of one customer in `table`; those that are refused go to `keep`.
fn gather<T>(
    txn: &ReadTransaction,
    table: Bytes,
    prefix: &[u8],
    keep: &mut impl FnMut(Refused),
    read: impl Fn(&[u8], &[u8]) -> Result<T, Refused>,
) -> Result<Vec<T>, Fault> {
    let mut records = Vec::new();
    let table = txn.open_table(table)?;
    for entry in with_prefix(&table, prefix)? {
        let (key, value) = entry?;
        match read(key.value(), value.value()) {
            Ok(record) => records.push(record),
            Err(refused) => keep(refused),
        }
    }
    Ok(records)
}
