//! Customers: enrolling, reading, renaming, counting visits.

use jiff::Timestamp;
use redb::{ReadableTable, WriteTransaction};

use crate::domain::{
    ClaimCode, Consent, Customer, CustomerId, CustomerName, Embedding, ModelId, Template,
};

use super::claims;
use super::error::{Fault, VaultError};
use super::loaded::{Loaded, Refused};
use super::record::Seal;
use super::schema::{
    CLAIMS, CONSENTS, CUSTOMERS, TEMPLATES, claim_key, consent_key, customer_key, leading_customer,
    template_key,
};
use super::{Vault, record};

/// A person who just opted in. There is no other way into the vault for a template, and this one
/// asks for the consent.
pub struct NewEnrolment<'a> {
    /// What they agreed to; it names them, and its time is the enrolment's.
    pub consent: &'a Consent,
    /// The model that made the embeddings.
    pub model: &'a ModelId,
    /// Their face, once a view; at least one.
    pub embeddings: &'a [Embedding],
    /// With it a till names them.
    pub claim: ClaimCode,
    /// Until when.
    pub claim_expires: Timestamp,
}

impl Vault {
    /// Stores a new customer with consent, templates and claim code, all or nothing. Claim codes
    /// that expired before the consent was given are thrown out on the way.
    ///
    /// # Errors
    /// When there is no embedding, the id is taken, or another customer holds the claim code.
    pub fn enrol(&self, new: &NewEnrolment<'_>) -> Result<Customer, VaultError> {
        let (id, given) = (new.consent.customer, new.consent.given);
        if new.embeddings.is_empty() {
            return Err(VaultError::NoTemplates(id));
        }
        let customer = Customer { id, name: None, enrolled: given, visits: 0, last_visit: None };
        self.storage.write(|txn| {
            if txn.open_table(CUSTOMERS)?.get(customer_key(id).as_slice())?.is_some() {
                return Err(VaultError::AlreadyEnrolled(id).into());
            }
            put_customer(txn, &self.seal, &customer)?;

            let key = consent_key(new.consent);
            let record = self.seal.sign(&key, new.consent)?;
            txn.open_table(CONSENTS)?.insert(key.as_slice(), record.as_slice())?;

            let mut templates = txn.open_table(TEMPLATES)?;
            for (sequence, embedding) in (0..).zip(new.embeddings) {
                let template = Template {
                    customer: id,
                    model: new.model.clone(),
                    sequence,
                    created: given,
                    embedding: embedding.clone(),
                };
                let key = template_key(&template);
                templates.insert(key.as_slice(), self.seal.sign(&key, &template)?.as_slice())?;
            }

            let mut table = txn.open_table(CLAIMS)?;
            claims::drop_expired(&mut table, &self.seal, given)?;
            if claims::is_taken(&table, &new.claim)? {
                return Err(VaultError::ClaimTaken.into());
            }
            let key = claim_key(&new.claim, id);
            let claim = record::Claim { customer: id, expires: new.claim_expires };
            table.insert(key.as_slice(), self.seal.sign(&key, &claim)?.as_slice())?;
            Ok(())
        })?;
        Ok(customer)
    }

    /// Every customer.
    ///
    /// # Errors
    /// When the vault cannot be read; a record that does not verify is refused by itself.
    pub fn customers(&self) -> Result<Loaded<Customer>, VaultError> {
        self.storage.read(|txn| {
            let mut loaded = Loaded::default();
            for entry in txn.open_table(CUSTOMERS)?.iter()? {
                let (key, value) = entry?;
                loaded.push(read_customer(&self.seal, key.value(), value.value()));
            }
            Ok(loaded)
        })
    }

    /// One customer.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record does not verify.
    pub fn customer(&self, id: CustomerId) -> Result<Option<Customer>, VaultError> {
        self.storage.read(|txn| get_customer(&txn.open_table(CUSTOMERS)?, &self.seal, id))
    }

    /// Calls a customer by another name, or by none. `None`: there is no such customer.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record does not verify.
    pub fn rename(
        &self,
        id: CustomerId,
        name: Option<CustomerName>,
    ) -> Result<Option<Customer>, VaultError> {
        self.change(id, |customer| customer.name = name)
    }

    /// Counts a visit. `None`: there is no such customer.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record does not verify.
    pub fn record_visit(
        &self,
        id: CustomerId,
        at: Timestamp,
    ) -> Result<Option<Customer>, VaultError> {
        self.change(id, |customer| {
            customer.visits = customer.visits.saturating_add(1);
            customer.last_visit = Some(at);
        })
    }

    fn change(
        &self,
        id: CustomerId,
        change: impl FnOnce(&mut Customer),
    ) -> Result<Option<Customer>, VaultError> {
        self.storage.write(|txn| {
            let found = get_customer(&txn.open_table(CUSTOMERS)?, &self.seal, id)?;
            let Some(mut customer) = found else { return Ok(None) };
            change(&mut customer);
            put_customer(txn, &self.seal, &customer)?;
            Ok(Some(customer))
        })
    }
}

fn put_customer(txn: &WriteTransaction, seal: &Seal, customer: &Customer) -> Result<(), Fault> {
    let key = customer_key(customer.id);
    let record = seal.sign(&key, customer)?;
    txn.open_table(CUSTOMERS)?.insert(key.as_slice(), record.as_slice())?;
    Ok(())
}

fn get_customer(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    seal: &Seal,
    id: CustomerId,
) -> Result<Option<Customer>, Fault> {
    let key = customer_key(id);
    let Some(value) = table.get(key.as_slice())? else { return Ok(None) };
    let read = read_customer(seal, &key, value.value());
    Ok(Some(read.map_err(VaultError::Refused)?))
}

pub(super) fn read_customer(seal: &Seal, key: &[u8], value: &[u8]) -> Result<Customer, Refused> {
    seal.verify(key, value)
        .map_err(|fault| Refused::person(format!("record of {}", whose(key)), &fault))
}

/// "customer 67e5…", from the id that leads a key.
pub(super) fn whose(key: &[u8]) -> String {
    leading_customer(key)
        .map_or_else(|| "an unknown customer".into(), |id| format!("customer {id}"))
}
