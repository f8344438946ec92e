//! Retention: decides which inactive customers are marked, unmarked and deleted.
//!
//! The decisions depend on the arguments alone: nothing here reads a clock or the vault.
//!
//! Rules:
//! 1. Nobody is marked or deleted unless the clock is confirmed and agrees with the newest visit.
//! 2. A customer is deleted only after they were marked for the grace period without a visit.
//! 3. A time that was recorded while the clock was not confirmed is ignored: the storage period
//!    begins when the clock is confirmed.
//! 4. If the number of customers who fall due within a day exceeds a limit, nobody is marked or deleted
//!    until the operator confirms it.

use std::collections::BTreeMap;

use instored_domain::{Customer, CustomerId, RetentionStatus};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

/// Replaces a number of months that [`Span`] cannot represent (10,000 years).
const MONTHS_MAX: i64 = 120_000;
/// Maximum age of the newest visit at which the clock counts as plausible. A shop that was closed for longer
/// continues its retention with the first visit.
const IDLE_MAX: SignedDuration = SignedDuration::from_hours(60 * 24);
/// Visits further in the future than this are ignored: they were recorded by a clock that was ahead.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Customers who may fall due in a day: the larger of this number and of this share of all customers.
const DUE_PER_DAY_MAX: usize = 10;
const DUE_PER_DAY_PERCENT: usize = 5;

/// Settings of the retention.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetentionPolicy {
    /// Months after the last visit, or after the enrolment; 0 keeps customers without limit.
    pub months: u32,
    /// Time between mark and deletion.
    pub grace: SignedDuration,
}

/// Decisions of one run.
#[derive(PartialEq, Debug)]
pub(super) struct RetentionPlan {
    /// State of the retention.
    pub status: RetentionStatus,
    /// Customers to mark.
    pub mark: Vec<CustomerId>,
    /// Time of the deletion of the customers in `mark`.
    pub due: Timestamp,
    /// Customers whose marks are removed, because a wrong clock marked them or the storage period was extended.
    pub unmark: Vec<CustomerId>,
    /// Customers whose last visit has an unconfirmed time. Their storage period begins now.
    pub unconfirmed_times: Vec<CustomerId>,
    /// Customers to delete.
    pub delete: Vec<CustomerId>,
    /// Number of customers who fall due; with [`RetentionStatus::TooManyDue`] they are not marked.
    pub new_due: usize,
}

/// Last visit and mark of a customer.
#[derive(Clone, Copy)]
struct Activity {
    last: Timestamp,
    due: Option<Timestamp>,
    /// True if the clock was not confirmed at `last`.
    is_unconfirmed: bool,
}

/// Last visits and marks of all customers. An index in memory, so that a run reads no records.
#[derive(Default)]
pub(super) struct Retention {
    customers: BTreeMap<CustomerId, Activity>,
    /// Time at which the operator confirmed that many customers are due.
    due_confirmed: Option<Timestamp>,
}

