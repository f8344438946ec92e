//! What the desk does when it is asked: by a till or a display over MQTT, by the operator over the
//! control socket.

use instored_domain::{
    Answer, Buyer, Command, ConsentMethod, Customer, CustomerId, CustomerRef, ListItem, Lists,
    Order, Preferences, Refusal, RefusalCode, ShoppingList, TillOrder,
};
use instored_vault::{Act, Forgotten, Means, OrderAdded};
use jiff::Timestamp;

use super::desk::Desk;
use super::eyes::Ask;
use super::operator::{
    self, Request, Response, change_catalogue, found, internal, look_back, malformed, not_taken,
};

impl Desk {
    /// A till, a display or the home automation asks.
    pub fn command(&mut self, command: Command) -> Result<Answer, Refusal> {
        let act = act(Means::Command);
        Ok(match command {
            Command::Present {} => {
                let here = self.who_is_here().into_iter();
                let known = here.map(|id| self.vault.customer(id).map_err(internal));
                let known = known.collect::<Result<Vec<_>, _>>()?;
                let name = |c: Customer| CustomerRef { id: c.id, name: c.name };
                Answer::Present(known.into_iter().flatten().map(name).collect())
            }
            Command::Enrol { language, another_person } => {
                self.begin_enrolment(ConsentMethod::Command, language, another_person)?;
                Answer::Enrolling {}
            }
            Command::Forget { customer } => {
                self.forget(customer, Means::Command)?;
                Answer::Forgotten(customer)
            }
            Command::NotMe { customer } => {
                if !self.greeted.contains_key(&customer) {
                    let message = format!("no customer {customer} is being greeted");
                    return Err(Refusal::new(RefusalCode::NotFound, message));
                }
                self.eyes.ask(Ask::Dismiss(customer));
                self.left(customer);
                self.state.not_me += 1;
                self.publish_state();
                Answer::Dismissed(customer)
            }
            Command::Rename { customer, name } => {
                let customer = found(customer, self.vault.rename(customer, name, act))?;
                let who = CustomerRef { id: customer.id, name: customer.name };
                self.changed(customer.id);
                Answer::Renamed(who)
            }
            Command::Preferences { customer, recommendations, history, allergens } => {
                let old = self.customer(customer)?.preferences;
                if recommendations.is_none() && history.is_none() && allergens.is_none() {
                    return Ok(Answer::Preferences { customer, preferences: old });
                }
                let preferences = Preferences {
                    recommendations: recommendations.unwrap_or(old.recommendations),
                    history: history.unwrap_or(old.history),
                    allergens: allergens.unwrap_or(old.allergens),
                };
                let changed = self.vault.set_preferences(customer, preferences, act);
                let preferences = found(customer, changed)?.preferences;
                self.changed(customer);
                Answer::Preferences { customer, preferences }
            }
            Command::History { customer, by, page } => {
                if !self.customer(customer)?.preferences.history {
                    let message = format!("customer {customer} has switched their history off");
                    return Err(Refusal::new(RefusalCode::SwitchedOff, message));
                }
                let (history, refused) = look_back(&self.vault, customer, by, page, act.at)?;
                for refused in refused {
                    tracing::error!("{refused}");
                }
                Answer::History(history)
            }
            Command::AtTill { buyer, till } => {
                let customer = self.buyer(&buyer, None, act.at)?;
                let until = self.tills.arrive(&till, customer, act.at);
                Answer::AtTill { customer, till, until }
            }
            Command::Order { buyer, order } => self.order(&buyer, order, act)?,
            Command::List { buyer, add, remove } => {
                let customer = self.buyer(&buyer, None, act.at)?;
                Answer::List(self.list(customer, &add, &remove, act.at)?)
            }
            Command::Catalogue { products, remove } => {
                let change = change_catalogue(&self.vault, &products, &remove, act)?;
                self.advisor.read_catalogue(&self.vault).map_err(internal)?;
                Answer::Catalogue(change)
            }
        })
    }

