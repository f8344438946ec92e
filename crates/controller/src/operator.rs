//! Requests of the command line that need the controller's data in memory.

use instored_domain::{
    AddOrderOutcome, CatalogueChange, CommandFailure, Customer, CustomerId, CustomerName,
    ForgetSummary, Order, OrderId, Product, RetentionStatus,
};

use crate::controller::Controller;
use crate::effect::Effect;
use crate::store::{Origin, StoreRequest};

/// Number of a client of the command line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientId(pub u64);

/// Request of the command line.
#[derive(Debug)]
pub enum OperatorRequest {
    /// Deletes a customer.
    Forget(CustomerId),
    /// Sets or deletes a customer's name.
    Rename {
        /// The customer.
        customer: CustomerId,
        /// The name.
        name: Option<CustomerName>,
    },
    /// Stores orders.
    AddOrders(Vec<Order>),
    /// Replaces an order with an empty one.
    VoidOrder {
        /// Customer of the order.
        customer: CustomerId,
        /// Order to replace.
        order: OrderId,
    },
    /// Adds or changes products, and removes others.
    ChangeCatalogue {
        /// Products to add or change.
        products: Vec<Product>,
        /// SKUs of products to remove.
        removed: Vec<String>,
    },
    /// Offers an enrolment.
    OfferEnrolment {
        /// True if the person is not enrolled, although they resemble a customer.
        is_another_person: bool,
    },
    /// Returns the state of the deletion of inactive customers.
    Retention,
    /// Lifts, for one day, the limit on customers who fall due for deletion.
    ConfirmDue,
}

/// Response to an [`OperatorRequest`].
#[derive(Debug)]
pub enum OperatorResponse {
    /// The enrolment is offered.
    Offered,
    /// The renamed customer.
    Customer(Customer),
    /// Numbers of deleted records.
    Forgotten(ForgetSummary),
    /// One outcome per order, in the same sequence as in the request. A void has one outcome.
    Added(Vec<AddOrderOutcome>),
    /// Change of the catalogue.
    Catalogue(CatalogueChange),
    /// State of the deletion of inactive customers.
    Retention {
        /// The state.
        status: RetentionStatus,
        /// Number of customers who are marked for deletion.
        due: u64,
    },
}

impl Controller {
    /// Executes a request of the command line.
    pub(super) fn handle_operator_request(&mut self, request: OperatorRequest, client: ClientId) {
        let at = self.now();
        match request {
            OperatorRequest::Forget(customer) => self.forget(customer, Origin::Operator(client)),
            OperatorRequest::Rename { customer, name } => {
                let origin = Origin::Operator(client);
                self.store(StoreRequest::Rename { customer, name, at, origin });
            }
            OperatorRequest::AddOrders(orders) => self.add_orders(orders, client),
            OperatorRequest::VoidOrder { customer, order } => {
                self.store(StoreRequest::VoidOrder { customer, order, at, client });
            }
            OperatorRequest::ChangeCatalogue { products, removed } => {
                self.change_catalogue(products, removed, Origin::Operator(client));
            }
            OperatorRequest::OfferEnrolment { is_another_person } => {
                let offered = if is_another_person {
                    self.offer_to_another_person()
                } else {
                    self.offer_to_person_at_button()
                };
                self.respond_to_client(client, offered.map(|()| OperatorResponse::Offered));
            }
            OperatorRequest::Retention => self.respond_with_retention(client),
            OperatorRequest::ConfirmDue => self.confirm_due(client),
        }
    }

    pub(super) fn respond_to_client(
        &mut self,
        client: ClientId,
        response: Result<OperatorResponse, CommandFailure>,
    ) {
        self.effects.push(Effect::RespondToClient { client, response });
    }

    pub(super) fn respond_with_retention(&mut self, client: ClientId) {
        let (status, due) = (self.state.retention, self.retention.due_count());
        self.respond_to_client(client, Ok(OperatorResponse::Retention { status, due }));
    }

    fn add_orders(&mut self, orders: Vec<Order>, client: ClientId) {
        let at = self.now();
        for order in &orders {
            if let Err(error) = order.check(at, self.settings.currency) {
                let failure = CommandFailure::malformed(format!("order {}: {error}", order.id));
                return self.respond_to_client(client, Err(failure));
            }
        }
        self.store(StoreRequest::AddOrders { orders, at, client });
    }

    pub(super) fn complete_added_orders(
        &mut self,
        orders: &[Order],
        client: ClientId,
        result: Result<Vec<AddOrderOutcome>, CommandFailure>,
    ) {
        for (order, outcome) in orders.iter().zip(result.iter().flatten()) {
            if *outcome == AddOrderOutcome::Added {
                self.recommendations.add_order(order);
            }
        }
        self.respond_to_client(client, result.map(OperatorResponse::Added));
    }

    pub(super) fn complete_void(
        &mut self,
        customer: CustomerId,
        client: ClientId,
        result: Result<(AddOrderOutcome, Vec<Order>), CommandFailure>,
    ) {
        let outcome = result.map(|(outcome, orders)| {
            self.recommendations.replace_orders(customer, &orders);
            OperatorResponse::Added(vec![outcome])
        });
        self.respond_to_client(client, outcome);
    }
}
