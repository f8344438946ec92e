//! MQTT commands of tills, displays and home automation.

use std::collections::BTreeSet;

use instored_domain::{
    Allergen, CatalogueChange, Command, CommandFailure, CommandFailureCode, CommandResponse,
    Customer, CustomerId, CustomerRef, Preferences, Product, ResponseAddress,
};

use crate::controller::Controller;
use crate::effect::{Effect, VisionCommand};
use crate::operator::OperatorResponse;
use crate::purchases::BuyerAction;
use crate::settings::FaceOpens;
use crate::store::{Origin, StoreRequest, StoreResult};

impl Controller {
    /// Executes an MQTT command. The response follows at once, or when the vault has executed it.
    pub(super) fn handle_command(&mut self, command: Command, address: Option<ResponseAddress>) {
        let at = self.now();
        match command {
            Command::Present { republishes_greetings } => {
                self.list_present_customers(republishes_greetings, address);
            }
            Command::Enrol { language } => {
                let response = self.offer_by_command(language, address.as_ref());
                self.respond_to_command(address, response);
            }
            Command::Agree { code } => {
                let response = self.agree_by_command(code);
                self.respond_to_command(address, response);
            }
            Command::Forget { customer, code } => {
                self.forget_with_code(customer, Some(code), Origin::Command(address));
            }
            Command::NotMe { customer } => {
                let dismissed = self.dismiss(customer);
                self.respond_to_command(address, dismissed);
            }
            Command::Rename { customer, name } => {
                let origin = Origin::Command(address);
                self.store(StoreRequest::Rename { customer, name, at, origin });
            }
            Command::Preferences { customer, can_recommend, can_show_history, allergens } => {
                let changes = PreferenceChanges { can_recommend, can_show_history, allergens };
                self.store(StoreRequest::ChangePreferences { customer, changes, at, address });
            }
            Command::History { .. } if self.settings.face_opens == FaceOpens::Greeting => {
                let message = "the shop shows no past orders to a face alone (shop.face_opens)";
                let failure = CommandFailure::new(CommandFailureCode::SwitchedOff, message);
                self.respond_to_command(address, Err(failure));
            }
            Command::History { customer, view, page } => match page.check() {
                Ok(()) => {
                    self.store(StoreRequest::ReadHistory { customer, view, page, at, address });
                }
                Err(error) => {
                    self.respond_to_command(address, Err(CommandFailure::malformed(error)))
                }
            },
            Command::AtTill { buyer, till } => {
                self.find_buyer(buyer, BuyerAction::AssignToTill(till), address);
            }
            Command::Order { buyer, order } => self.handle_till_order(buyer, order, address),
            Command::List { buyer, add, remove } => {
                self.find_buyer(buyer, BuyerAction::ChangeList { add, remove }, address);
            }
            Command::Catalogue { products, remove } => {
                self.change_catalogue(products, remove, Origin::Command(address));
            }
        }
    }

    /// Responds with the customers in view, and republishes their greetings if requested.
    fn list_present_customers(
        &mut self,
        republishes_greetings: bool,
        address: Option<ResponseAddress>,
    ) {
        if republishes_greetings {
            let greeted: Vec<_> = self.greeted.keys().copied().collect();
            greeted.into_iter().for_each(|customer| self.refresh_greeting(customer));
        }
        self.store(StoreRequest::ReadNames { customers: self.present.clone(), address });
    }

    /// Ends the visit of a customer who was recognised wrongly.
    fn dismiss(&mut self, customer: CustomerId) -> Result<CommandResponse, CommandFailure> {
        if !self.greeted.contains_key(&customer) {
            let message = format!("customer {customer} was not greeted or has left");
            return Err(CommandFailure::not_found(message));
        }
        self.effects.push(Effect::Vision(VisionCommand::DismissCustomer(customer)));
        self.hide(customer);
        self.end_visit(customer);
        self.state.not_me_reports += 1;
        self.publish_state();
        Ok(CommandResponse::Dismissed(customer))
    }

    pub(super) fn complete_rename(
        &mut self,
        customer: CustomerId,
        origin: Origin,
        result: StoreResult<Option<Customer>>,
    ) {
        let renamed = require_customer(customer, result);
        if renamed.is_ok() {
            self.refresh_greeting(customer);
        }
        match origin {
            Origin::Operator(client) => {
                self.respond_to_client(client, renamed.map(OperatorResponse::Customer))
            }
            Origin::Command(address) => {
                let response = renamed.map(|Customer { id, name, .. }| CustomerRef { id, name });
                self.respond_to_command(address, response.map(CommandResponse::Renamed));
            }
            Origin::Button | Origin::Retention => {}
        }
    }

    pub(super) fn complete_preferences(
        &mut self,
        customer: CustomerId,
        is_change: bool,
        address: Option<ResponseAddress>,
        result: StoreResult<Option<Customer>>,
    ) {
        let stored = require_customer(customer, result);
        if is_change && stored.is_ok() {
            self.refresh_greeting(customer);
        }
        let response = stored.map(|stored| CommandResponse::Preferences {
            customer,
            preferences: stored.preferences,
        });
        self.respond_to_command(address, response);
    }

    /// Changes the catalogue in the vault, and then in memory.
    pub(super) fn change_catalogue(
        &mut self,
        products: Vec<Product>,
        removed: Vec<String>,
        origin: Origin,
    ) {
        let at = self.now();
        self.store(StoreRequest::ChangeCatalogue { products, removed, at, origin });
    }

    pub(super) fn complete_catalogue_change(
        &mut self,
        products: &[Product],
        removed: &[String],
        origin: Origin,
        result: Result<CatalogueChange, CommandFailure>,
    ) {
        if result.is_ok() {
            self.recommendations.change_catalogue(products, removed);
        }
        match origin {
            Origin::Operator(client) => {
                self.respond_to_client(client, result.map(OperatorResponse::Catalogue))
            }
            Origin::Command(address) => {
                self.respond_to_command(address, result.map(CommandResponse::Catalogue));
            }
            Origin::Button | Origin::Retention => {}
        }
    }
}

/// Preferences that a command changes; `None` keeps the stored value.
#[derive(Debug)]
pub struct PreferenceChanges {
    /// True if products may be recommended.
    pub can_recommend: Option<bool>,
    /// True if a display may show past orders.
    pub can_show_history: Option<bool>,
    /// Allergens to avoid.
    pub allergens: Option<BTreeSet<Allergen>>,
}

impl PreferenceChanges {
    /// Returns true if nothing changes.
    pub fn is_empty(&self) -> bool {
        self.can_recommend.is_none() && self.can_show_history.is_none() && self.allergens.is_none()
    }

    /// Returns the changed preferences.
    pub fn apply(self, old: Preferences) -> Preferences {
        Preferences {
            can_recommend: self.can_recommend.unwrap_or(old.can_recommend),
            can_show_history: self.can_show_history.unwrap_or(old.can_show_history),
            allergens: self.allergens.unwrap_or(old.allergens),
        }
    }
}

/// Returns the result, or a failure if the customer does not exist.
pub(super) fn require_customer<T>(
    customer: CustomerId,
    result: StoreResult<Option<T>>,
) -> Result<T, CommandFailure> {
    result?.ok_or_else(|| CommandFailure::unknown_customer(customer))
}
