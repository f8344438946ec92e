//! Periodic work: retention, training, outbox and counters.

use std::time::Duration;

use instored_domain::{CustomerId, Order, RetentionStatus};
use jiff::{SignedDuration, Timestamp};

use crate::controller::Controller;
use crate::effect::Effect;
use crate::operator::ClientId;
use crate::retention::{RetentionPlan, RetentionPolicy, retention_cutoff, retention_status_text};
use crate::store::{Origin, StoreRequest, StoreResult};

/// Time between two retention runs while the clock is confirmed.
const RETENTION_INTERVAL: Duration = Duration::from_secs(3600);

/// Maximum deviation of the clock from the uptime. A larger one means that the clock was changed. Time
/// servers correct smaller errors.
const CLOCK_DRIFT_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Maximum number of customers whose old orders one retention run deletes. The vault executes other
/// operations afterwards.
const ORDER_REMOVALS_MAX: usize = 200;

/// Schedule of the retention runs.
#[derive(Default)]
pub(super) struct RetentionSchedule {
    /// Uptime of the last scheduled clock check.
    last_check: Option<Duration>,
    /// True while a clock check is in progress.
    is_check_pending: bool,
    /// Clients who wait for the next run.
    clients: Vec<ClientId>,
}

impl Controller {
    /// Does all periodic work.
    pub(super) fn run_maintenance(&mut self) {
        let uptime = self.readings.uptime;
        if let Some(recommender) = self.recommendations.start_training(uptime) {
            self.effects.push(Effect::Train(recommender));
        }
        self.refresh_counters();
        self.retry_outbox();
        let last = self.retention_schedule.last_check;
        let is_due = last.is_none_or(|last| uptime.saturating_sub(last) >= RETENTION_INTERVAL);
        if is_due || !self.is_clock_confirmed() {
            self.retention_schedule.last_check = Some(uptime);
            self.check_clock();
        }
    }

    /// Returns true if a time server or the operator has confirmed the clock, and the clock has not
    /// been changed since.
    pub(super) fn is_clock_confirmed(&self) -> bool {
        self.confirmed_clock.is_some_and(|(confirmed, uptime)| {
            let elapsed = self.readings.uptime.saturating_sub(uptime);
            let expected = confirmed.saturating_add(elapsed).unwrap_or(Timestamp::MAX);
            self.now().duration_since(expected).abs() <= CLOCK_DRIFT_MAX
        })
    }

    /// Publishes the state if the number of today's visitors or of rejected commands has changed.
    fn refresh_counters(&mut self) {
        let visits = self.daily_visits.count(&self.readings.now);
        let rejected = self.readings.counters.rejected_commands;
        if visits != self.state.visits_today || rejected != self.state.rejected_commands {
            self.state.visits_today = visits;
            self.publish_state();
        }
    }

    /// Lifts the limit on due customers for a day, and starts a retention run. The client is answered
    /// after it.
    pub(super) fn confirm_due(&mut self, client: ClientId) {
        let now = self.now();
        self.retention.confirm_due(now);
        self.retention_schedule.clients.push(client);
        self.check_clock();
    }

    fn check_clock(&mut self) {
        if !std::mem::replace(&mut self.retention_schedule.is_check_pending, true) {
            self.effects.push(Effect::CheckClock);
        }
    }

    /// Runs the retention with the result of a clock check, and cleans and resends the outbox.
    /// `is_synchronised` is true if a time server has set the clock.
    pub(super) fn handle_clock_check(&mut self, is_synchronised: bool) {
        self.retention_schedule.is_check_pending = false;
        let is_clock_confirmed = self.settings.trust_clock || is_synchronised;
        self.confirmed_clock = is_clock_confirmed.then_some((self.now(), self.readings.uptime));
        let days = i64::from(self.settings.retention_grace_days);
        let policy = RetentionPolicy {
            months: self.settings.retention_months,
            grace: SignedDuration::from_hours(24 * days),
        };
        let mut plan = self.retention.plan(self.now(), is_clock_confirmed, policy);
        // The visit of a customer who is here may not be stored yet.
        plan.mark.retain(|customer| !self.is_here(*customer));
        plan.delete.retain(|customer| !self.is_here(*customer));
        self.log_retention(&plan);
        let plan_status = plan.status;
        let has_new_status = plan.status != self.state.retention;
        self.state.retention = plan.status;
        if has_new_status {
            self.publish_state();
        }
        if !plan.unconfirmed_times.is_empty() {
            let (customers, at) = (plan.unconfirmed_times, self.now());
            self.store(StoreRequest::ConfirmTimes { customers, at });
        }
        let clients = std::mem::take(&mut self.retention_schedule.clients);
        // The clients are answered after the last change of marks.
        let (mark_clients, unmark_clients) =
            if plan.unmark.is_empty() { (clients, Vec::new()) } else { (Vec::new(), clients) };
        self.set_deletion_due(plan.mark, Some(plan.due), mark_clients);
        self.set_deletion_due(plan.unmark, None, unmark_clients);
        for customer in plan.delete {
            self.forget(customer, Origin::Retention);
        }
        let is_clock_plausible =
            is_clock_confirmed && plan_status != RetentionStatus::ClockImplausible;
        if is_clock_plausible {
            self.remove_old_orders();
        }
        // An unconfirmed clock may be ahead; messages would then expire too early.
        if is_clock_confirmed {
            self.remove_expired_messages();
            self.resend_outbox();
        }
    }

