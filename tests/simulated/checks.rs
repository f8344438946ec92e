//! Invariants.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use instored_domain::{Command, OUTBOX_LIFETIME};
use jiff::{SignedDuration, Timestamp};

use crate::counts::Faults;
use crate::vault::Fact;
use crate::world::World;

/// Maximum number of rounds until the box is idle.
const ROUNDS_MAX: usize = 2000;

impl World {
    /// Checks the invariants that are valid after each operation.
    pub fn check_always(&mut self) -> Result<()> {
        for (customer, ids) in &self.broker.received.done {
            ensure!(ids.len() == 1, "the enrolment of {customer} has {} events", ids.len());
        }
        for (customer, ids) in &self.broker.received.withdrawn {
            ensure!(ids.len() == 1, "the deletion of {customer} has {} events", ids.len());
        }
        for (order, customer) in &self.confirmed_orders {
            let Some(account) = self.vault.accounts.get(customer) else {
                let is_deleted = self.vault.deleted.contains(customer);
                ensure!(is_deleted, "the customer of the confirmed order {order} is lost");
                continue;
            };
            let is_stored = account.orders.iter().any(|stored| stored.id == *order);
            let is_voided = self.vault.voided.contains(order);
            ensure!(is_stored || is_voided, "the confirmed order {order} is lost");
        }
        Ok(())
    }

    /// Ends all faults, completes all pending work, and checks all invariants.
    pub fn settle_and_check(&mut self) -> Result<()> {
        self.counts.checks += 1;
        self.vault.is_full = false;
        self.vault.fails_next_read = false;
        self.clock_offset = SignedDuration::ZERO;
        self.start_broker(true);
        self.camera.set_streaming(true);
        self.settle()?;
        // A message that could not be read is requested again by the periodic work.
        self.wait(SignedDuration::from_secs(60))?;
        self.settle()?;
        let faults = std::mem::take(&mut self.faults);
        if !faults.has_wrong_clock && !faults.has_rejected {
            self.check_announcements().context("a minute after the faults")?;
        }
        self.check_departures(&faults)?;
        // Each hour, the box resends its outbox, including messages that its connection dropped.
        self.wait(SignedDuration::from_secs(2 * 3600))?;
        self.settle()?;
        while !self.pending_orders.is_empty() {
            let before = self.pending_orders.len();
            (0..before).for_each(|order| self.repeat_order(order));
            self.settle()?;
            ensure!(self.pending_orders.len() < before, "orders are not answered");
        }
        // The display requests the present customers.
        self.send(Command::Present { republishes_greetings: true });
        self.settle()?;
        self.check_always()?;
        self.check_announcements()?;
        self.check_visits()?;
        self.check_state()
    }

    /// Runs until the box is idle.
    fn settle(&mut self) -> Result<()> {
        for _ in 0..ROUNDS_MAX {
            self.camera.run();
            self.fail_capture();
            self.run_vault(usize::MAX)?;
            self.run_network(usize::MAX)?;
            self.run(16)?;
            if self.is_idle() {
                return Ok(());
            }
        }
        anyhow::bail!("the box is not idle after {ROUNDS_MAX} rounds")
    }

    /// Lets an enrolment in progress time out.
    fn fail_capture(&mut self) {
        self.camera.capture(true);
    }

    fn is_idle(&mut self) -> bool {
        let process = &self.process;
        process.requests.is_empty()
            && process.responses.is_empty()
            && process.commands.is_empty()
            && !process.is_command_in_progress
            && process.clients.is_empty()
            && process.clock_checks == 0
            && process.trainings == 0
            && process.delivered.is_empty()
            && !process.is_in_flight
            && process.publisher.statistics().queued == 0
            && self.camera.events.is_empty()
            && self.camera.commands.is_empty()
    }