    /// The operator asks by the command line.
    pub fn operator(&mut self, request: Request) -> Result<Response, Refusal> {
        let act = act(Means::Operator);
        if let Request::Forget { customer } = request {
            let Forgotten { templates, orders } = self.forget(customer, act.by)?;
            return Ok(Response::Forgotten { templates, orders });
        }
        let (mut orders, mut voided) = (Vec::new(), None);
        match &request {
            Request::AddOrders { orders: added } => orders.clone_from(added),
            Request::VoidOrder { customer, .. } => voided = Some(*customer),
            _ => {}
        }
        let response = operator::answer(&self.vault, request, act, self.shop.currency)?;
        match &response {
            Response::Added(outcomes) => {
                let stored = orders.iter().zip(outcomes).filter(|(_, o)| **o == OrderAdded::Added);
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
    pub fn forget(&mut self, customer: CustomerId, by: Means) -> Result<Forgotten, Refusal> {
        let forgotten = found(customer, self.vault.forget(customer, act(by)))?;
        self.forgotten(customer);
        self.chores.sweep(&self.vault);
        Ok(forgotten)
    }

    fn order(&mut self, buyer: &Buyer, order: TillOrder, act: Act) -> Result<Answer, Refusal> {
        order.check(act.at, self.shop.currency).map_err(malformed)?;
        let customer = self.buyer(buyer, Some(&order), act.at)?;
        let order: Order = order.of(customer);
        let outcome = self.vault.add_order(&order, act).map_err(internal)?;
        let added = match outcome {
            OrderAdded::Added => {
                self.advisor.take(&order);
                true
            }
            OrderAdded::AlreadyKnown => false,
            OrderAdded::Conflict => {
                return Err(Refusal::new(RefusalCode::Conflict, not_taken(&order, outcome)));
            }
            OrderAdded::NoSuchCustomer | OrderAdded::NothingToReplace => {
                return Err(Refusal::new(RefusalCode::NotFound, not_taken(&order, outcome)));
            }
        };
        self.bought(&order, act.at);
        if let Buyer::AtTill(till) = buyer {
            self.tills.paid(till, &order.id, customer, act.at);
        }
        Ok(Answer::Order { id: order.id, customer, added })
    }

    /// What a customer bought is on their list no longer.
    fn bought(&mut self, order: &Order, now: Timestamp) {
        let skus: Vec<_> = order.lines.iter().map(|line| &line.sku).collect();
        let before = self.lists.of(order.customer, now);
        if let Some(after) = self.lists.change(order.customer, Vec::new(), &skus, now)
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
    ) -> Result<ShoppingList, Refusal> {
        if add.is_empty() && remove.is_empty() {
            return Ok(self.lists.of(customer, now));
        }
        let add = self.products(add)?;
        let list = self.lists.change(customer, add, remove, now).ok_or_else(|| {
            let message = format!("a list has at most {} articles", Lists::LONGEST);
            Refusal::new(RefusalCode::Conflict, message)
        })?;
        self.say_list(&list);
        Ok(list)
    }

    /// What these articles are called.
    fn products(&self, skus: &[String]) -> Result<Vec<ListItem>, Refusal> {
        let named = skus.iter().map(|sku| {
            let unknown = || Refusal::new(RefusalCode::NotFound, format!("no product {sku:?}"));
            let name = self.advisor.product_name(sku).ok_or_else(unknown)?.to_owned();
            Ok(ListItem { sku: sku.clone(), name })
        });
        named.collect()
    }

    /// Who is meant; `order` is what they bought, if it is about that.
    fn buyer(
        &self,
        buyer: &Buyer,
        order: Option<&TillOrder>,
        now: Timestamp,
    ) -> Result<CustomerId, Refusal> {
        let nobody = |message: String| Refusal::new(RefusalCode::NotFound, message);
        match buyer {
            Buyer::Customer(customer) => Ok(self.customer(*customer)?.id),
            Buyer::ClaimCode(code) => self
                .vault
                .claim(code, now)
                .map_err(internal)?
                .ok_or_else(|| nobody("this claim code names nobody (any more)".to_owned())),
            Buyer::AtTill(till) => match order {
                Some(order) => self.tills.buyer(till, &order.id, now),
                None => self.tills.at(till, now),
            }
            .ok_or_else(|| nobody(format!("nobody is at till {till}"))),
        }
    }

    fn customer(&self, id: CustomerId) -> Result<Customer, Refusal> {
        found(id, self.vault.customer(id))
    }
}

/// Something that is done now.
pub(super) fn act(by: Means) -> Act {
    Act { at: Timestamp::now(), by }
}
