//! Periodic work of the controller: retention, compaction, training and counters.

use std::time::{Duration, Instant};

use instored_domain::{CustomerId, RetentionStatus};
use instored_vault::Actor;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::clock;
use super::commands::audit_context;
use super::controller::Controller;
use super::retention::{RetentionPlan, RetentionPolicy, status_text};

/// Time between two searches for inactive customers.
const RETENTION_INTERVAL: Duration = Duration::from_secs(3600);

/// Schedule of the search for inactive customers.
#[derive(Default)]
pub(super) struct RetentionSchedule {
    last_search: Option<Instant>,
}

impl RetentionSchedule {
    /// Returns true at most once per [`RETENTION_INTERVAL`].
    fn is_due(&mut self) -> bool {
        let is_due = self.last_search.is_none_or(|at| at.elapsed() >= RETENTION_INTERVAL);
        if is_due {
            self.last_search = Some(Instant::now());
        }
        is_due
    }
}

impl Controller {
    /// Does all periodic work.
    pub fn run_maintenance(&mut self) {
        self.recommendations.update_model();
        self.refresh_counters();
        self.compaction.continue_pending(&self.vault);
        if self.retention_schedule.is_due() {
            self.run_retention();
            // A clock that is ahead must not make a claim code or a deletion expire.
            if self.is_clock_confirmed() {
                self.remove_expired_messages();
            }
        }
    }

    /// Publishes the state if one of its counters has changed.
    fn refresh_counters(&mut self) {
        let visits = self.daily_visits.count(&Zoned::now());
        let rejected = self.publisher.statistics().rejected_commands;
        if visits != self.state.visits_today || rejected != self.state.rejected_commands {
            self.state.visits_today = visits;
            self.publish_state();
        }
    }

    /// Marks, spares and deletes customers who have not visited for `shop.retention_months`.
    pub fn run_retention(&mut self) {
        let now = Timestamp::now();
        let days = i64::from(self.shop.retention_grace_days);
        let policy = RetentionPolicy {
            months: self.shop.retention_months,
            grace: SignedDuration::from_hours(24 * days),
        };
        let plan = self.retention.plan(now, self.is_clock_confirmed(), policy);
        self.log_retention(&plan);
        self.set_deletion_due(&plan.spare, None);
        self.set_deletion_due(&plan.mark, Some(plan.due));
        for customer in plan.delete {
            if let Err(failure) = self.forget(customer, Actor::Retention) {
                tracing::error!("cannot delete an inactive customer: {failure}");
            }
        }
        let (status, due) = (plan.status, self.retention.due_count());
        if (status, due) != (self.state.retention, self.state.due_customers) {
            (self.state.retention, self.state.due_customers) = (status, due);
            self.publish_state();
        }
    }

    /// Returns true if a time server or the operator confirms the clock.
    fn is_clock_confirmed(&self) -> bool {
        self.shop.trust_clock || clock::is_synchronised()
    }

    fn set_deletion_due(&mut self, customers: &[CustomerId], due: Option<Timestamp>) {
        if customers.is_empty() {
            return;
        }
        let context = audit_context(Actor::Retention);
        match self.vault.set_deletion_due(customers, due, context) {
            Ok(()) => self.retention.set_due(customers, due),
            Err(error) => tracing::error!("cannot mark inactive customers: {error}"),
        }
    }

    /// Logs the marked customers, and a changed status that keeps inactive customers.
    fn log_retention(&self, plan: &RetentionPlan) {
        if !plan.mark.is_empty() {
            let (number, days) = (plan.mark.len(), self.shop.retention_grace_days);
            tracing::info!(
                "{number} customers have not visited for {} months and will be deleted in {days} \
                 days: `instored customers list --due`",
                self.shop.retention_months
            );
        }
        if plan.status == self.state.retention {
            return;
        }
        match plan.status {
            RetentionStatus::Running | RetentionStatus::Off => {}
            RetentionStatus::TooManyDue => {
                tracing::error!(customers = plan.new_due, "{}", status_text(plan.status));
            }
            RetentionStatus::ClockNotConfirmed | RetentionStatus::ClockImplausible => {
                tracing::warn!("{}", status_text(plan.status));
            }
        }
    }
}