impl Retention {
    pub fn new<'a>(customers: impl IntoIterator<Item = &'a Customer>) -> Self {
        let mut retention = Self::default();
        customers.into_iter().for_each(|customer| retention.update(customer));
        retention
    }

    /// Adds a customer, or replaces the data of a known one.
    pub fn update(&mut self, customer: &Customer) {
        let Customer { id, enrolled, last_visit, deletion_due: due, .. } = *customer;
        let last = last_visit.unwrap_or(enrolled);
        let is_unconfirmed = customer.has_unconfirmed_time;
        self.customers.insert(id, Activity { last, due, is_unconfirmed });
    }

    pub fn remove(&mut self, id: CustomerId) {
        self.customers.remove(&id);
    }

    /// Returns the number of marked customers.
    pub fn due_count(&self) -> u64 {
        self.customers.values().filter(|activity| activity.due.is_some()).count() as u64
    }

    /// Permits more due customers than the limit, for a day from `now`.
    pub fn confirm_due(&mut self, now: Timestamp) {
        self.due_confirmed = Some(now);
    }

    /// Sets or removes the marks of customers, as they were stored.
    pub fn set_due(&mut self, ids: &[CustomerId], due: Option<Timestamp>) {
        for id in ids {
            if let Some(activity) = self.customers.get_mut(id) {
                activity.due = due;
            }
        }
    }

    /// Sets the time of the last visit of customers, as it was stored.
    pub fn confirm_times(&mut self, ids: &[CustomerId], at: Timestamp) {
        for id in ids {
            if let Some(activity) = self.customers.get_mut(id) {
                (activity.last, activity.is_unconfirmed) = (at, false);
            }
        }
    }

    /// Decides whom to mark, to unmark and to delete at `now`. `is_clock_confirmed` is true if a time
    /// server or the operator confirms the clock.
    pub fn plan(
        &self,
        now: Timestamp,
        is_clock_confirmed: bool,
        policy: RetentionPolicy,
    ) -> RetentionPlan {
        let due = now.checked_add(policy.grace).unwrap_or(Timestamp::MAX);
        let empty_plan = |status| RetentionPlan {
            status,
            mark: Vec::new(),
            due,
            unmark: Vec::new(),
            unconfirmed_times: Vec::new(),
            delete: Vec::new(),
            new_due: 0,
        };
        if policy.months == 0 {
            return empty_plan(RetentionStatus::Off);
        }
        if self.customers.is_empty() {
            return empty_plan(RetentionStatus::Running);
        }
        if !is_clock_confirmed {
            return empty_plan(RetentionStatus::ClockNotConfirmed);
        }
        let unconfirmed = self.customers.iter().filter(|(_, activity)| activity.is_unconfirmed);
        let unconfirmed_times: Vec<_> = unconfirmed.map(|(id, _)| *id).collect();
        if unconfirmed_times.len() < self.customers.len() && !self.is_plausible(now) {
            return RetentionPlan {
                unconfirmed_times,
                ..empty_plan(RetentionStatus::ClockImplausible)
            };
        }
        let cutoff = retention_cutoff(now, policy.months);
        let mut plan = RetentionPlan { unconfirmed_times, ..empty_plan(RetentionStatus::Running) };
        for (id, activity) in self.customers.iter().filter(|(_, a)| !a.is_unconfirmed) {
            match (activity.last <= cutoff, activity.due) {
                (true, None) => plan.mark.push(*id),
                (true, Some(due)) if due <= now => plan.delete.push(*id),
                (true, Some(_)) | (false, None) => {}
                (false, Some(_)) => plan.unmark.push(*id),
            }
        }
        plan.new_due = plan.mark.len();
        if plan.new_due > 0 && self.exceeds_daily_limit(now, due, plan.new_due) {
            let status = RetentionStatus::TooManyDue;
            return RetentionPlan { status, mark: Vec::new(), delete: Vec::new(), ..plan };
        }
        plan
    }

    /// Returns true if the clock agrees with the newest visit before it.
    fn is_plausible(&self, now: Timestamp) -> bool {
        let latest = now + CLOCK_TOLERANCE;
        let confirmed = self.customers.values().filter(|activity| !activity.is_unconfirmed);
        let newest = confirmed.map(|activity| activity.last).filter(|last| *last <= latest).max();
        newest.is_some_and(|newest| now.duration_since(newest) <= IDLE_MAX)
    }

    /// Returns true if `new` further customers would exceed the number who may fall due in a day.
    fn exceeds_daily_limit(&self, now: Timestamp, due: Timestamp, new: usize) -> bool {
        if self.due_confirmed.is_some_and(|confirmed| now.duration_since(confirmed) <= DAY) {
            return false;
        }
        let is_of_last_day = |mark: Timestamp| due.duration_since(mark) < DAY;
        let marked = self.customers.values().filter(|a| a.due.is_some_and(is_of_last_day)).count();
        let limit = DUE_PER_DAY_MAX.max(self.customers.len() * DUE_PER_DAY_PERCENT / 100);
        marked + new > limit
    }
}

