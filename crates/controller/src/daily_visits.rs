//! Number of customers who visited today.

use std::collections::HashSet;

use instored_domain::{Customer, CustomerId};
use jiff::Zoned;
use jiff::civil::Date;

/// Counter of today's visitors. Each customer counts once a day.
pub(super) struct DailyVisits {
    date: Date,
    customers: HashSet<CustomerId>,
    count: u64,
}

impl DailyVisits {
    /// Creates the counter for the day of `now`. It contains the `customers` whose last visit is on
    /// this day.
    pub fn new(customers: &[Customer], now: &Zoned) -> Self {
        let mut visits = Self { date: now.date(), customers: HashSet::new(), count: 0 };
        for customer in customers {
            let last = customer.last_visit.map(|at| at.to_zoned(now.time_zone().clone()).date());
            if last == Some(visits.date) {
                visits.record(customer.id, now);
            }
        }
        visits
    }

    /// Counts a visit and returns today's total.
    pub fn record(&mut self, customer: CustomerId, now: &Zoned) -> u64 {
        self.count(now);
        self.count += u64::from(self.customers.insert(customer));
        self.count
    }

    /// Returns today's total. A new day starts at 0.
    pub fn count(&mut self, now: &Zoned) -> u64 {
        if self.date != now.date() {
            *self = Self::new(&[], now);
        }
        self.count
    }

    /// Removes a deleted customer's id. The total does not change.
    pub fn remove_customer(&mut self, customer: CustomerId) {
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
            deletion_due: None,
            has_unconfirmed_time: false,
            preferences: Preferences::default(),
        }
    }

    #[test]
    fn customer_counts_once_per_local_day() {
        let at = |time: &str| time.parse::<Zoned>().unwrap();
        let evening = at("2026-03-28T23:30:00+01:00[Europe/Berlin]");
        let customers = [
            customer(1, Some("2026-03-28T08:00:00Z")),
            customer(2, Some("2026-03-27T08:00:00Z")),
            customer(3, None),
        ];
        let mut visits = DailyVisits::new(&customers, &evening);
        assert_eq!(visits.count(&evening), 1);
        assert_eq!(visits.record(customers[0].id, &evening), 1);
        assert_eq!(visits.record(customers[1].id, &evening), 2);
        visits.remove_customer(customers[1].id);
        assert_eq!(visits.count(&evening), 2);
        // In UTC it is still the previous day.
        let night = at("2026-03-29T00:30:00+01:00[Europe/Berlin]");
        assert_eq!(visits.count(&night), 0);
        assert_eq!(visits.record(customers[0].id, &night), 1);
    }
}
