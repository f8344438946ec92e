//! What is done now and then, whether anybody asks or not.

use instored_vault::Actor;
use jiff::{Timestamp, Zoned};

use super::controller::Controller;

impl Controller {
    /// Counts, sweeps, and forgets whoever has not come for long.
    pub fn tend(&mut self) {
        self.advisor.tend();
        let (visits, refused) =
            (self.today.count(&Zoned::now()), self.publisher.statistics().refused_commands);
        if visits != self.state.visits_today || refused != self.state.rejected_commands {
            self.state.visits_today = visits;
            self.publish_state();
        }
        self.chores.sweep_again(&self.vault);
        if self.chores.take_overdue() {
            self.forget_overdue();
        }
    }

    fn forget_overdue(&mut self) {
        let months = self.shop.retention_months;
        if months == 0 {
            return;
        }
        match self.vault.inactive_customers(Timestamp::now(), months) {
            Ok(due) => {
                for customer in due {
                    if let Err(refusal) = self.forget(customer, Actor::Retention) {
                        tracing::error!("{refusal}");
                    }
                }
            }
            Err(e) => tracing::error!("who has not come for long cannot be told: {e}"),
        }
    }
}
