//! How many customers came in today.

use std::collections::HashSet;

use instored_domain::{Customer, CustomerId};
use jiff::Zoned;
use jiff::civil::Date;

/// Who came in today; each counts once.
pub(super) struct DailyVisits {
    date: Date,
    customers: HashSet<CustomerId>,
    count: u64,
}

impl DailyVisits {
    /// The day of `now`, with those of these customers whose last visit it was.
    pub fn of(customers: &[Customer], now: &Zoned) -> Self {
        let mut today = Self { date: now.date(), customers: HashSet::new(), count: 0 };
        for customer in customers {
            let last = customer.last_visit.map(|at| at.to_zoned(now.time_zone().clone()).date());
            if last == Some(today.date) {
                today.came_in(customer.id, now);
            }
        }
        today
    }

    /// How many it is, with one who has just come in.
    pub fn came_in(&mut self, customer: CustomerId, now: &Zoned) -> u64 {
        self.count(now);
        self.count += u64::from(self.customers.insert(customer));
        self.count
    }

    /// How many it is; nobody yet, on a new day.
    pub fn count(&mut self, now: &Zoned) -> u64 {
        if self.date != now.date() {
            *self = Self::of(&[], now);
        }
        self.count
    }

    /// The customer withdrew; that somebody was here stays true.
    pub fn forget(&mut self, customer: CustomerId) {
        self.customers.remove(&customer);
    }
}

#[cfg(test)]
mod tests {
    use instored_domain::Preferences;
    use jiff::Timestamp;

    use super::*;

    fn customer(number: u128, last_visit: Option<&str>) -> Customer {
        Customer {
            id: CustomerId(uuid::Uuid::from_u128(number)),
            name: None,
            enrolled: Timestamp::UNIX_EPOCH,
            visits: 1,
            last_visit: last_visit.map(|at| at.parse().unwrap()),
            preferences: Preferences::default(),
        }
    }

    #[test]
    fn each_customer_counts_once_a_day_by_the_shops_own_midnight() {
        let at = |time: &str| time.parse::<Zoned>().unwrap();
        let evening = at("2026-03-28T23:30:00+01:00[Europe/Berlin]");
        let known = [
            customer(1, Some("2026-03-28T08:00:00Z")),
            customer(2, Some("2026-03-27T08:00:00Z")),
            customer(3, None),
        ];
        let mut today = DailyVisits::of(&known, &evening);
        assert_eq!(today.count(&evening), 1);
        assert_eq!(today.came_in(known[0].id, &evening), 1);
        assert_eq!(today.came_in(known[1].id, &evening), 2);
        today.forget(known[1].id);
        assert_eq!(today.count(&evening), 2);
        // In UTC it is still the day before.
        let night = at("2026-03-29T00:30:00+01:00[Europe/Berlin]");
        assert_eq!(today.count(&night), 0);
        assert_eq!(today.came_in(known[0].id, &night), 1);
    }
}
