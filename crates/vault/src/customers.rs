//! Customers: enrolling, reading, renaming, counting visits.

use instored_domain::{
    ClaimCode, Consent, ConsentMethod, Customer, CustomerId, CustomerName, Embedding, ModelId,
    Preferences, Template,
};
use jiff::Timestamp;

use super::Vault;
use super::audit::{Act, Done, Means};
use super::change::Change;
use super::codes;
use super::error::{Fault, VaultError};
use super::loaded::Loaded;
use super::record::Claim;
use super::schema::{ACCOUNTS, Rows};
use super::slot::{Slot, customer_key, numbered};

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
    /// Stores a new customer with consent, templates, receipt and claim code, all or nothing.
    ///
    /// # Errors
    /// When there is no embedding, the id is taken, or another customer holds the claim code or the
    /// receipt. A claim code that has expired can be given again.
    pub fn enrol(&self, new: &NewEnrolment<'_>) -> Result<Customer, VaultError> {
        let (id, given) = (new.consent.customer, new.consent.given);
        if new.embeddings.is_empty() {
            return Err(VaultError::NoTemplates(id));
        }
        let customer = Customer {
            id,
            name: None,
            enrolled: given,
            visits: 0,
            last_visit: None,
            preferences: Preferences::default(),
        };
        let by = match new.consent.method {
            ConsentMethod::Button => Means::Button,
            ConsentMethod::Command => Means::Command,
        };
        self.change(Act { at: given, by }, |change| {
            if change.is_known(id)? {
                return Err(VaultError::AlreadyEnrolled(id).into());
            }
            change.open_account(id)?;
            change.put(id, Slot::Customer, &numbered(0), &customer)?;
            codes::put_receipt(change, new.consent)?;
            for (sequence, embedding) in (0..).zip(new.embeddings) {
                let template = Template {
                    customer: id,
                    model: new.model.clone(),
                    sequence,
                    created: given,
                    embedding: embedding.clone(),
                };
                change.put(id, Slot::Template, &numbered(sequence), &template)?;
            }
            let claim = Claim { code: new.claim, expires: new.claim_expires };
            codes::put_claim(change, id, &claim, given)?;
            change.note(Done::Enrolled, new.embeddings.len() as u64, Some(id));
            Ok(())
        })?;
        Ok(customer)
    }

    /// Every customer.
    ///
    /// # Errors
    /// When the vault cannot be read; a record that does not verify is refused by itself.
    pub fn customers(&self) -> Result<Loaded<Customer>, VaultError> {
        self.read(|reader| {
            let mut loaded = Loaded::default();
            reader.accounts(|account| {
                match account {
                    Ok(account) => reader.records(&account, Slot::Customer, |_, read| {
                        loaded.push(read);
                    })?,
                    Err(refused) => loaded.refused.push(refused),
                }
                Ok(())
            })?;
            Ok(loaded)
        })
    }

    /// One customer.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record does not verify.
    pub fn customer(&self, id: CustomerId) -> Result<Option<Customer>, VaultError> {
        self.read(|reader| {
            let Some(account) = reader.account(id)? else { return Ok(None) };
            Ok(reader.record(&account, Slot::Customer, &numbered(0))??)
        })
    }

    /// Calls a customer by another name, or by none. `None`: there is no such customer.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record does not verify.
    pub fn rename(
        &self,
        id: CustomerId,
        name: Option<CustomerName>,
        act: Act,
    ) -> Result<Option<Customer>, VaultError> {
        self.change(act, |change| {
            let renamed = change.alter(id, |customer| customer.name = name)?;
            change.note_some(Done::Renamed, renamed.as_ref());
            Ok(renamed)
        })
    }

    /// Keeps what a customer wants to see. `None`: there is no such customer.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record does not verify.
    pub fn set_preferences(
        &self,
        id: CustomerId,
        preferences: Preferences,
        act: Act,
    ) -> Result<Option<Customer>, VaultError> {
        self.change(act, |change| {
            let changed = change.alter(id, |customer| customer.preferences = preferences)?;
            change.note_some(Done::Preferences, changed.as_ref());
            Ok(changed)
        })
    }

    /// Counts a visit, and throws out claim codes that have expired. `None`: there is no such customer.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record does not verify.
    pub fn record_visit(
        &self,
        id: CustomerId,
        at: Timestamp,
    ) -> Result<Option<Customer>, VaultError> {
        self.change(Act { at, by: Means::Camera }, |change| {
            let counted = change.alter(id, |customer| {
                customer.visits = customer.visits.saturating_add(1);
                customer.last_visit = Some(at);
            })?;
            codes::drop_expired(change, id, at)?;
            Ok(counted)
        })
    }
}

impl Change<'_> {
    /// Whether a customer of this id is here, readable or not.
    pub(super) fn is_known(&self, id: CustomerId) -> Result<bool, Fault> {
        Ok(self.tx().row(ACCOUNTS, &customer_key(id))?.is_some())
    }

    fn alter(
        &mut self,
        id: CustomerId,
        alter: impl FnOnce(&mut Customer),
    ) -> Result<Option<Customer>, Fault> {
        if self.account(id)?.is_none() {
            return Ok(None);
        }
        let Some(mut customer) = self.get::<Customer>(id, Slot::Customer, &numbered(0))? else {
            return Ok(None);
        };
        alter(&mut customer);
        self.put(id, Slot::Customer, &numbered(0), &customer)?;
        Ok(Some(customer))
    }

    fn note_some(&mut self, done: Done, customer: Option<&Customer>) {
        if let Some(customer) = customer {
            self.note(done, 1, Some(customer.id));
        }
    }
}
