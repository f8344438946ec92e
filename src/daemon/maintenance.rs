//! Periodic work of the controller: retention, compaction, training and counters.

use std::time::{Duration, Instant};

use instored_vault::Actor;
use jiff::{Timestamp, Zoned};

use super::controller::Controller;

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
        if self.retention.is_due() {
            self.forget_inactive_customers();
        }
    }

    /// Publishes the state if one of its counters has changed.
    fn refresh_counters(&mut self) {
        let visits = self.daily_visits.count(&Zoned::now());
        let rejected = self.publisher.statistics().refused_commands;
        if visits != self.state.visits_today || rejected != self.state.rejected_commands {
            self.state.visits_today = visits;
            self.publish_state();
        }
    }

    /// Deletes the customers who have not visited for `shop.retention_months`.
    fn forget_inactive_customers(&mut self) {
        let months = self.shop.retention_months;
        if months == 0 {
            return;
        }
        match self.vault.inactive_customers(Timestamp::now(), months) {
            Ok(customers) => {
                for customer in customers {
                    if let Err(failure) = self.forget(customer, Actor::Retention) {
                        tracing::error!("cannot delete an inactive customer: {failure}");
                    }
                }
            }
            Err(error) => tracing::error!("cannot search for inactive customers: {error}"),
        }
    }
}
