//! Visits of customers: arrival, greeting, departure, and deletion.

use std::time::Duration;

use instored_domain::{
    ClaimCode, CommandResponse, CustomerId, CustomerRef, EnrolmentEvent, EnrolmentStep,
    ForgetSummary, OrderSummary, PresenceEvent, VisitEvent, VisitKind,
};
use instored_panel::LedSignal;
use jiff::Timestamp;

use crate::commands::require_customer;
use crate::controller::Controller;
use crate::effect::{Effect, Message, VisionCommand};
use crate::operator::OperatorResponse;
use crate::store::{Greeting, Origin, StoreRequest, StoreResult};

/// Arrival of a customer whose visit is not stored yet.
pub(super) struct Arrival {
    /// Number that distinguishes the arrivals of a customer.
    number: u64,
    /// Uptime at which the camera delivered the frame.
    delivered: Duration,
    /// True if the customer has left meanwhile.
    has_left: bool,
}

/// Greeted customer in view.
pub(super) struct GreetedCustomer {
    customer: CustomerRef,
    /// Number of visits, including the current visit if it could be stored.
    visits: u64,
}

impl Controller {
    /// Counts the visit of a recognised customer. The greeting follows when the visit is stored.
    pub(super) fn begin_visit(&mut self, customer: CustomerId, delivered: Duration) {
        self.show_recognition_success();
        self.last_arrival_number += 1;
        let number = self.last_arrival_number;
        self.arrivals.insert(customer, Arrival { number, delivered, has_left: false });
        let (at, orders_shown) = (self.now(), self.settings.greeting_orders());
        self.store(StoreRequest::RecordVisit {
            customer,
            at,
            is_clock_confirmed: self.is_clock_confirmed(),
            orders_shown,
            arrival: number,
        });
    }

    /// Greets a customer whose visit is stored, unless they have left meanwhile. If the visit cannot be
    /// stored, for example on a full disk, the customer is greeted and the visit is not counted.
    pub(super) fn complete_visit(
        &mut self,
        customer: CustomerId,
        number: u64,
        result: StoreResult<Option<Greeting>>,
    ) {
        match result {
            Ok(Some(greeting)) => {
                self.retention.update(&greeting.customer);
                self.state.visits_today = self.daily_visits.record(customer, &self.readings.now);
                self.greet_arrival(number, greeting);
            }
            // The customer was deleted after the recognition.
            Ok(None) => drop(self.take_arrival(customer, number)),
            Err(error) => {
                tracing::error!("cannot store a visit: {error}");
                let orders_shown = self.settings.greeting_orders();
                let arrival = Some(number);
                self.store(StoreRequest::ReadGreeting { customer, orders_shown, arrival });
            }
        }
    }

    /// Greets a customer who has arrived and has not left.
    fn greet_arrival(&mut self, number: u64, greeting: Greeting) {
        let id = greeting.customer.id;
        if let Some(arrival) = self.take_arrival(id, number).filter(|arrival| !arrival.has_left) {
            tracing::info!("a customer arrived");
            tracing::debug!(customer = %id, "arrived");
            self.greet(greeting, VisitKind::Arrived);
            self.effects.push(Effect::RecordLatency(arrival.delivered));
        }
        self.publish_state();
    }

    /// Removes an arrival, unless the customer has arrived again since.
    fn take_arrival(&mut self, customer: CustomerId, number: u64) -> Option<Arrival> {
        let is_last = self.arrivals.get(&customer)?.number == number;
        if is_last { self.arrivals.remove(&customer) } else { None }
    }

    /// Republishes the greeting of a present customer who requested recognition again. Counts no visit.
    pub(super) fn repeat_greeting(&mut self, id: CustomerId) {
        self.show_recognition_success();
        self.refresh_greeting(id);
    }

    /// Shows that a request for recognition succeeded, in the mode `on-request`.
    fn show_recognition_success(&mut self) {
        if self.is_on_request && self.enrolment.is_none() {
            self.show(LedSignal::Succeeded);
            self.set_idle();
            self.show_idle_signal();
        }
    }

    /// Republishes the greeting of a present customer whose data changed.
    pub(super) fn refresh_greeting(&mut self, customer: CustomerId) {
        if self.greeted.contains_key(&customer) {
            let orders_shown = self.settings.greeting_orders();
            self.store(StoreRequest::ReadGreeting { customer, orders_shown, arrival: None });
        }
    }

    /// Publishes a greeting that was read: of an arrival, or of a customer who is present.
    pub(super) fn complete_greeting(
        &mut self,
        customer: CustomerId,
        arrival: Option<u64>,
        result: StoreResult<Option<Greeting>>,
    ) {
        match (result, arrival) {
            (Ok(Some(greeting)), Some(number)) => self.greet_arrival(number, greeting),
            (Ok(Some(greeting)), None) => {
                if self.greeted.contains_key(&customer) {
                    self.greet(greeting, VisitKind::Changed);
                }
            }
            (result, arrival) => {
                if let Err(error) = result {
                    tracing::error!("cannot read a customer's greeting: {error}");
                }
                if let Some(number) = arrival {
                    self.take_arrival(customer, number);
                }
            }
        }
    }

