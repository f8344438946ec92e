//! Admin requests that the controller executes, because they need its data in memory.

use instored_domain::{CommandFailure, Order, Product};
use instored_vault::{Actor, AddOrderOutcome, ForgetSummary};
use jiff::Timestamp;

use super::admin_api::{self, Request, Response, internal_failure};
use super::commands::audit_context;
use super::controller::Controller;

impl Controller {
    /// Executes a request of the command line, and keeps the data in memory consistent with the vault.
    pub fn handle_admin_request(&mut self, request: Request) -> Result<Response, CommandFailure> {
        match request {
            Request::Forget { customer } => {
                let ForgetSummary { templates, orders } = self.forget(customer, Actor::Operator)?;
                Ok(Response::Forgotten { templates, orders })
            }
            Request::MqttStatistics => Ok(Response::MqttStatistics(self.publisher.statistics())),
            Request::HoldButton { duration } => {
                self.simulated_button.hold(duration)?;
                Ok(Response::ButtonHeld)
            }
            Request::Retention => Ok(self.retention_response()),
            Request::ConfirmDue => {
                self.retention.confirm(Timestamp::now());
                self.run_retention();
                Ok(self.retention_response())
            }
            Request::AddOrders { orders } => self.add_orders(orders),
            Request::VoidOrder { customer, order } => {
                let response = self.execute(Request::VoidOrder { customer, order })?;
                self.recommendations
                    .reload_customer(&self.vault, customer)
                    .map_err(internal_failure)?;
                Ok(response)
            }
            Request::PutProducts { products } => self.change_catalogue(&products, &[]),
            Request::RemoveProducts { skus } => self.change_catalogue(&[], &skus),
            request => self.execute(request),
        }
    }

    fn change_catalogue(
        &mut self,
        products: &[Product],
        removed_skus: &[String],
    ) -> Result<Response, CommandFailure> {
        let context = audit_context(Actor::Operator);
        self.update_catalogue(products, removed_skus, context).map(Response::Catalogue)
    }

    fn retention_response(&self) -> Response {
        Response::Retention { status: self.state.retention, due: self.state.due_customers }
    }

    fn add_orders(&mut self, orders: Vec<Order>) -> Result<Response, CommandFailure> {
        let response = self.execute(Request::AddOrders { orders: orders.clone() })?;
        if let Response::Added(outcomes) = &response {
            for (order, outcome) in orders.iter().zip(outcomes) {
                if *outcome == AddOrderOutcome::Added {
                    self.recommendations.add_order(order);
                }
            }
        }
        Ok(response)
    }

    /// Executes a request on the vault.
    fn execute(&self, request: Request) -> Result<Response, CommandFailure> {
        let context = audit_context(Actor::Operator);
        admin_api::execute(&self.vault, &self.box_id, request, context, self.shop.currency)
    }
}
