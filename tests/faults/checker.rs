//! Comparison of the promises with vault and broker.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::journal::{BOX_NAME, Deletion};
use crate::till::order;
use crate::walk::{Walk, check_orders};

/// Maximum time from the end of all faults until everything promised has arrived. A half-open connection
/// is detected after 10 seconds, and reconnections are up to 30 seconds apart.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// Time that a till waits for a response when nothing is broken.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

impl Walk {
    /// Ends all faults, waits until everything promised has arrived, and checks everything.
    pub fn check(&mut self) -> Result<()> {
        self.check_within(SETTLE_TIMEOUT)
    }

    /// Ends all faults, and waits at most for `timeout` until everything promised has arrived. Then checks
    /// everything.
    pub fn check_within(&mut self, timeout: Duration) -> Result<()> {
        self.checks += 1;
        self.end_all_faults()?;
        let start = Instant::now();
        loop {
            self.test_box.check_running()?;
            for order in self.pending_orders.clone() {
                self.send_order(&order, RESPONSE_TIMEOUT)?;
            }
            let Some(missing) = self.missing()? else { break };
            ensure!(start.elapsed() < timeout, "not within {timeout:?}: {missing}");
            thread::sleep(POLL_INTERVAL);
        }
        self.check_vault()?;
        self.check_claim_codes()
    }

    /// Describes a promise that is not kept yet, if any.
    fn missing(&mut self) -> Result<Option<String>> {
        self.subscriber.synchronise()?;
        self.add_announced_customers()?;
        let topics =
            ["availability", "key", "state"].map(|leaf| format!("instored/{BOX_NAME}/{leaf}"));
        let retained =
            self.subscriber.retained(&topics.each_ref().map(String::as_str), topics.len())?;
        let find = |leaf: &str| {
            let of_leaf = |m: &&Value| m["topic"].as_str().is_some_and(|t| t.ends_with(leaf));
            retained.iter().find(of_leaf)
        };
        let (Some(availability), Some(key), Some(state)) =
            (find("availability"), find("key"), find("state"))
        else {
            return Ok(Some(format!("not all topics are retained: {retained:?}")));
        };
        if availability["payload"] != "online" {
            return Ok(Some("the box is not online".to_owned()));
        }
        let key: Value = serde_json::from_str(key["payload"].as_str().unwrap_or_default())?;
        if key != self.test_box.json(&["keys", "show", "--json"])? {
            return Ok(Some("the retained key is not the key of the box".to_owned()));
        }
        if !self.subscriber.received().has_signed(state) {
            return Ok(Some(format!(
                "the retained state is not signed with the trusted key: {state}"
            )));
        }
        if self.subscriber.retained(&["homeassistant/#"], 1)?.is_empty() {
            return Ok(Some("Home Assistant's announcement is not retained".to_owned()));
        }
        let state: Value = serde_json::from_str(state["payload"].as_str().unwrap_or_default())?;
        if state["mode"] == "enrolling" {
            return Ok(Some("an enrolment is running".to_owned()));
        }
        let listed = self.listed()?;
        if state["customers"] != listed.len() {
            return Ok(Some(format!("{state} does not have {} customers", listed.len())));
        }
        let received = self.subscriber.received();
        let withdrawn = &received.withdrawn;
        if let Some((customer, events)) = withdrawn.iter().find(|(_, events)| events.len() > 1) {
            bail!("the deletion of {customer} was announced as {events:?}");
        }
        if let Some(customer) = listed.keys().find(|id| !received.done.contains_key(*id)) {
            return Ok(Some(format!("{customer} is enrolled, and `done` was not published")));
        }
        for (customer, promises) in &mut self.customers {
            let is_listed = listed.contains_key(customer);
            match promises.deletion {
                Deletion::None => ensure!(is_listed, "{customer} is lost"),
                Deletion::Confirmed => {
                    ensure!(!is_listed, "{customer} was deleted, and is enrolled")
                }
                Deletion::Requested if is_listed => {}
                Deletion::Requested => promises.deletion = Deletion::Confirmed,
            }
            // A deletion whose response timed out may be executed between the two readings.
            match (is_listed, received.withdrawn.contains_key(customer)) {
                (true, true) => {
                    return Ok(Some(format!(
                        "{customer} is enrolled, and `withdrawn` was published"
                    )));
                }
                (false, false) => {
                    return Ok(Some(format!(
                        "{customer} was deleted, and `withdrawn` was not published"
                    )));
                }
                _ => {}
            }
        }
        Ok(self.pending_orders.first().map(|order| format!("no response to {}", order.payload)))
    }

    /// Checks the vault's integrity and the confirmed orders.
    pub fn check_vault(&mut self) -> Result<()> {
        let verified = self.test_box.run(["vault", "verify", "--json"])?;
        ensure!(verified.code == Some(0), "the vault has faults: {verified:?}");
        for (customer, promises) in &self.customers {
            if promises.deletion == Deletion::None {
                let export = self.test_box.json(&["customers", "export", customer])?;
                check_orders(customer, promises, &export)?;
            }
        }
        Ok(())
    }

    /// Sends an order with the claim code of each customer, and repeats it as a till does: the order is
    /// lost on a half-open connection that the box has not detected yet.
    fn check_claim_codes(&mut self) -> Result<()> {
        let customers = self.customers.iter();
        let enrolled = customers.filter(|(_, promises)| promises.deletion == Deletion::None);
        let enrolled: Vec<_> = enrolled.map(|(customer, _)| customer.clone()).collect();
        for customer in enrolled {
            let code = self.subscriber.received().claim_code(&customer);
            let code = code.with_context(|| format!("{customer} has no claim code"))?;
            let id = format!("C-{}", self.next_number());
            let order = order(&id, &customer, &json!({ "claim_code": code }));
            let start = Instant::now();
            while !self.send_order(&order, RESPONSE_TIMEOUT)? {
                ensure!(
                    start.elapsed() < SETTLE_TIMEOUT,
                    "no response to an order with the claim code of {customer}"
                );
            }
        }
        Ok(())
    }
}
