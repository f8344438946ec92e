//! Commands of tills and displays, and requests of the command line.

use anyhow::Result;
use instored_controller::{ClientId, Event, OperatorRequest};
use instored_domain::{
    BuyerRef, Command, LineItem, NoCustomer, Order, OrderId, Product, Quantity, ResponseAddress,
    TillOrder, Unit,
};
use jiff::tz::TimeZone;

use super::World;
use crate::operation::Buyer;

/// Maximum number of commands that wait for the daemon, as in the MQTT connection.
const COMMANDS_MAX: usize = 32;
const TILLS: usize = 2;

/// Order that the till has sent and that was not answered.
#[derive(Clone)]
pub struct PendingOrder {
    pub correlation: String,
    pub command: Command,
}

impl World {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Sends a command, and returns its correlation data. The command is lost if too many wait or the broker
    /// is stopped.
    pub fn send(&mut self, command: Command) -> String {
        let correlation = self.next_number().to_string();
        self.send_with(command, &correlation);
        correlation
    }

    fn send_with(&mut self, command: Command, correlation: &str) {
        if self.process.commands.len() < COMMANDS_MAX && self.broker.is_running {
            let address = ResponseAddress {
                topic: "till/reply".to_owned(),
                correlation_data: Some(correlation.as_bytes().to_vec()),
            };
            self.process.commands.push_back((command, Some(address)));
        }
    }

    pub(super) fn request(&mut self, request: OperatorRequest) -> Result<()> {
        let client = self.next_number();
        self.process.clients.insert(client);
        self.handle(Event::Operator { request, client: ClientId(client) })
    }

    pub(super) fn buyer(&self, customer: usize, by_claim_code: bool) -> BuyerRef {
        let customer = self.vault.choose(customer);
        match self.vault.accounts.get(&customer) {
            Some(account) if by_claim_code => BuyerRef::ClaimCode(account.claim),
            _ => BuyerRef::Customer(customer),
        }
    }

    pub(super) fn new_order(&mut self) -> TillOrder {
        let line = LineItem {
            sku: "1".to_owned(),
            name: "Milk".to_owned(),
            quantity: Quantity::ONE,
            unit: Unit::default(),
            unit_price: 120,
            is_void: false,
        };
        Order {
            id: OrderId(format!("T-{}", self.next_number())),
            customer: NoCustomer,
            placed: self.box_now().to_zoned(TimeZone::UTC),
            currency: "EUR".parse().expect("a currency"),
            lines: vec![line],
            total: 120,
            till: None,
            replaces: None,
        }
    }

    pub(super) fn send_order(&mut self, customer: usize, buyer: Buyer) {
        let buyer = match buyer {
            Buyer::Till => BuyerRef::AtTill(till(customer)),
            Buyer::ClaimCode => self.buyer(customer, true),
            Buyer::Customer => self.buyer(customer, false),
        };
        let command = Command::Order { buyer, order: self.new_order() };
        let correlation = self.send(command.clone());
        self.pending_orders.push(PendingOrder { correlation, command });
    }

    pub fn repeat_order(&mut self, number: usize) {
        if !self.pending_orders.is_empty() {
            let index = number % self.pending_orders.len();
            let PendingOrder { correlation, command } = self.pending_orders[index].clone();
            self.send_with(command, &correlation);
        }
    }

    pub(super) fn void_order(&mut self, customer: usize) -> Result<()> {
        let customer = self.vault.choose(customer);
        let order = self.vault.accounts.get(&customer).and_then(|account| account.orders.first());
        let Some(order) = order.map(|order| order.id.clone()) else { return Ok(()) };
        self.request(OperatorRequest::VoidOrder { customer, order })
    }
}

pub(super) fn till(number: usize) -> String {
    (number % TILLS).to_string()
}

pub(super) fn new_product(number: u32) -> Product {
    Product {
        sku: number.to_string(),
        name: "Milk".to_owned(),
        category: None,
        is_available: true,
        is_age_restricted: false,
        allergens: Default::default(),
    }
}
