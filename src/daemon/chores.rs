//! What is done now and then, and what takes long beside the desk: the vault's file is written
//! anew, and whoever has not come for long is forgotten.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{Timestamp, Zoned};

use super::desk::Desk;
use crate::vault::{Means, Vault};

/// What is under way.
#[derive(Default)]
pub(super) struct Chores {
    sweeping: Option<JoinHandle<()>>,
    /// Somebody was forgotten since the sweep that is under way began.
    sweep_again: bool,
    looked_for_overdue: Option<Instant>,
}

/// How often it is looked for customers who have not come for long.
const OVERDUE_PAUSE: Duration = Duration::from_secs(3600);

impl Chores {
    /// Writes the vault's file anew, without what was deleted.
    pub fn sweep(&mut self, vault: &Arc<Vault>) {
        if self.sweeping.as_ref().is_some_and(|sweeping| !sweeping.is_finished()) {
            self.sweep_again = true;
            return;
        }
        self.sweep_again = false;
        let vault = Arc::clone(vault);
        let work = move || {
            if let Err(e) = vault.sweep() {
                tracing::error!("the vault could not be swept, and will be later: {e}");
            }
        };
        let thread = std::thread::Builder::new().name("sweep".into());
        self.sweeping =
            thread.spawn(work).inspect_err(|e| tracing::error!("cannot start a thread: {e}")).ok();
    }
}

impl Desk {
    /// What is done now and then, whether anybody asks or not.
    pub fn tend(&mut self) {
        self.advisor.tend();
        let (visits, refused) = (self.today.count(&Zoned::now()), self.publisher.traffic().refused);
        if visits != self.state.visits_today || refused != self.state.refused_commands {
            self.state.visits_today = visits;
            self.publish_state();
        }
        let ended = self.chores.sweeping.as_ref().is_some_and(JoinHandle::is_finished);
        if ended && self.chores.sweep_again {
            self.chores.sweep(&self.vault);
        }
        let looked = self.chores.looked_for_overdue;
        if looked.is_none_or(|looked| looked.elapsed() >= OVERDUE_PAUSE) {
            self.chores.looked_for_overdue = Some(Instant::now());
            self.forget_overdue();
        }
    }

    fn forget_overdue(&mut self) {
        let months = self.shop.retention_months;
        if months == 0 {
            return;
        }
        match self.vault.due_for_forgetting(Timestamp::now(), months) {
            Ok(due) => {
                for customer in due {
                    if let Err(refusal) = self.forget(customer, Means::Retention) {
                        tracing::error!("{refusal}");
                    }
                }
            }
            Err(e) => tracing::error!("who has not come for long cannot be told: {e}"),
        }
    }
}
