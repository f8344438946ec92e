//! Visits of customers: arrival, greeting, departure, and deletion.

use instored_domain::{
    Customer, CustomerId, CustomerRef, Order, OrderSummary, VisitEvent, VisitKind,
};
use instored_panel::LedSignal;
use instored_vault::Verified;
use jiff::{Timestamp, Zoned};

use super::controller::{Controller, GreetedCustomer, new_event_id};
use super::vision_worker::VisionCommand;

impl Controller {
    /// Counts the visit of a recognised customer and greets them.
    pub fn begin_visit(&mut self, id: CustomerId) {
        self.confirm_request();
        let now = Timestamp::now();
        let orders_shown = self.shop.orders_shown;
        let limit = |customer: &Customer| order_limit(customer, orders_shown);
        let (customer, orders) = match self.vault.record_visit_and_read_orders(id, now, limit) {
            Ok(Some(visit)) => visit,
            // The customer was deleted after the recognition.
            Ok(None) => return,
            Err(error) => return tracing::error!("cannot store a visit: {error}"),
        };
        self.retention.update(&customer);
        tracing::info!("a customer arrived");
        tracing::debug!(customer = %id, "arrived");
        self.greet(customer, orders, VisitKind::Arrived, now);
        self.state.visits_today = self.daily_visits.record(id, &Zoned::now());
        self.publish_state();
    }

    /// Responds to a present customer who requested recognition again: republishes the greeting, and
    /// counts no visit.
    pub fn confirm_visit(&mut self, id: CustomerId) {
        self.confirm_request();
        self.refresh_greeting(id);
    }

    /// Shows that a request for recognition succeeded, in the mode `on-request`.
    fn confirm_request(&mut self) {
        if self.is_on_request {
            self.led.show(LedSignal::Succeeded);
            self.set_idle();
        }
    }

    /// Republishes the greeting of a present customer whose data changed.
    pub fn refresh_greeting(&mut self, id: CustomerId) {
        if !self.greeted.contains_key(&id) {
            return;
        }
        let customer = match self.vault.customer(id) {
            Ok(Some(customer)) => customer,
            Ok(None) => return,
            Err(error) => return tracing::error!("cannot read a customer: {error}"),
        };
        match self.vault.orders(id, order_limit(&customer, self.shop.orders_shown)) {
            Ok(orders) => self.greet(customer, orders, VisitKind::Changed, Timestamp::now()),
            Err(error) => tracing::error!("cannot read a customer's orders: {error}"),
        }
    }

    /// Publishes a greeting with the customer's orders and recommendations, and their shopping
    /// list.
    fn greet(
        &mut self,
        customer: Customer,
        orders: Verified<Order>,
        event: VisitKind,
        issued: Timestamp,
    ) {
        let id = customer.id;
        for rejected in &orders.rejected {
            tracing::error!("{rejected}");
        }
        let limit = self.shop.recommendations_shown;
        let recommendations = self.recommendations.recommend(&customer, &Zoned::now(), limit);
        let greeted = GreetedCustomer {
            customer: CustomerRef { id, name: customer.name },
            visits: customer.visits,
        };
        let orders = orders.records.into_iter().map(OrderSummary::from).collect();
        // A list is kept after a visit. It comes first, so that a display shows both together.
        let list = self.shopping_lists.get(id, issued);
        if !list.items.is_empty() {
            self.publish_list(&list);
        }
        self.publisher.publish_visit(&VisitEvent {
            orders,
            recommendations,
            ..self.visit_event(event, &greeted, issued)
        });
        self.greeted.insert(id, greeted);
    }

    /// Publishes the departure of a greeted customer. Does nothing for other customers, because the
    /// departure of a deleted or dismissed customer was published before.
    pub fn end_visit(&mut self, id: CustomerId) {
        let Some(greeted) = self.greeted.remove(&id) else { return };
        tracing::info!("a customer left");
        tracing::debug!(customer = %id, "left");
        let event = self.visit_event(VisitKind::Left, &greeted, Timestamp::now());
        self.publisher.publish_visit(&event);
    }

    /// Removes a customer from memory after the deletion from the vault, and publishes the deletion.
    pub fn remove_from_memory(&mut self, customer: CustomerId) {
        self.vision.send(VisionCommand::RemoveCustomer(customer));
        self.end_visit(customer);
        self.till_assignments.remove_customer(customer);
        self.shopping_lists.remove_customer(customer);
        self.daily_visits.remove_customer(customer);
        self.retention.remove(customer);
        self.recommendations.remove_customer(customer);
        tracing::info!("a customer was deleted");
        tracing::debug!(customer = %customer, "deleted");
        self.send_outbox();
        self.state.customers = self.state.customers.saturating_sub(1);
        self.publish_state();
    }

    /// Returns a visit event without orders and recommendations.
    fn visit_event(
        &self,
        event: VisitKind,
        greeted: &GreetedCustomer,
        issued: Timestamp,
    ) -> VisitEvent {
        VisitEvent {
            id: new_event_id(),
            event,
            customer: greeted.customer.clone(),
            visits: greeted.visits,
            orders: Vec::new(),
            recommendations: Vec::new(),
            issued,
            expires: self.event_expiry(issued),
        }
    }
}

/// Returns the number of orders that a greeting shows to a customer.
fn order_limit(customer: &Customer, orders_shown: usize) -> usize {
    if customer.preferences.can_show_history { orders_shown } else { 0 }
}