/// Returns the time up to which the last visit of an inactive customer was.
pub fn retention_cutoff(now: Timestamp, months: u32) -> Timestamp {
    let span = Span::new().try_months(months).unwrap_or(Span::new().months(MONTHS_MAX));
    // Before the first representable date nobody is inactive.
    now.to_zoned(TimeZone::UTC).checked_sub(span).map_or(Timestamp::MIN, |date| date.timestamp())
}

/// Returns a sentence about the state of the deletion.
pub fn retention_status_text(status: RetentionStatus) -> &'static str {
    match status {
        RetentionStatus::Running => "customers who have not visited are deleted",
        RetentionStatus::Off => "shop.retention_months is 0, so customers are kept without limit",
        RetentionStatus::ClockNotConfirmed => {
            "inactive customers are kept, because no time server has set the clock; allow the box to \
             reach one, or set shop.trust_clock if the clock is right"
        }
        RetentionStatus::ClockImplausible => {
            "inactive customers are kept, because the clock disagrees with the newest visit; check the \
             date; if it is right, the deletion continues after the next visit"
        }
        RetentionStatus::TooManyDue => {
            "inactive customers are kept, because unusually many fall due at once; check the date and \
             `instored customers list --due`, then run `instored customers confirm-due`"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetentionPolicy =
        RetentionPolicy { months: 12, grace: SignedDuration::from_hours(7 * 24) };

    fn id(n: u128) -> CustomerId {
        CustomerId(uuid::Uuid::from_u128(n))
    }

    fn day(n: i64) -> Timestamp {
        "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * n)
    }

    fn customer(n: u128, enrolled: Timestamp, last_visit: Option<Timestamp>) -> Customer {
        Customer {
            id: id(n),
            name: None,
            enrolled,
            visits: 1,
            last_visit,
            deletion_due: None,
            has_unconfirmed_time: false,
            preferences: Default::default(),
        }
    }

    /// Returns `count` customers who visited on day 0, and one who visits on each day `active`.
    fn retention(count: u128, active: i64) -> Retention {
        let mut customers: Vec<_> = (1..=count).map(|n| customer(n, day(0), None)).collect();
        customers.push(customer(0, day(0), Some(day(active))));
        Retention::new(&customers)
    }

    fn apply(retention: &mut Retention, plan: &RetentionPlan) {
        retention.set_due(&plan.mark, Some(plan.due));
        retention.set_due(&plan.unmark, None);
        plan.delete.iter().for_each(|id| retention.remove(*id));
    }

    #[test]
    fn inactive_customer_is_marked_then_deleted_after_grace() {
        let mut retention = retention(1, 365);
        let before = retention.plan(day(364), true, POLICY);
        assert_eq!((before.mark.len(), before.delete.len()), (0, 0));
        let marked = retention.plan(day(365), true, POLICY);
        assert_eq!(
            (&marked.mark[..], marked.due, marked.delete.len()),
            (&[id(1)][..], day(372), 0)
        );
        apply(&mut retention, &marked);
        assert_eq!(retention.due_count(), 1);
        assert!(retention.plan(day(371), true, POLICY).delete.is_empty());
        assert_eq!(retention.plan(day(372), true, POLICY).delete, [id(1)]);
    }

    #[test]
    fn marked_customer_who_visits_is_unmarked() {
        let mut retention = retention(1, 365);
        let plan = retention.plan(day(365), true, POLICY);
        apply(&mut retention, &plan);
        retention.update(&Customer {
            deletion_due: Some(day(372)),
            ..customer(1, day(0), Some(day(370)))
        });
        let plan = retention.plan(day(373), true, POLICY);
        assert_eq!((&plan.unmark[..], plan.delete.len()), (&[id(1)][..], 0));
    }

    #[test]
    fn wrong_clock_marks_and_deletes_nobody() {
        let retention = retention(3, 10);
        // 13 months ahead; in 1970; not confirmed.
        for (now, is_confirmed, expected) in [
            (day(405), true, RetentionStatus::ClockImplausible),
            (Timestamp::UNIX_EPOCH, true, RetentionStatus::ClockImplausible),
            (day(405), false, RetentionStatus::ClockNotConfirmed),
        ] {
            let plan = retention.plan(now, is_confirmed, POLICY);
            assert_eq!((plan.status, plan.mark.len(), plan.delete.len()), (expected, 0, 0));
        }
    }

    #[test]
    fn mark_of_wrong_clock_is_removed_after_correction() {
        let mut retention = retention(3, 10);
        // The clock is 13 months ahead, and somebody visits.
        retention.update(&customer(0, day(0), Some(day(405))));
        let plan = retention.plan(day(405), true, POLICY);
        assert_eq!(plan.mark.len(), 3);
        apply(&mut retention, &plan);
        let plan = retention.plan(day(11), true, POLICY);
        assert_eq!((plan.unmark.len(), plan.delete.len()), (3, 0));
    }

    #[test]
    fn unconfirmed_time_counts_from_confirmation() {
        let mut retention = retention(1, 10);
        // Enrolled with the clock in 1970.
        let unconfirmed =
            Customer { has_unconfirmed_time: true, ..customer(9, Timestamp::UNIX_EPOCH, None) };
        retention.update(&unconfirmed);
        assert!(retention.plan(day(11), false, POLICY).unconfirmed_times.is_empty());
        let plan = retention.plan(day(11), true, POLICY);
        assert_eq!((&plan.unconfirmed_times[..], plan.mark.len()), (&[id(9)][..], 0));
        retention.confirm_times(&plan.unconfirmed_times, day(11));
        retention.update(&customer(0, day(0), Some(day(370))));
        assert_eq!(retention.plan(day(375), true, POLICY).mark, [id(1)]);
        assert_eq!(retention.plan(day(376), true, POLICY).mark, [id(1), id(9)]);
    }

    #[test]
    fn many_due_customers_need_confirmation() {
        let mut retention = retention(11, 365);
        let alarm = retention.plan(day(365), true, POLICY);
        assert_eq!((alarm.status, alarm.new_due), (RetentionStatus::TooManyDue, 11));
        assert!(alarm.mark.is_empty() && alarm.delete.is_empty());
        retention.confirm_due(day(365));
        let plan = retention.plan(day(365), true, POLICY);
        assert_eq!((plan.status, plan.mark.len()), (RetentionStatus::Running, 11));
        apply(&mut retention, &plan);
        retention.update(&customer(0, day(0), Some(day(372))));
        assert_eq!(retention.plan(day(372), true, POLICY).delete.len(), 11);
    }

    #[test]
    fn limit_counts_marks_of_the_last_day() {
        let mut retention = retention(6, 365);
        let plan = retention.plan(day(365), true, POLICY);
        apply(&mut retention, &plan);
        (7..=12).for_each(|n| retention.update(&customer(n, day(0), None)));
        let soon = day(365) + SignedDuration::from_hours(2);
        assert_eq!(retention.plan(soon, true, POLICY).status, RetentionStatus::TooManyDue);
        assert_eq!(retention.plan(day(366), true, POLICY).mark.len(), 6);
    }

    #[test]
    fn retention_of_0_months_is_off_and_a_long_one_deletes_nobody() {
        let retention = retention(3, 365);
        for months in [0, 1200, u32::MAX] {
            let plan = retention.plan(day(365), true, RetentionPolicy { months, ..POLICY });
            assert!(plan.mark.is_empty(), "{months}");
        }
    }
}