    /// Deletes orders at the end of their storage period, of some customers at a time.
    fn remove_old_orders(&mut self) {
        if self.settings.order_months == 0 {
            return;
        }
        let at = self.now();
        let until = retention_cutoff(at, self.settings.order_months);
        let customers = self.recommendations.customers_with_orders_until(until);
        for customer in customers.into_iter().take(ORDER_REMOVALS_MAX) {
            self.store(StoreRequest::RemoveOrders { customer, until, at });
        }
    }

    pub(super) fn complete_order_removal(
        &mut self,
        customer: CustomerId,
        result: StoreResult<(u64, Vec<Order>)>,
    ) {
        match result {
            Ok((count, orders)) => {
                self.recommendations.replace_orders(customer, &orders);
                self.refresh_greeting(customer);
                tracing::debug!(%customer, count, "old orders deleted");
            }
            Err(error) => tracing::warn!(
                "cannot delete the old orders of a customer, retrying at the next retention run: {error}"
            ),
        }
    }

    /// Returns true if a customer has arrived or is in view.
    fn is_here(&self, customer: CustomerId) -> bool {
        self.arrivals.contains_key(&customer)
            || self.greeted.contains_key(&customer)
            || self.present.contains(&customer)
    }

    /// Stores or removes the marks of customers. Without customers, answers the clients at once.
    fn set_deletion_due(
        &mut self,
        customers: Vec<CustomerId>,
        due: Option<Timestamp>,
        clients: Vec<ClientId>,
    ) {
        if customers.is_empty() {
            return clients.into_iter().for_each(|client| self.respond_with_retention(client));
        }
        let at = self.now();
        self.store(StoreRequest::SetDeletionDue { customers, due, at, clients });
    }

    pub(super) fn complete_deletion_due(
        &mut self,
        customers: &[CustomerId],
        due: Option<Timestamp>,
        clients: Vec<ClientId>,
        result: StoreResult<()>,
    ) {
        match result {
            Ok(()) => {
                self.retention.set_due(customers, due);
                self.log_marked(customers.len(), due);
                self.publish_state();
            }
            Err(error) => tracing::error!(
                "cannot change the deletion marks of customers, retrying at the next retention run: {error}"
            ),
        }
        clients.into_iter().for_each(|client| self.respond_with_retention(client));
    }

    pub(super) fn complete_confirmed_times(
        &mut self,
        customers: &[CustomerId],
        at: Timestamp,
        result: StoreResult<()>,
    ) {
        match result {
            Ok(()) => self.retention.confirm_times(customers, at),
            Err(error) => tracing::error!(
                "cannot confirm the times of visits, retrying at the next retention run: {error}"
            ),
        }
    }

    /// Logs the number of customers who were marked.
    fn log_marked(&self, count: usize, due: Option<Timestamp>) {
        if due.is_some() {
            let days = self.settings.retention_grace_days;
            tracing::info!(
                "{count} customers have not visited for {} months and will be deleted in {days} days: \
                 `instored customers list --due`",
                self.settings.retention_months
            );
        }
    }

    /// Logs a new status that prevents the deletion.
    fn log_retention(&self, plan: &RetentionPlan) {
        if plan.status == self.state.retention {
            return;
        }
        let text = retention_status_text(plan.status);
        match plan.status {
            RetentionStatus::Running | RetentionStatus::Off => {}
            RetentionStatus::TooManyDue => tracing::error!(customers = plan.new_due, "{text}"),
            RetentionStatus::ClockNotConfirmed | RetentionStatus::ClockImplausible => {
                tracing::warn!("{text}");
            }
        }
    }
}
