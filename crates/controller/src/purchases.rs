//! Orders and shopping lists that tills and displays send.

use instored_domain::{
    AddOrderOutcome, BuyerRef, CommandFailure, CommandResponse, CustomerId, ListItem, Order,
    ResponseAddress, ShoppingList, ShoppingLists, TillOrder,
};

use crate::controller::Controller;
use crate::store::{StoreRequest, StoreResult};

/// Action for a buyer who has to be found first.
#[derive(Debug)]
pub enum BuyerAction {
    /// Assigns the buyer to a till.
    AssignToTill(String),
    /// Stores an order.
    Order(TillOrder),
    /// Removes products from the buyer's shopping list, then adds others.
    ChangeList {
        /// SKUs to add.
        add: Vec<String>,
        /// SKUs to remove.
        remove: Vec<String>,
    },
}

impl Controller {
    /// Checks a paid order, and stores it for its buyer.
    pub(super) fn handle_till_order(
        &mut self,
        buyer: BuyerRef,
        order: TillOrder,
        address: Option<ResponseAddress>,
    ) {
        match order.check(self.now(), self.settings.currency) {
            Err(error) => self.respond_to_command(address, Err(CommandFailure::malformed(error))),
            Ok(()) => self.find_buyer(buyer, BuyerAction::Order(order), address),
        }
    }

    /// Performs an action for the customer that a buyer reference names. The controller contains the customers
    /// at the tills, the vault the others.
    pub(super) fn find_buyer(
        &mut self,
        buyer: BuyerRef,
        action: BuyerAction,
        address: Option<ResponseAddress>,
    ) {
        let at = self.now();
        let BuyerRef::AtTill(till) = buyer else {
            return self.store(StoreRequest::FindBuyer { buyer, at, action, address });
        };
        let customer = match &action {
            // A repeated order belongs to the buyer of its first delivery.
            BuyerAction::Order(order) => self.till_assignments.buyer_of(&till, &order.id, at),
            _ => self.till_assignments.customer_at(&till, at),
        };
        match (customer, action) {
            (None, _) => {
                let message = format!("no customer is at till {till}");
                self.respond_to_command(address, Err(CommandFailure::not_found(message)));
            }
            (Some(customer), BuyerAction::Order(order)) => {
                self.store_order(customer, order, Some(till), address);
            }
            (Some(customer), action) => self.complete_buyer_search(action, address, Ok(customer)),
        }
    }

    pub(super) fn complete_buyer_search(
        &mut self,
        action: BuyerAction,
        address: Option<ResponseAddress>,
        result: Result<CustomerId, CommandFailure>,
    ) {
        let at = self.now();
        let response = match (result, action) {
            (Err(failure), _) => Err(failure),
            (Ok(customer), BuyerAction::Order(order)) => {
                return self.store_order(customer, order, None, address);
            }
            (Ok(customer), BuyerAction::AssignToTill(till)) => {
                let until = self.till_assignments.assign(&till, customer, at);
                Ok(CommandResponse::AtTill { customer, till, until })
            }
            (Ok(customer), BuyerAction::ChangeList { add, remove }) => {
                self.change_list(customer, &add, &remove).map(CommandResponse::List)
            }
        };
        self.respond_to_command(address, response);
    }

    fn store_order(
        &mut self,
        customer: CustomerId,
        order: TillOrder,
        till: Option<String>,
        address: Option<ResponseAddress>,
    ) {
        let (order, at) = (order.with_customer(customer), self.now());
        self.store(StoreRequest::AddOrder { order, at, till, address });
    }

    /// Applies a stored order. The confirmation of a new order is in the outbox, from which it is sent
    /// even if the connection is lost before.
    pub(super) fn complete_order(
        &mut self,
        order: Order,
        till: Option<String>,
        address: Option<ResponseAddress>,
        result: StoreResult<AddOrderOutcome>,
    ) {
        let is_new = match result {
            Ok(AddOrderOutcome::Added) => true,
            Ok(AddOrderOutcome::AlreadyKnown) => false,
            Ok(outcome) => {
                return self.respond_to_command(address, Err(order_rejection(&order, outcome)));
            }
            Err(error) => return self.respond_to_command(address, Err(error.into())),
        };
        if is_new {
            self.recommendations.add_order(&order);
            self.remove_bought_items(&order);
        }
        if let Some(till) = till {
            let now = self.now();
            self.till_assignments.record_payment(&till, &order.id, order.customer, now);
        }
        if is_new && address.is_some() {
            self.read_outbox();
        }
        let address = address.filter(|_| !is_new);
        let Order { id, customer, .. } = order;
        self.respond_to_command(address, Ok(CommandResponse::Order { id, customer, is_new }));
    }

    /// Removes bought products from the customer's shopping list.
    fn remove_bought_items(&mut self, order: &Order) {
        let now = self.now();
        let skus: Vec<_> = order.lines.iter().map(|line| &line.sku).collect();
        let before = self.shopping_lists.get(order.customer, now);
        if let Some(after) = self.shopping_lists.update(order.customer, Vec::new(), &skus, now)
            && after != before
        {
            self.publish_list(after);
        }
    }

    /// Changes a customer's shopping list and returns it. Without changes, returns the stored list.
    fn change_list(
        &mut self,
        customer: CustomerId,
        add: &[String],
        remove: &[String],
    ) -> Result<ShoppingList, CommandFailure> {
        let now = self.now();
        if add.is_empty() && remove.is_empty() {
            return Ok(self.shopping_lists.get(customer, now));
        }
        let added = self.list_items(add)?;
        let list = self.shopping_lists.update(customer, added, remove, now).ok_or_else(|| {
            CommandFailure::conflict(format!(
                "a shopping list has at most {} products; remove a product first",
                ShoppingLists::MAX_ITEMS
            ))
        })?;
        self.publish_list(list.clone());
        Ok(list)
    }

    /// Returns list items with the products' names.
    fn list_items(&self, skus: &[String]) -> Result<Vec<ListItem>, CommandFailure> {
        let item = |sku: &String| {
            let name = self
                .recommendations
                .product_name(sku)
                .ok_or_else(|| CommandFailure::not_found(format!("product {sku:?} is unknown")))?;
            Ok(ListItem { sku: sku.clone(), name: name.to_owned() })
        };
        skus.iter().map(item).collect()
    }
}

/// Returns the reason why the vault did not store an order.
pub fn order_rejection(order: &Order, outcome: AddOrderOutcome) -> CommandFailure {
    let Order { id, customer, replaces, .. } = order;
    match (outcome, replaces) {
        (AddOrderOutcome::NoSuchCustomer, _) => CommandFailure::unknown_customer(*customer),
        (AddOrderOutcome::ReplacedOrderNotFound, Some(replaced)) => {
            CommandFailure::not_found(format!(
                "order {id} replaces order {replaced}, but the customer has no such order, or it \
                 was replaced before"
            ))
        }
        _ => CommandFailure::conflict(format!(
            "order {id} is stored with other content and stays unchanged; send a correction with a \
             new id and `replaces`"
        )),
    }
}