    /// Publishes a greeting with the customer's orders and recommendations, and their shopping
    /// list.
    fn greet(&mut self, greeting: Greeting, event: VisitKind) {
        let Greeting { customer, orders } = greeting;
        let (id, issued) = (customer.id, self.now());
        let limit = self.settings.recommendations_shown;
        let recommendations = self.recommendations.recommend(&customer, &self.readings.now, limit);
        let greeted = GreetedCustomer {
            customer: CustomerRef { id, name: customer.name },
            visits: customer.visits,
        };
        // The list can be from an earlier visit. It is published first, so that a display shows list and
        // greeting together.
        let list = self.shopping_lists.get(id, issued);
        if !list.items.is_empty() {
            self.publish_list(list);
        }
        let visit = VisitEvent {
            orders: orders.into_iter().map(OrderSummary::from).collect(),
            recommendations,
            ..self.visit_event(event, &greeted, issued)
        };
        self.publish_visit(visit);
        self.greeted.insert(id, greeted);
    }

    /// Publishes the departure of a greeted customer. Does nothing for other customers, because the
    /// departure of a deleted or dismissed customer was published before.
    pub(super) fn end_visit(&mut self, id: CustomerId) {
        if let Some(arrival) = self.arrivals.get_mut(&id) {
            arrival.has_left = true;
        }
        let Some(greeted) = self.greeted.remove(&id) else { return };
        tracing::info!("a customer left");
        tracing::debug!(customer = %id, "left");
        let event = self.visit_event(VisitKind::Left, &greeted, self.now());
        self.publish_visit(event);
    }

    /// Publishes a visit event, and anonymously that somebody arrived or left.
    fn publish_visit(&mut self, visit: VisitEvent) {
        let VisitEvent { event, issued, expires, .. } = visit;
        self.effects.push(Effect::Publish(Message::Visit(visit)));
        if event != VisitKind::Changed {
            let presence = PresenceEvent { event, issued, expires };
            self.effects.push(Effect::Publish(Message::Presence(presence)));
        }
    }

    /// Returns a visit event without orders and recommendations.
    fn visit_event(
        &mut self,
        event: VisitKind,
        greeted: &GreetedCustomer,
        issued: Timestamp,
    ) -> VisitEvent {
        VisitEvent {
            id: self.new_event_id(),
            event,
            customer: greeted.customer.clone(),
            visits: greeted.visits,
            orders: Vec::new(),
            recommendations: Vec::new(),
            issued,
            expires: self.event_expiry(issued),
        }
    }

    /// Deletes a customer from the vault, on a hold of the button or on request of the operator.
    pub(super) fn forget(&mut self, customer: CustomerId, origin: Origin) {
        self.forget_with_code(customer, None, origin);
    }

    /// Deletes a customer from the vault, if `code` is theirs or not needed.
    pub(super) fn forget_with_code(
        &mut self,
        customer: CustomerId,
        code: Option<ClaimCode>,
        origin: Origin,
    ) {
        let (id, at) = (self.new_event_id(), self.now());
        let announcement = EnrolmentEvent::stored(id, EnrolmentStep::Withdrawn { customer }, at);
        self.store(StoreRequest::Forget { customer, code, at, announcement, origin });
    }

    /// Removes a deleted customer from memory, and responds to the request.
    pub(super) fn complete_forget(
        &mut self,
        customer: CustomerId,
        origin: Origin,
        result: StoreResult<Option<ForgetSummary>>,
    ) {
        if let Ok(Some(_)) = result {
            self.remove_from_memory(customer);
            self.effects.push(Effect::EraseTraces);
        }
        match origin {
            Origin::Command(address) => {
                let response = require_customer(customer, result);
                self.respond_to_command(
                    address,
                    response.map(|_| CommandResponse::Forgotten(customer)),
                );
            }
            Origin::Operator(client) => {
                let response = require_customer(customer, result);
                self.respond_to_client(client, response.map(OperatorResponse::Forgotten));
            }
            // A customer who was deleted meanwhile is deleted, too.
            Origin::Button => {
                if let Err(error) = &result {
                    tracing::error!("cannot delete the customer who held the button: {error}");
                }
                self.show(if result.is_ok() { LedSignal::Succeeded } else { LedSignal::Failed });
                self.restore_signal();
            }
            Origin::Retention => {
                if let Err(error) = result {
                    tracing::error!("cannot delete an inactive customer: {error}");
                }
            }
        }
    }

    fn remove_from_memory(&mut self, customer: CustomerId) {
        self.effects.push(Effect::Vision(VisionCommand::RemoveCustomer(customer)));
        self.hide(customer);
        self.end_visit(customer);
        self.till_assignments.remove_customer(customer);
        self.shopping_lists.remove_customer(customer);
        self.daily_visits.remove_customer(customer);
        self.retention.remove(customer);
        self.recommendations.remove_customer(customer);
        tracing::info!("a customer was deleted");
        tracing::debug!(customer = %customer, "deleted");
        self.read_outbox();
        self.state.customers = self.state.customers.saturating_sub(1);
        self.publish_state();
    }
}
