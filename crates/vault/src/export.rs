//! Everything of one customer, for the customer.

use instored_domain::{
    ClaimCode, Consent, Customer, CustomerId, Embedding, ModelId, Order, OrderId, Template,
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::Vault;
use super::error::VaultError;
use super::loaded::Refused;
use super::orders;
use super::record::{Claim, ReplacedOrder};
use super::slot::{Slot, numbered};

/// All that the vault keeps of a customer. It is their data, so it holds the faces too.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Export {
    /// Who.
    pub customer: CustomerId,
    /// Their record, with what they want to see; absent when it does not verify.
    pub record: Option<Customer>,
    /// What they agreed to, each with its receipt.
    pub consents: Vec<Consent>,
    /// Their face.
    pub templates: Vec<ExportedTemplate>,
    /// What they bought, newest first; with what makes an order void.
    pub orders: Vec<Order>,
    /// Orders that others took the place of; their contents are gone.
    pub replaced_orders: Vec<OrderId>,
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
    /// When the vault or the customer's key cannot be read; a record that does not verify is named
    /// in [`Export::unreadable`].
    pub fn export(&self, id: CustomerId) -> Result<Option<Export>, VaultError> {
        self.read(|reader| {
            let Some(account) = reader.account(id)? else { return Ok(None) };
            let mut unreadable = Vec::new();
            let mut keep = |refused: Refused| unreadable.push(refused.to_string());
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
            match reader.record(&account, Slot::Customer, &numbered(0))? {
                Ok(record) => export.record = record,
                Err(refused) => keep(refused),
            }
            reader.records(&account, Slot::Consent, |_, read| match read {
                Ok(consent) => export.consents.push(consent),
                Err(refused) => keep(refused),
            })?;
            reader.records(
                &account,
                Slot::Template,
                |_, read: Result<Template, _>| match read {
                    Ok(t) => export.templates.push(ExportedTemplate {
                        model: t.model,
                        sequence: t.sequence,
                        created: t.created,
                        embedding: t.embedding,
                    }),
                    Err(refused) => keep(refused),
                },
            )?;
            reader.records(&account, Slot::Claim, |_, read: Result<Claim, _>| match read {
                Ok(Claim { code, expires }) => {
                    export.claim_codes.push(ExportedClaim { code, expires });
                }
                Err(refused) => keep(refused),
            })?;
            reader.records(&account, Slot::Replaced, |_, read| match read {
                Ok(ReplacedOrder(id)) => export.replaced_orders.push(id),
                Err(refused) => keep(refused),
            })?;
            let orders = orders::all_of(reader, &account)?;
            export.orders = orders.good;
            orders.refused.into_iter().for_each(keep);
            export.unreadable = unreadable;
            Ok(Some(export))
        })
    }
}
