//! Customers: enrolment, reading, renaming, preferences, visits.

use instored_domain::{
    ClaimCode, Consent, ConsentMethod, Customer, CustomerId, CustomerName, Embedding, ModelId,
    Order, Preferences, Template,
};
use jiff::Timestamp;

use crate::audit::{Actor, AuditAction, AuditContext};
use crate::codes;
use crate::consent_texts;
use crate::error::{TransactionError, VaultError};
use crate::record::Claim;
use crate::record_key::{RecordKind, numbered_name};
use crate::vault::Vault;
use crate::verified::Verified;
use crate::write_transaction::WriteTransaction;

/// Data of a new customer: templates are stored only together with a consent.
pub struct NewEnrolment<'a> {
    /// Consent of the customer; its time is the time of the enrolment.
    pub consent: &'a Consent,
    /// Text that the person could read before. It is stored once for all customers.
    pub consent_text: &'a str,
    /// Model that computed the embeddings.
    pub model: &'a ModelId,
    /// Embeddings of the customer's face, one per view. At least one is needed.
    pub embeddings: &'a [Embedding],
    /// Code by which a till can identify the customer.
    pub claim: ClaimCode,
    /// Expiry of the code.
    pub claim_expires: Timestamp,
    /// Message that announces the enrolment; stored in the same commit, see [`Vault::outbox`].
    pub announcement: &'a [u8],
    /// True if a time server confirms the time of the consent.
    pub is_clock_confirmed: bool,
}

