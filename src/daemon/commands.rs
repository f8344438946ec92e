//! What the desk does when it is asked: by a till or a display over MQTT, by the operator over the
//! control socket.

use instored_domain::{
    BuyerRef, Command, CommandFailure, CommandFailureCode, CommandResponse, ConsentMethod,
    Customer, CustomerId, CustomerRef, ListItem, Order, Preferences, ShoppingList, ShoppingLists,
    TillOrder,
};
use instored_vault::{Actor, AddOrderOutcome, AuditContext, ForgetSummary};
use jiff::Timestamp;

use super::admin_api::{
    self, Request, Response, change_catalogue, found, internal, look_back, malformed, not_taken,
};
use super::controller::Controller;
use super::vision_worker::VisionCommand;

impl Controller {
    /// A till, a display or the home automation asks.
    pub fn command(&mut self, command: Command) -> Result<CommandResponse, CommandFailure> {
        let act = act(Actor::Command);
        Ok(match command {
            Command::Present {} => {
                let here = self.present_customers().into_iter();
                let known = here.map(|id| self.vault.customer(id).map_err(internal));
                let known = known.collect::<Result<Vec<_>, _>>()?;
                let name = |c: Customer| CustomerRef { id: c.id, name: c.name };
                CommandResponse::Present(known.into_iter().flatten().map(name).collect())
            }
            Command::Enrol { language, is_another_person } => {
                self.begin_enrolment(ConsentMethod::Command, language, is_another_person)?;
                CommandResponse::Enrolling {}
            }
            Command::Forget { customer } => {
                self.forget(customer, Actor::Command)?;
                CommandResponse::Forgotten(customer)
            }
            Command::NotMe { customer } => {
                if !self.greeted.contains_key(&customer) {
                    let message = format!("no customer {customer} is being greeted");
                    return Err(CommandFailure::new(CommandFailureCode::NotFound, message));
                }
                self.eyes.ask(VisionCommand::Dismiss(customer));
                self.left(customer);
                self.state.not_me_reports += 1;
                self.publish_state();
                CommandResponse::Dismissed(customer)
            }
            Command::Rename { customer, name } => {
                let customer = found(customer, self.vault.rename(customer, name, act))?;
                let who = CustomerRef { id: customer.id, name: customer.name };
                self.changed(customer.id);
                CommandResponse::Renamed(who)
            }
            Command::Preferences { customer, can_recommend, can_show_history, allergens } => {
                let old = self.customer(customer)?.preferences;
                if can_recommend.is_none() && can_show_history.is_none() && allergens.is_none() {
                    return Ok(CommandResponse::Preferences { customer, preferences: old });
                }
                let preferences = Preferences {
                    can_recommend: can_recommend.unwrap_or(old.can_recommend),
                    can_show_history: can_show_history.unwrap_or(old.can_show_history),
                    allergens: allergens.unwrap_or(old.allergens),
                };
                let changed = self.vault.set_preferences(customer, preferences, act);
                let preferences = found(customer, changed)?.preferences;
                self.changed(customer);
                CommandResponse::Preferences { customer, preferences }
            }
            Command::History { customer, view, page } => {
                if !self.customer(customer)?.preferences.can_show_history {
                    let message = format!("customer {customer} has switched their history off");
                    return Err(CommandFailure::new(CommandFailureCode::SwitchedOff, message));
                }
                let (history, refused) = look_back(&self.vault, customer, view, page, act.at)?;
                for refused in refused {
                    tracing::error!("{refused}");
                }
                CommandResponse::History(history)
            }
            Command::AtTill { buyer, till } => {
                let customer = self.buyer(&buyer, None, act.at)?;
                let until = self.tills.assign(&till, customer, act.at);
                CommandResponse::AtTill { customer, till, until }
            }
            Command::Order { buyer, order } => self.order(&buyer, order, act)?,
            Command::List { buyer, add, remove } => {
                let customer = self.buyer(&buyer, None, act.at)?;
                CommandResponse::List(self.list(customer, &add, &remove, act.at)?)
            }
            Command::Catalogue { products, remove } => {
                let change = change_catalogue(&self.vault, &products, &remove, act)?;
                self.advisor.read_catalogue(&self.vault).map_err(internal)?;
                CommandResponse::Catalogue(change)
            }
        })
    }

    /// The operator asks by the command line.
    pub fn operator(&mut self, request: Request) -> Result<Response, CommandFailure> {
        let act = act(Actor::Operator);
        if let Request::Forget { customer } = request {
            let ForgetSummary { templates, orders } = self.forget(customer, act.actor)?;
            return Ok(Response::Forgotten { templates, orders });
        }
        let (mut orders, mut voided) = (Vec::new(), None);
        match &request {
            Request::AddOrders { orders: added } => orders.clone_from(added),
            Request::VoidOrder { customer, .. } => voided = Some(*customer),
            _ => {}
        }
        let response = admin_api::answer(&self.vault, request, act, self.shop.currency)?;
        match &response {
            Response::Added(outcomes) => {
                let stored =
                    orders.iter().zip(outcomes).filter(|(_, o)| **o == AddOrderOutcome::Added);
                stored.for_each(|(order, _)| self.advisor.take(order));
            }
            Response::Catalogue(_) => self.advisor.read_catalogue(&self.vault).map_err(internal)?,
            _ => {}
        }
        if let Some(customer) = voided {
            self.advisor.read_customer(&self.vault, customer).map_err(internal)?;
        }
        Ok(response)
    }