    /// Checks that each enrolment and each deletion was announced, unless its message became too old.
    fn check_announcements(&mut self) -> Result<()> {
        let received = &self.broker.received;
        let enrolled = self.vault.accounts.keys().copied().map(Fact::Enrolled);
        let facts = enrolled.chain(self.vault.deleted.iter().copied().map(Fact::Deleted));
        let is_old = |stored: Timestamp| self.now.duration_since(stored) >= OUTBOX_LIFETIME;
        let old = self.vault.outbox.values().filter(|(message, _)| is_old(message.stored));
        let old: BTreeSet<_> = old.map(|(_, fact)| *fact).collect();
        for fact in facts {
            let is_announced = match fact {
                Fact::Enrolled(id) => received.done.contains_key(&id.to_string()),
                Fact::Deleted(id) | Fact::Ordered(id) => {
                    received.withdrawn.contains_key(&id.to_string())
                }
            };
            let has_expired = old.contains(&fact) || self.vault.expired.contains(&fact);
            ensure!(is_announced || has_expired, "{fact:?} was not announced");
        }
        let deleted: BTreeSet<_> = self.vault.deleted.iter().map(ToString::to_string).collect();
        let wrong = received.withdrawn.keys().find(|customer| !deleted.contains(*customer));
        ensure!(wrong.is_none(), "the deletion of {wrong:?} was announced, but they are enrolled");
        self.counts.enrolments = received.done.len();
        self.counts.deletions = received.withdrawn.len();
        self.counts.visits = received.visits;
        Ok(())
    }

    /// Checks that the last event of each present customer shows them.
    fn check_visits(&self) -> Result<()> {
        let here: BTreeSet<_> = self.camera.arrived().iter().map(ToString::to_string).collect();
        let visits = &self.broker.received.last_visits;
        for customer in &here {
            let last =
                visits.get(customer).with_context(|| format!("{customer} is not greeted"))?;
            ensure!(last.kind != "left", "{customer} is here, but their last event is {last:?}");
        }
        Ok(())
    }

    /// Checks that nobody absent is shown, and clears the recorded visits. After a wrong clock, events may
    /// have expired too early, and a display removes greetings only when they expire.
    fn check_departures(&mut self, faults: &Faults) -> Result<()> {
        let here: BTreeSet<_> = self.camera.arrived().iter().map(ToString::to_string).collect();
        let now = self.now;
        let visits = &mut self.broker.received.last_visits;
        visits.retain(|customer, last| {
            last.kind != "left"
                && !here.contains(customer)
                && last.expires > now
                && !faults.has_wrong_clock
        });
        let shown = visits.iter().next();
        ensure!(shown.is_none(), "a customer has left and is still shown: {shown:?}");
        Ok(())
    }

    /// Checks the retained messages, and the agreement between vault, controller and recognition.
    fn check_state(&self) -> Result<()> {
        let waiting: Vec<_> = self.vault.outbox.keys().collect();
        ensure!(waiting.is_empty(), "the messages {waiting:?} stay in the outbox");
        let state = self.broker.retained("state");
        let enrolled = self.vault.accounts.len();
        ensure!(state["customers"] == enrolled, "{state} does not have {enrolled} customers");
        let mode = if self.is_on_request { "waiting" } else { "watching" };
        ensure!(
            state["mode"] == mode || state["mode"] == "watching",
            "an enrolment has not ended: {state}"
        );
        let due =
            self.vault.accounts.values().filter(|a| a.customer.deletion_due.is_some()).count();
        ensure!(state["due"] == due, "{state} does not have {due} marked customers");
        ensure!(self.broker.retained("availability") == "online", "the box is not online");
        let key = format!("key-{}", self.key);
        ensure!(self.broker.announced_key() == Some(key), "the announced key is outdated");
        let gallery: Vec<_> = self.camera.gallery().collect();
        let accounts: Vec<_> = self.vault.accounts.keys().copied().collect();
        ensure!(gallery == accounts, "the gallery differs from the vault");
        Ok(())
    }
}