impl Vault {
    /// Stores a new customer with consent, templates, receipt and claim code in one commit.
    ///
    /// # Errors
    /// If there is no embedding, a customer has this id, another customer has the same receipt, or
    /// the claim code is an unexpired claim code of another customer.
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
            deletion_due: None,
            has_unconfirmed_time: !new.is_clock_confirmed,
            preferences: Preferences::default(),
        };
        let actor = match new.consent.method {
            ConsentMethod::Button => Actor::Button,
            ConsentMethod::Display | ConsentMethod::Command => Actor::Command,
        };
        self.write(AuditContext { at: given, actor }, |transaction| {
            if transaction.has_account(id)? {
                return Err(VaultError::AlreadyEnrolled(id).into());
            }
            transaction.create_account(id)?;
            transaction.put(id, RecordKind::Customer, &numbered_name(0), &customer)?;
            codes::put_receipt(transaction, new.consent)?;
            consent_texts::put(transaction, new.consent_text)?;
            for (sequence, embedding) in (0..).zip(new.embeddings) {
                let template = Template {
                    customer: id,
                    model: new.model.clone(),
                    sequence,
                    created: given,
                    embedding: embedding.clone(),
                };
                transaction.put(id, RecordKind::Template, &numbered_name(sequence), &template)?;
            }
            let claim = Claim { code: new.claim, expires: new.claim_expires };
            codes::put_claim(transaction, id, &claim, given)?;
            transaction.queue_about(id, new.announcement)?;
            transaction.audit(AuditAction::Enrolled, new.embeddings.len() as u64, Some(id));
            Ok(())
        })?;
        Ok(customer)
    }

    /// Returns every customer.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn customers(&self) -> Result<Verified<Customer>, VaultError> {
        self.read(|reader| {
            let mut customers = Verified::default();
            reader.accounts(|account| {
                match account {
                    Ok(account) => {
                        reader.records(&account, RecordKind::Customer, |read| {
                            customers.push(read);
                        })?;
                    }
                    Err(rejected) => customers.rejected.push(rejected),
                }
                Ok(())
            })?;
            Ok(customers)
        })
    }

    /// Returns a customer, or `None` if there is no such customer.
    ///
    /// # Errors
    /// [`VaultError::Rejected`] if the record does not verify.
    pub fn customer(&self, id: CustomerId) -> Result<Option<Customer>, VaultError> {
        self.read(|reader| {
            let Some(account) = reader.account(id)? else { return Ok(None) };
            Ok(reader.record(&account, RecordKind::Customer, &numbered_name(0))??)
        })
    }

    /// Sets or removes a customer's name. Returns `None` if there is no such customer.
    ///
    /// # Errors
    /// [`VaultError::Rejected`] if the record does not verify.
    pub fn rename(
        &self,
        id: CustomerId,
        name: Option<CustomerName>,
        context: AuditContext,
    ) -> Result<Option<Customer>, VaultError> {
        self.alter_and_log(id, context, AuditAction::Renamed, |customer| customer.name = name)
    }

    /// Sets a customer's preferences. Returns `None` if there is no such customer.
    ///
    /// # Errors
    /// [`VaultError::Rejected`] if the record does not verify.
    pub fn set_preferences(
        &self,
        id: CustomerId,
        preferences: Preferences,
        context: AuditContext,
    ) -> Result<Option<Customer>, VaultError> {
        self.alter_and_log(id, context, AuditAction::Preferences, |customer| {
            customer.preferences = preferences;
        })
    }

    /// Counts a visit at a time that a time server confirms. Returns `None` if there is no such customer.
    ///
    /// # Errors
    /// [`VaultError::Rejected`] if the record does not verify.
    pub fn record_visit(
        &self,
        id: CustomerId,
        at: Timestamp,
    ) -> Result<Option<Customer>, VaultError> {
        let visit = self.record_visit_and_read_orders(id, at, true, |_| 0)?;
        Ok(visit.map(|(customer, _)| customer))
    }

    /// Counts a visit like [`Vault::record_visit`], and returns the customer with their newest orders,
    /// at most as many as `order_limit` returns. Opens the customer's records once.
    ///
    /// # Errors
    /// [`VaultError::Rejected`] if the customer's record does not verify. A damaged order is rejected
    /// alone.
    pub fn record_visit_and_read_orders(
        &self,
        id: CustomerId,
        at: Timestamp,
        is_clock_confirmed: bool,
        order_limit: impl FnOnce(&Customer) -> usize,
    ) -> Result<Option<(Customer, Verified<Order>)>, VaultError> {
        self.write(AuditContext { at, actor: Actor::Camera }, |transaction| {
            let customer = transaction.alter(id, |customer| {
                customer.visits = customer.visits.saturating_add(1);
                // A clock that went back must not make a customer look inactive. A confirmed time
                // replaces one that was not.
                customer.last_visit = match customer.last_visit {
                    Some(_) if is_clock_confirmed && customer.has_unconfirmed_time => Some(at),
                    last => last.max(Some(at)),
                };
                customer.has_unconfirmed_time = !is_clock_confirmed;
                customer.deletion_due = None;
            })?;
            let Some(customer) = customer else { return Ok(None) };
            let limit = order_limit(&customer);
            let orders = transaction.newest_orders(id, limit)?;
            Ok(Some((customer, orders)))
        })
    }

    /// Sets the last visit of customers to `at`, because the clock was not confirmed at their last visit.
    ///
    /// # Errors
    /// If the vault cannot be written, or a record does not verify; nobody is changed then.
    pub fn confirm_times(&self, customers: &[CustomerId], at: Timestamp) -> Result<(), VaultError> {
        self.write(AuditContext { at, actor: Actor::Retention }, |transaction| {
            for id in customers {
                transaction.alter(*id, |customer| {
                    customer.last_visit = Some(at);
                    customer.has_unconfirmed_time = false;
                })?;
            }
            Ok(())
        })
    }

    /// Marks customers for deletion at `due`, or removes their marks. A visit removes the mark too.
    ///
    /// # Errors
    /// If the vault cannot be written, or a record does not verify; nobody is marked then.
    pub fn set_deletion_due(
        &self,
        customers: &[CustomerId],
        due: Option<Timestamp>,
        context: AuditContext,
    ) -> Result<(), VaultError> {
        self.write(context, |transaction| {
            for id in customers {
                transaction.alter(*id, |customer| customer.deletion_due = due)?;
            }
            if due.is_some() {
                transaction.audit(AuditAction::MarkedDue, customers.len() as u64, None);
            }
            Ok(())
        })
    }

    /// Alters a customer's record and logs the change. Returns `None` if there is no such customer.
    fn alter_and_log(
        &self,
        id: CustomerId,
        context: AuditContext,
        action: AuditAction,
        change: impl FnOnce(&mut Customer),
    ) -> Result<Option<Customer>, VaultError> {
        self.write(context, |transaction| {
            let customer = transaction.alter(id, change)?;
            if customer.is_some() {
                transaction.audit(action, 1, Some(id));
            }
            Ok(customer)
        })
    }
}

impl WriteTransaction<'_> {
    /// Alters a customer's record. Returns `None` if there is no such customer.
    fn alter(
        &mut self,
        id: CustomerId,
        change: impl FnOnce(&mut Customer),
    ) -> Result<Option<Customer>, TransactionError> {
        if self.account(id)?.is_none() {
            return Ok(None);
        }
        let name = numbered_name(0);
        let Some(mut customer) = self.get::<Customer>(id, RecordKind::Customer, &name)? else {
            return Ok(None);
        };
        change(&mut customer);
        self.put(id, RecordKind::Customer, &name, &customer)?;
        Ok(Some(customer))
    }
}