    /// Forgets a customer everywhere, and only then says so.
    pub fn forget(
        &mut self,
        customer: CustomerId,
        by: Actor,
    ) -> Result<ForgetSummary, CommandFailure> {
        let forgotten = found(customer, self.vault.forget(customer, act(by)))?;
        self.forgotten(customer);
        self.chores.sweep(&self.vault);
        Ok(forgotten)
    }

    fn order(
        &mut self,
        buyer: &BuyerRef,
        order: TillOrder,
        act: AuditContext,
    ) -> Result<CommandResponse, CommandFailure> {
        order.check(act.at, self.shop.currency).map_err(malformed)?;
        let customer = self.buyer(buyer, Some(&order), act.at)?;
        let order: Order = order.with_customer(customer);
        let outcome = self.vault.add_order(&order, act).map_err(internal)?;
        let is_new = match outcome {
            AddOrderOutcome::Added => {
                self.advisor.take(&order);
                true
            }
            AddOrderOutcome::AlreadyKnown => false,
            AddOrderOutcome::Conflict => {
                return Err(CommandFailure::new(
                    CommandFailureCode::Conflict,
                    not_taken(&order, outcome),
                ));
            }
            AddOrderOutcome::NoSuchCustomer | AddOrderOutcome::ReplacedOrderNotFound => {
                return Err(CommandFailure::new(
                    CommandFailureCode::NotFound,
                    not_taken(&order, outcome),
                ));
            }
        };
        self.bought(&order, act.at);
        if let BuyerRef::AtTill(till) = buyer {
            self.tills.record_payment(till, &order.id, customer, act.at);
        }
        Ok(CommandResponse::Order { id: order.id, customer, is_new })
    }

    /// What a customer bought is on their list no longer.
    fn bought(&mut self, order: &Order, now: Timestamp) {
        let skus: Vec<_> = order.lines.iter().map(|line| &line.sku).collect();
        let before = self.lists.get(order.customer, now);
        if let Some(after) = self.lists.update(order.customer, Vec::new(), &skus, now)
            && after != before
        {
            self.say_list(&after);
        }
    }

    fn list(
        &mut self,
        customer: CustomerId,
        add: &[String],
        remove: &[String],
        now: Timestamp,
    ) -> Result<ShoppingList, CommandFailure> {
        if add.is_empty() && remove.is_empty() {
            return Ok(self.lists.get(customer, now));
        }
        let add = self.products(add)?;
        let list = self.lists.update(customer, add, remove, now).ok_or_else(|| {
            let message = format!("a list has at most {} articles", ShoppingLists::MAX_ITEMS);
            CommandFailure::new(CommandFailureCode::Conflict, message)
        })?;
        self.say_list(&list);
        Ok(list)
    }

    /// What these articles are called.
    fn products(&self, skus: &[String]) -> Result<Vec<ListItem>, CommandFailure> {
        let named = skus.iter().map(|sku| {
            let unknown =
                || CommandFailure::new(CommandFailureCode::NotFound, format!("no product {sku:?}"));
            let name = self.advisor.product_name(sku).ok_or_else(unknown)?.to_owned();
            Ok(ListItem { sku: sku.clone(), name })
        });
        named.collect()
    }

    /// Who is meant; `order` is what they bought, if it is about that.
    fn buyer(
        &self,
        buyer: &BuyerRef,
        order: Option<&TillOrder>,
        now: Timestamp,
    ) -> Result<CustomerId, CommandFailure> {
        let nobody = |message: String| CommandFailure::new(CommandFailureCode::NotFound, message);
        match buyer {
            BuyerRef::Customer(customer) => Ok(self.customer(*customer)?.id),
            BuyerRef::ClaimCode(code) => self
                .vault
                .customer_by_claim_code(code, now)
                .map_err(internal)?
                .ok_or_else(|| nobody("this claim code names nobody (any more)".to_owned())),
            BuyerRef::AtTill(till) => match order {
                Some(order) => self.tills.buyer_of(till, &order.id, now),
                None => self.tills.customer_at(till, now),
            }
            .ok_or_else(|| nobody(format!("nobody is at till {till}"))),
        }
    }

    fn customer(&self, id: CustomerId) -> Result<Customer, CommandFailure> {
        found(id, self.vault.customer(id))
    }
}

/// Something that is done now.
pub(super) fn act(by: Actor) -> AuditContext {
    AuditContext { at: Timestamp::now(), actor: by }
}
