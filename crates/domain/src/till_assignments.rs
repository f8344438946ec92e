//! Assignments of customers to tills. Tills and displays send the assignments. The box cannot
//! detect who is at a till, because its camera is at the entrance.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{CustomerId, OrderId};

/// Assignments of customers to tills. An assignment ends when it expires or when an order is paid.
#[derive(Debug)]
pub struct TillAssignments {
    lifetime: SignedDuration,
    tills: HashMap<String, Till>,
}

#[derive(Debug, Default)]
struct Till {
    current: Option<Assignment>,
    /// The last paid order and its buyer. A till that receives no response sends the order again.
    /// By then, the next customer may be assigned to the till.
    last_paid: Option<(OrderId, Assignment)>,
}

#[derive(Clone, Copy, Debug)]
struct Assignment {
    customer: CustomerId,
    expires: Timestamp,
}

impl Assignment {
    fn is_active(&self, now: Timestamp) -> bool {
        self.expires > now
    }
}

impl TillAssignments {
    /// Creates an empty table of assignments that expire after `lifetime`.
    pub fn new(lifetime: SignedDuration) -> Self {
        Self { lifetime, tills: HashMap::new() }
    }

    /// Sets the lifetime of later assignments.
    pub fn set_lifetime(&mut self, lifetime: SignedDuration) {
        self.lifetime = lifetime;
    }

    /// Assigns a customer to a till and returns the time at which the assignment expires. Ends the
    /// customer's assignment to another till, and another customer's assignment to this till.
    pub fn assign(&mut self, till: &str, customer: CustomerId, now: Timestamp) -> Timestamp {
        self.retain(|assignment| assignment.is_active(now));
        let assignment = self.new_assignment(customer, now);
        for till in self.tills.values_mut() {
            till.current.take_if(|current| current.customer == customer);
        }
        self.tills.entry(till.to_owned()).or_default().current = Some(assignment);
        assignment.expires
    }

    /// Returns the customer who is assigned to a till.
    pub fn customer_at(&self, till: &str, now: Timestamp) -> Option<CustomerId> {
        let current = self.tills.get(till)?.current.filter(|current| current.is_active(now))?;
        Some(current.customer)
    }

    /// Returns the buyer of a till's order. For the last paid order, this is the customer who paid;
    /// for other orders, the assigned customer.
    pub fn buyer_of(&self, till: &str, order: &OrderId, now: Timestamp) -> Option<CustomerId> {
        match &self.tills.get(till)?.last_paid {
            Some((paid, buyer)) if paid == order && buyer.is_active(now) => Some(buyer.customer),
            _ => self.customer_at(till, now),
        }
    }

    /// Records a paid order and ends its buyer's assignment to the till.
    pub fn record_payment(
        &mut self,
        till: &str,
        order: &OrderId,
        buyer: CustomerId,
        now: Timestamp,
    ) {
        let assignment = self.new_assignment(buyer, now);
        let till = self.tills.entry(till.to_owned()).or_default();
        till.current.take_if(|current| current.customer == buyer);
        till.last_paid = Some((order.clone(), assignment));
    }

    /// Deletes a customer's assignments and paid orders.
    pub fn remove_customer(&mut self, customer: CustomerId) {
        self.retain(|assignment| assignment.customer != customer);
    }

    fn new_assignment(&self, customer: CustomerId, now: Timestamp) -> Assignment {
        let expires = now.checked_add(self.lifetime).unwrap_or(Timestamp::MAX);
        Assignment { customer, expires }
    }

    fn retain(&mut self, is_kept: impl Fn(&Assignment) -> bool) {
        self.tills.retain(|_, till| {
            till.current.take_if(|current| !is_kept(current));
            till.last_paid.take_if(|(_, buyer)| !is_kept(buyer));
            till.current.is_some() || till.last_paid.is_some()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: CustomerId = CustomerId(uuid::Uuid::from_u128(1));
    const BEN: CustomerId = CustomerId(uuid::Uuid::from_u128(2));

    fn tills() -> TillAssignments {
        TillAssignments::new(SignedDuration::from_mins(10))
    }

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * n).unwrap()
    }

    fn order(n: u32) -> OrderId {
        OrderId(n.to_string())
    }

    #[test]
    fn last_assigned_customer_is_the_buyer_until_expiry() {
        let mut tills = tills();
        assert_eq!(tills.customer_at("2", minute(0)), None);
        assert_eq!(tills.assign("2", ANNA, minute(0)), minute(10));
        assert_eq!(tills.buyer_of("2", &order(1), minute(9)), Some(ANNA));
        assert_eq!(tills.customer_at("1", minute(9)), None);
        assert_eq!(tills.buyer_of("2", &order(1), minute(10)), None);
        tills.assign("2", ANNA, minute(11));
        tills.assign("2", BEN, minute(12));
        assert_eq!(tills.customer_at("2", minute(12)), Some(BEN));
    }

    #[test]
    fn customer_is_assigned_to_one_till() {
        let mut tills = tills();
        tills.assign("2", ANNA, minute(0));
        tills.assign("3", ANNA, minute(1));
        let (at_till_2, at_till_3) =
            (tills.customer_at("2", minute(2)), tills.customer_at("3", minute(2)));
        assert_eq!((at_till_2, at_till_3), (None, Some(ANNA)));
    }

    #[test]
    fn payment_ends_assignment_and_resent_order_keeps_its_buyer() {
        let mut tills = tills();
        tills.assign("2", ANNA, minute(0));
        tills.record_payment("2", &order(1), ANNA, minute(1));
        assert_eq!(tills.customer_at("2", minute(1)), None);
        tills.assign("2", BEN, minute(2));
        assert_eq!(tills.buyer_of("2", &order(1), minute(3)), Some(ANNA));
        assert_eq!(tills.buyer_of("2", &order(2), minute(3)), Some(BEN));
        assert_eq!(tills.buyer_of("2", &order(1), minute(11)), Some(BEN));
    }

    #[test]
    fn resent_order_keeps_assignment_of_next_customer() {
        let mut tills = tills();
        tills.assign("2", ANNA, minute(0));
        tills.record_payment("2", &order(1), ANNA, minute(1));
        tills.assign("2", BEN, minute(2));
        tills.record_payment("2", &order(1), ANNA, minute(3));
        assert_eq!(tills.customer_at("2", minute(3)), Some(BEN));
    }

    #[test]
    fn removed_customers_and_expired_assignments_are_deleted() {
        let mut tills = tills();
        tills.assign("2", ANNA, minute(0));
        tills.record_payment("2", &order(1), ANNA, minute(1));
        tills.assign("3", ANNA, minute(1));
        tills.remove_customer(ANNA);
        assert!(tills.tills.is_empty());
        tills.assign("2", ANNA, minute(2));
        tills.assign("3", BEN, minute(20));
        assert_eq!(tills.tills.len(), 1);
    }
}
