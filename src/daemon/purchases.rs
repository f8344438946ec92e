//! Orders and shopping lists that tills and displays send.

use instored_domain::{
    BuyerRef, CommandFailure, CommandFailureCode, CommandResponse, CustomerId, ListItem, Order,
    ShoppingList, ShoppingLists, TillOrder,
};
use instored_mqtt::ResponseAddress;
use instored_vault::{AddOrderOutcome, AuditContext};
use jiff::Timestamp;

use super::admin_api::{internal_failure, malformed_failure, not_found_failure, order_rejection};
use super::controller::Controller;

impl Controller {
    /// Stores a paid order for its buyer. Returns `None` if the response is in the outbox, from which it
    /// is sent even if the connection is lost before.
    pub fn add_till_order(
        &mut self,
        buyer: &BuyerRef,
        order: TillOrder,
        response_address: Option<&ResponseAddress>,
        context: AuditContext,
    ) -> Result<Option<CommandResponse>, CommandFailure> {
        order.check(context.at, self.shop.currency).map_err(malformed_failure)?;
        let customer = self.resolve_buyer(buyer, Some(&order), context.at)?;
        let order: Order = order.with_customer(customer);
        let response = |is_new| CommandResponse::Order { id: order.id.clone(), customer, is_new };
        let confirmation =
            response_address.map(|address| instored_mqtt::encode_response(address, response(true)));
        let confirmation = confirmation.transpose().map_err(internal_failure)?;
        let outcome = self
            .vault
            .add_order_and_confirm(&order, context, confirmation.as_deref().unwrap_or_default())
            .map_err(internal_failure)?;
        let is_new = match outcome {
            AddOrderOutcome::Added => true,
            AddOrderOutcome::AlreadyKnown => false,
            AddOrderOutcome::Conflict => {
                let message = order_rejection(&order, outcome);
                return Err(CommandFailure::new(CommandFailureCode::Conflict, message));
            }
            AddOrderOutcome::NoSuchCustomer | AddOrderOutcome::ReplacedOrderNotFound => {
                return Err(not_found_failure(order_rejection(&order, outcome)));
            }
        };
        if is_new {
            self.recommendations.add_order(&order);
        }
        self.remove_bought_items(&order, context.at);
        if let BuyerRef::AtTill(till) = buyer {
            self.till_assignments.record_payment(till, &order.id, customer, context.at);
        }
        if is_new && confirmation.is_some() {
            self.send_outbox();
            return Ok(None);
        }
        Ok(Some(response(is_new)))
    }

    /// Removes bought products from the customer's shopping list.
    fn remove_bought_items(&mut self, order: &Order, now: Timestamp) {
        let skus: Vec<_> = order.lines.iter().map(|line| &line.sku).collect();
        let before = self.shopping_lists.get(order.customer, now);
        if let Some(after) = self.shopping_lists.update(order.customer, Vec::new(), &skus, now)
            && after != before
        {
            self.publish_list(&after);
        }
    }

    /// Changes a customer's shopping list and returns it. Without changes, returns the stored list.
    pub fn update_list(
        &mut self,
        customer: CustomerId,
        added_skus: &[String],
        removed_skus: &[String],
        now: Timestamp,
    ) -> Result<ShoppingList, CommandFailure> {
        if added_skus.is_empty() && removed_skus.is_empty() {
            return Ok(self.shopping_lists.get(customer, now));
        }
        let added = self.list_items(added_skus)?;
        let list =
            self.shopping_lists.update(customer, added, removed_skus, now).ok_or_else(|| {
                let message = format!(
                    "a shopping list has at most {} products; remove a product first",
                    ShoppingLists::MAX_ITEMS
                );
                CommandFailure::new(CommandFailureCode::Conflict, message)
            })?;
        self.publish_list(&list);
        Ok(list)
    }

    /// Returns list items with the products' names.
    fn list_items(&self, skus: &[String]) -> Result<Vec<ListItem>, CommandFailure> {
        skus.iter()
            .map(|sku| {
                let name = self.recommendations.product_name(sku);
                let name =
                    name.ok_or_else(|| not_found_failure(format!("product {sku:?} is unknown")))?;
                Ok(ListItem { sku: sku.clone(), name: name.to_owned() })
            })
            .collect()
    }

    /// Returns the customer that a buyer reference names. `order` is the order of the command, if the
    /// command contains an order: a repeated order belongs to the buyer of its first delivery.
    pub fn resolve_buyer(
        &self,
        buyer: &BuyerRef,
        order: Option<&TillOrder>,
        now: Timestamp,
    ) -> Result<CustomerId, CommandFailure> {
        match buyer {
            BuyerRef::Customer(customer) => Ok(self.customer(*customer)?.id),
            BuyerRef::ClaimCode(code) => {
                let customer =
                    self.vault.customer_by_claim_code(code, now).map_err(internal_failure)?;
                let message = "the claim code is unknown or expired";
                customer.ok_or_else(|| not_found_failure(message.to_owned()))
            }
            BuyerRef::AtTill(till) => {
                let customer = match order {
                    Some(order) => self.till_assignments.buyer_of(till, &order.id, now),
                    None => self.till_assignments.customer_at(till, now),
                };
                customer.ok_or_else(|| not_found_failure(format!("no customer is at till {till}")))
            }
        }
    }
}
