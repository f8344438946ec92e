//! Who stands at which till. The box sees its entrance alone: it is told.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{CustomerId, OrderId};

/// The customers at the tills. What was said holds for a while, or until an order closes it.
#[derive(Debug)]
pub struct Tills {
    lasts: SignedDuration,
    tills: HashMap<String, Till>,
}

#[derive(Debug, Default)]
struct Till {
    here: Option<Stay>,
    /// The order that was paid last: a till that hears no answer sends it again, when its buyer
    /// has left and perhaps the next one stands there.
    paid: Option<(OrderId, Stay)>,
}

#[derive(Clone, Copy, Debug)]
struct Stay {
    customer: CustomerId,
    until: Timestamp,
}

impl Tills {
    /// Tills with nobody at them, where what is said holds for so long.
    pub fn new(lasts: SignedDuration) -> Self {
        Self { lasts, tills: HashMap::new() }
    }

    /// From now on what is said holds for so long.
    pub fn set_lasts(&mut self, lasts: SignedDuration) {
        self.lasts = lasts;
    }

    /// A customer came to a till; gives back until when they count as being there. They are at no
    /// other till then, and nobody else is at this one.
    pub fn arrive(&mut self, till: &str, customer: CustomerId, now: Timestamp) -> Timestamp {
        self.keep(|stay| stay.until > now);
        let stay = self.stay(customer, now);
        for till in self.tills.values_mut() {
            till.here.take_if(|here| here.customer == customer);
        }
        self.tills.entry(till.to_owned()).or_default().here = Some(stay);
        stay.until
    }

    /// Who is at a till.
    pub fn at(&self, till: &str, now: Timestamp) -> Option<CustomerId> {
        live(self.tills.get(till)?.here, now)
    }

    /// Whose an order is that comes from a till: it is the one who paid it, if it was paid there
    /// just before, else whoever is there.
    pub fn buyer(&self, till: &str, order: &OrderId, now: Timestamp) -> Option<CustomerId> {
        match &self.tills.get(till)?.paid {
            Some((paid, stay)) if paid == order && stay.until > now => Some(stay.customer),
            _ => self.at(till, now),
        }
    }

    /// The order that [`buyer`](Self::buyer) was asked about is stored: its buyer leaves the till.
    pub fn paid(&mut self, till: &str, order: &OrderId, customer: CustomerId, now: Timestamp) {
        let stay = self.stay(customer, now);
        let till = self.tills.entry(till.to_owned()).or_default();
        till.here.take_if(|here| here.customer == customer);
        till.paid = Some((order.clone(), stay));
    }

    /// The customer withdrew.
    pub fn forget(&mut self, customer: CustomerId) {
        self.keep(|stay| stay.customer != customer);
    }

    fn stay(&self, customer: CustomerId, now: Timestamp) -> Stay {
        Stay { customer, until: now.checked_add(self.lasts).unwrap_or(Timestamp::MAX) }
    }

    fn keep(&mut self, keeps: impl Fn(&Stay) -> bool) {
        self.tills.retain(|_, till| {
            till.here.take_if(|here| !keeps(here));
            till.paid.take_if(|(_, stay)| !keeps(stay));
            till.here.is_some() || till.paid.is_some()
        });
    }
}

fn live(stay: Option<Stay>, now: Timestamp) -> Option<CustomerId> {
    stay.filter(|stay| stay.until > now).map(|stay| stay.customer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: CustomerId = CustomerId(uuid::Uuid::from_u128(1));
    const BEN: CustomerId = CustomerId(uuid::Uuid::from_u128(2));

    fn tills() -> Tills {
        Tills::new(SignedDuration::from_mins(10))
    }

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * n).unwrap()
    }

    fn order(n: u32) -> OrderId {
        OrderId(n.to_string())
    }

    #[test]
    fn whoever_was_last_said_to_be_at_a_till_is_its_buyer_for_a_while() {
        let mut tills = tills();
        assert_eq!(tills.at("2", minute(0)), None);
        assert_eq!(tills.arrive("2", ANNA, minute(0)), minute(10));
        assert_eq!(tills.buyer("2", &order(1), minute(9)), Some(ANNA));
        assert_eq!(tills.at("1", minute(9)), None);
        assert_eq!(tills.buyer("2", &order(1), minute(10)), None);
        tills.arrive("2", ANNA, minute(11));
        tills.arrive("2", BEN, minute(12));
        assert_eq!(tills.at("2", minute(12)), Some(BEN));
    }

    #[test]
    fn a_customer_is_at_one_till() {
        let mut tills = tills();
        tills.arrive("2", ANNA, minute(0));
        tills.arrive("3", ANNA, minute(1));
        assert_eq!((tills.at("2", minute(2)), tills.at("3", minute(2))), (None, Some(ANNA)));
    }

    #[test]
    fn who_has_paid_is_gone_and_the_same_order_sent_again_is_still_theirs() {
        let mut tills = tills();
        tills.arrive("2", ANNA, minute(0));
        tills.paid("2", &order(1), ANNA, minute(1));
        assert_eq!(tills.at("2", minute(1)), None);
        tills.arrive("2", BEN, minute(2));
        assert_eq!(tills.buyer("2", &order(1), minute(3)), Some(ANNA));
        assert_eq!(tills.buyer("2", &order(2), minute(3)), Some(BEN));
        assert_eq!(tills.buyer("2", &order(1), minute(11)), Some(BEN));
    }

    #[test]
    fn an_order_that_is_sent_again_does_not_send_the_next_customer_away() {
        let mut tills = tills();
        tills.arrive("2", ANNA, minute(0));
        tills.paid("2", &order(1), ANNA, minute(1));
        tills.arrive("2", BEN, minute(2));
        tills.paid("2", &order(1), ANNA, minute(3));
        assert_eq!(tills.at("2", minute(3)), Some(BEN));
    }

    #[test]
    fn nothing_is_kept_of_who_withdrew_or_left_long_ago() {
        let mut tills = tills();
        tills.arrive("2", ANNA, minute(0));
        tills.paid("2", &order(1), ANNA, minute(1));
        tills.arrive("3", ANNA, minute(1));
        tills.forget(ANNA);
        assert!(tills.tills.is_empty());
        tills.arrive("2", ANNA, minute(2));
        tills.arrive("3", BEN, minute(20));
        assert_eq!(tills.tills.len(), 1);
    }
}
