//! MQTT commands of tills, displays and home automation.

use std::collections::BTreeSet;

use instored_domain::{
    Allergen, CatalogueChange, Command, CommandFailure, CommandFailureCode, CommandResponse,
    ConsentMethod, Customer, CustomerId, CustomerName, CustomerRef, HistoryView, Page, Preferences,
    Product,
};
use instored_mqtt::ResponseAddress;
use instored_vault::{Actor, AuditContext, ForgetSummary};
use jiff::Timestamp;

use super::admin_api::{
    change_catalogue, forget, history_page, internal_failure, require_customer,
};
use super::controller::Controller;
use super::vision_worker::VisionCommand;

impl Controller {
    /// Executes an MQTT command. Returns `None` if the response is in the outbox.
    pub fn handle_command(
        &mut self,
        command: Command,
        response_address: Option<&ResponseAddress>,
    ) -> Result<Option<CommandResponse>, CommandFailure> {
        let context = audit_context(Actor::Command);
        let response = match command {
            Command::Present { republishes_greetings } => {
                self.list_present_customers(republishes_greetings)
            }
            Command::Enrol { language, is_another_person } => {
                self.begin_enrolment(ConsentMethod::Command, language, is_another_person)?;
                Ok(CommandResponse::Enrolling {})
            }
            Command::Forget { customer } => {
                self.forget(customer, Actor::Command)?;
                Ok(CommandResponse::Forgotten(customer))
            }
            Command::NotMe { customer } => self.dismiss(customer),
            Command::Rename { customer, name } => self.rename(customer, name, context),
            Command::Preferences { customer, can_recommend, can_show_history, allergens } => {
                let changes = PreferenceChanges { can_recommend, can_show_history, allergens };
                self.change_preferences(customer, changes, context)
            }
            Command::History { customer, view, page } => self.history(customer, view, page),
            Command::AtTill { buyer, till } => {
                let customer = self.resolve_buyer(&buyer, None, context.at)?;
                let until = self.till_assignments.assign(&till, customer, context.at);
                Ok(CommandResponse::AtTill { customer, till, until })
            }
            Command::Order { buyer, order } => {
                return self.add_till_order(&buyer, order, response_address, context);
            }
            Command::List { buyer, add, remove } => {
                let customer = self.resolve_buyer(&buyer, None, context.at)?;
                let list = self.update_list(customer, &add, &remove, context.at)?;
                Ok(CommandResponse::List(list))
            }
            Command::Catalogue { products, remove } => {
                self.update_catalogue(&products, &remove, context).map(CommandResponse::Catalogue)
            }
        };
        response.map(Some)
    }

    fn list_present_customers(
        &mut self,
        republishes_greetings: bool,
    ) -> Result<CommandResponse, CommandFailure> {
        if republishes_greetings {
            let greeted: Vec<_> = self.greeted.keys().copied().collect();
            for id in greeted {
                self.refresh_greeting(id);
            }
        }
        let mut present = Vec::new();
        for id in self.present_customers() {
            if let Some(Customer { id, name, .. }) =
                self.vault.customer(id).map_err(internal_failure)?
            {
                present.push(CustomerRef { id, name });
            }
        }
        Ok(CommandResponse::Present(present))
    }

    /// Ends the visit of a customer who was recognised wrongly.
    fn dismiss(&mut self, customer: CustomerId) -> Result<CommandResponse, CommandFailure> {
        if !self.greeted.contains_key(&customer) {
            let message = format!("customer {customer} is not being greeted");
            return Err(CommandFailure::new(CommandFailureCode::NotFound, message));
        }
        self.vision.send(VisionCommand::DismissCustomer(customer));
        self.end_visit(customer);
        self.state.not_me_reports += 1;
        self.publish_state();
        Ok(CommandResponse::Dismissed(customer))
    }

    fn rename(
        &mut self,
        customer: CustomerId,
        name: Option<CustomerName>,
        context: AuditContext,
    ) -> Result<CommandResponse, CommandFailure> {
        let renamed = self.vault.rename(customer, name, context);
        let Customer { id, name, .. } = require_customer(customer, renamed)?;
        self.refresh_greeting(id);
        Ok(CommandResponse::Renamed(CustomerRef { id, name }))
    }

    /// Changes a customer's preferences and returns them. Without changes, returns the stored
    /// preferences.
    fn change_preferences(
        &mut self,
        customer: CustomerId,
        changes: PreferenceChanges,
        context: AuditContext,
    ) -> Result<CommandResponse, CommandFailure> {
        let old = self.customer(customer)?.preferences;
        if changes.is_empty() {
            return Ok(CommandResponse::Preferences { customer, preferences: old });
        }
        let changed = self.vault.set_preferences(customer, changes.apply(old), context);
        let preferences = require_customer(customer, changed)?.preferences;
        self.refresh_greeting(customer);
        Ok(CommandResponse::Preferences { customer, preferences })
    }

    /// Returns a page of a customer's history, unless the customer has switched the history off.
    fn history(
        &self,
        customer: CustomerId,
        view: HistoryView,
        page: Page,
    ) -> Result<CommandResponse, CommandFailure> {
        if !self.customer(customer)?.preferences.can_show_history {
            let message = format!("customer {customer} has switched their history off");
            return Err(CommandFailure::new(CommandFailureCode::SwitchedOff, message));
        }
        let (history, rejected) =
            history_page(&self.vault, customer, view, page, Timestamp::now())?;
        for rejected in rejected {
            tracing::error!("{rejected}");
        }
        Ok(CommandResponse::History(history))
    }

    /// Changes the catalogue in the vault and in memory.
    pub fn update_catalogue(
        &mut self,
        products: &[Product],
        removed_skus: &[String],
        context: AuditContext,
    ) -> Result<CatalogueChange, CommandFailure> {
        let change = change_catalogue(&self.vault, products, removed_skus, context)?;
        self.recommendations.change_catalogue(products, removed_skus);
        Ok(change)
    }

    /// Deletes a customer from the vault, and then from memory.
    pub fn forget(
        &mut self,
        customer: CustomerId,
        actor: Actor,
    ) -> Result<ForgetSummary, CommandFailure> {
        let summary = forget(&self.vault, &self.box_id, customer, audit_context(actor))?;
        self.remove_from_memory(customer);
        self.compaction.request(&self.vault);
        Ok(summary)
    }

    /// Returns an enrolled customer.
    pub fn customer(&self, id: CustomerId) -> Result<Customer, CommandFailure> {
        require_customer(id, self.vault.customer(id))
    }
}

/// Preferences that a command changes; `None` keeps the stored value.
struct PreferenceChanges {
    can_recommend: Option<bool>,
    can_show_history: Option<bool>,
    allergens: Option<BTreeSet<Allergen>>,
}

impl PreferenceChanges {
    fn is_empty(&self) -> bool {
        self.can_recommend.is_none() && self.can_show_history.is_none() && self.allergens.is_none()
    }

    fn apply(self, old: Preferences) -> Preferences {
        Preferences {
            can_recommend: self.can_recommend.unwrap_or(old.can_recommend),
            can_show_history: self.can_show_history.unwrap_or(old.can_show_history),
            allergens: self.allergens.unwrap_or(old.allergens),
        }
    }
}

/// Returns the audit context of a change that `actor` makes now.
pub(super) fn audit_context(actor: Actor) -> AuditContext {
    AuditContext { at: Timestamp::now(), actor }
}
