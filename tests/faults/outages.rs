//! Outages of the broker and of the link to it, while customers enrol and withdraw and tills send orders.
//!
//! Each test counts what the box promised during the outage, and checks afterwards that nothing is lost,
//! that no fact was announced by two events, and that the retained messages are the same as before.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::journal::BOX_NAME;
use crate::subscriber::client;
use crate::till::order;
use crate::walk::Walk;
use crate::{box_permit, setting};

/// Maximum time from the start of an enrolment to its end.
const ENROLMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Time between two calls of the program.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
const SHORT_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Time in which a session without an acknowledgement ends, and the next one begins.
const NEXT_SESSION_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum time from the end of an outage until everything promised has arrived. If the broker closes its
/// connections repeatedly, the box waits up to 300 seconds.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(330);
/// Topics whose retained messages do not change in an outage.
const RETAINED: [&str; 2] = ["instored/entrance/key", "homeassistant/#"];
/// Above the number of retained messages.
const RETAINED_MAX: usize = 1000;
/// Time before the end of an outage at which no new enrolment starts.
const LAST_ENROLMENT: Duration = Duration::from_secs(30);
/// Time from the view before the last one to the outage. The last view takes about a second.
const LAST_VIEW_DELAY: Duration = Duration::from_millis(500);
/// Maximum number of outages until a customer enrols in one of them.
const OUTAGES_MAX: usize = 5;
/// Longer than any test.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Share of the acknowledgements that are lost, in percent.
const LOSS_PERCENT: u32 = 30;
/// Default number of lost acknowledgements.
const LOST_ACKNOWLEDGEMENTS: u64 = 10;
/// Boxes that lose acknowledgements at the same time. Each loss takes ten seconds.
const BOXES_MAX: u64 = 10;
/// A test uses one box for each 50 lost acknowledgements.
const LOST_PER_BOX: u64 = 50;

/// Box with customers and a till, and counts of what it promised in the outage.
struct Shop {
    walk: Walk,
    /// Retained messages before the outage.
    retained: Vec<(String, String)>,
    /// Customers who were enrolled, and customers who were deleted, during the outage.
    enrolled: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

impl Shop {
    /// Starts a box, enrols two customers and sends two orders.
    fn open(name: &str, frames_per_second: u32) -> Result<Self> {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("walk-{name}.log"));
        let mut walk = Walk::start(0, &log)?;
        walk.test_box.set("INSTORED_CAMERA_FPS", frames_per_second);
        walk.test_box.stop()?;
        walk.start_daemon()?;
        let mut shop = Self {
            walk,
            retained: Vec::new(),
            enrolled: BTreeSet::new(),
            deleted: BTreeSet::new(),
        };
        for customer in 0..2 {
            shop.begin_enrolment_of_another()?;
            shop.wait_for_customers(customer + 1)?;
            shop.walk.order(customer, true)?;
        }
        shop.walk.check()?;
        shop.retained = shop.retained_messages()?;
        ensure!(shop.retained.len() > 1, "nothing is retained: {:?}", shop.retained);
        (shop.enrolled, shop.deleted) = Default::default();
        Ok(shop)
    }

    /// Returns topics and payloads of the retained messages that must not change.
    fn retained_messages(&self) -> Result<Vec<(String, String)>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = self.walk.subscriber.retained(&RETAINED, RETAINED_MAX)?;
        let mut messages: Vec<_> =
            messages.iter().map(|m| (text(&m["topic"]), text(&m["payload"]))).collect();
        messages.sort();
        Ok(messages)
    }

    /// Starts an enrolment of a person who may resemble a customer.
    fn begin_enrolment_of_another(&mut self) -> Result<()> {
        ensure!(self.walk.begin_enrolment_of_another()?, "no enrolment is offered");
        Ok(())
    }

    /// Waits until the box has this number of customers, and records the new ones.
    fn wait_for_customers(&mut self, count: usize) -> Result<()> {
        let start = Instant::now();
        loop {
            let listed = self.walk.listed()?;
            for customer in listed.keys() {
                if !self.walk.customers.contains_key(customer) {
                    self.walk.customers.insert(customer.clone(), Default::default());
                    self.enrolled.insert(customer.clone());
                }
            }
            if listed.len() >= count {
                return Ok(());
            }
            ensure!(start.elapsed() < ENROLMENT_TIMEOUT, "nobody enrolled: {listed:?}");
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Deletes all customers, enrols the person in view, and sends an order, whose response may arrive in
    /// the next session.
    fn replace_customers(&mut self) -> Result<()> {
        while let Some(customer) = self.walk.listed()?.into_keys().next() {
            self.delete(&customer)?;
        }
        let start = Instant::now();
        while self.walk.listed()?.is_empty() {
            ensure!(start.elapsed() < 2 * ENROLMENT_TIMEOUT, "nobody enrolled");
            // Presses have no effect during an enrolment.
            self.walk.press_twice()?;
            let pressed = Instant::now();
            while pressed.elapsed() < ENROLMENT_TIMEOUT / 3 && self.walk.listed()?.is_empty() {
                thread::sleep(POLL_INTERVAL);
            }
        }
        self.wait_for_customers(1)?;
        self.walk.order(0, false)?;
        if let Some(order) = self.walk.pending_orders.last().cloned() {
            self.walk.send_order(&order, NEXT_SESSION_TIMEOUT)?;
        }
        Ok(())
    }

    fn delete(&mut self, customer: &str) -> Result<()> {
        let number = self.walk.enrolled().iter().position(|id| id == customer);
        self.walk.forget(number.context("the customer is known")?)?;
        self.deleted.insert(customer.to_owned());
        Ok(())
    }

    /// Sends an order and does not wait for its response. A till repeats it later.
    fn send_unanswered_order(&mut self) -> Result<()> {
        let customer = self.walk.enrolled().last().cloned().context("a customer")?;
        let id = format!("U-{}", self.walk.next_number());
        let order = order(&id, &customer, &json!({ "customer": customer }));
        let topic = format!("instored/{BOX_NAME}/cmd/order");
        let response = format!("instored/{BOX_NAME}/reply/till-0");
        let mut command = client("mosquitto_pub", self.walk.broker_port());
        command.args(["-t", &topic, "-m", &order.payload]);
        command.args(["-D", "publish", "response-topic", &response]);
        ensure!(command.status()?.success(), "the order was not sent");
        self.walk.pending_orders.push(order);
        Ok(())
    }

    /// Stops the broker for `duration`. An enrolment whose last view is missing before the outage ends
    /// in it, and a customer is deleted in it.
    fn stop_broker(&mut self, duration: Duration) -> Result<()> {
        self.begin_enrolment_of_another()?;
        let start = Instant::now();
        while self.walk.subscriber.received().missing_views != Some(1) {
            ensure!(start.elapsed() < ENROLMENT_TIMEOUT, "no view was captured");
            thread::sleep(SHORT_POLL_INTERVAL);
        }
        self.send_unanswered_order()?;
        thread::sleep(LAST_VIEW_DELAY);
        self.walk.stop_broker(DAY)?;
        let end = Instant::now() + duration;
        let customer = self.walk.listed()?.into_keys().next().context("a customer")?;
        self.delete(&customer)?;
        if duration > LAST_ENROLMENT {
            self.wait_for_customers(2)?;
            self.walk.test_box.kill();
            self.walk.start_daemon()?;
        }
        while Instant::now() + LAST_ENROLMENT < end {
            self.replace_customers()?;
        }
        thread::sleep(end.saturating_duration_since(Instant::now()));
        self.wait_for_customers(0)?;
        self.walk.start_broker()
    }

    /// Replaces customers until `is_over`.
    fn replace_customers_until(&mut self, is_over: impl Fn(&Self) -> bool) -> Result<()> {
        while !is_over(self) {
            self.replace_customers()?;
        }
        Ok(())
    }

    /// Checks that everything promised has arrived, and prints the counts.
    fn check(&mut self, name: &str) -> Result<()> {
        let start = Instant::now();
        self.walk.check_within(SETTLE_TIMEOUT)?;
        let settled = start.elapsed();
        let retained = self.retained_messages()?;
        ensure!(
            retained == self.retained,
            "the retained messages changed: {retained:?}, before {:?}",
            self.retained
        );
        let received = self.walk.subscriber.received();
        let orders: usize = self.walk.customers.values().map(|c| c.orders.len()).sum();
        println!(
            "{name}: promised in the outage: {} enrolments, {} deletions; {orders} confirmed orders; all \
             arrived, each by one event; {} events repeated with the same id; settled after {:.0} s; {} connections",
            self.enrolled.len(),
            self.deleted.len(),
            received.repeated,
            settled.as_secs_f32(),
            self.walk.proxy.connections(),
        );
        ensure!(
            !self.enrolled.is_empty() && !self.deleted.is_empty(),
            "nothing was promised in the outage"
        );
        drop(received);
        self.walk.test_box.stop()?;
        self.walk.check_vault()
    }
}

/// Runs a shop through an outage, and checks its promises.
fn run_outage(
    name: &str,
    frames_per_second: u32,
    outage: impl FnOnce(&mut Shop) -> Result<()>,
) -> Result<()> {
    let mut shop = Shop::open(name, frames_per_second)?;
    let result = outage(&mut shop).and_then(|()| shop.check(name));
    result.with_context(|| format!("{name}: log of the box:\n{}", shop.walk.test_box.last_log()))
}

/// Runs an outage with a camera of 10 frames per second. Panics if a promise is broken.
fn check_outage(name: &str, outage: impl FnOnce(&mut Shop) -> Result<()>) {
    let _permit = box_permit::acquire();
    run_outage(name, 10, outage).unwrap_or_else(|error| panic!("{error:#}"));
}

#[test]
fn broker_outage_of_1_second_loses_no_promise() {
    check_outage("outage-1s", |shop| {
        // An enrolment may end after so short an outage.
        for _ in 0..OUTAGES_MAX {
            shop.stop_broker(Duration::from_secs(1))?;
            if !shop.enrolled.is_empty() {
                break;
            }
            shop.walk.check_within(SETTLE_TIMEOUT)?;
        }
        Ok(())
    });
}

#[test]
fn broker_outage_of_10_seconds_loses_no_promise() {
    check_outage("outage-10s", |shop| shop.stop_broker(Duration::from_secs(10)));
}

/// Exceeds the lifetime of a greeting. The box is killed meanwhile.
#[test]
#[ignore = "takes 8 minutes"]
fn broker_outage_of_6_minutes_loses_no_promise() {
    check_outage("outage-6min", |shop| shop.stop_broker(Duration::from_secs(360)));
}

/// Restarts the broker three times without its retained messages.
#[test]
fn restarted_broker_without_memory_receives_all_retained_messages() {
    check_outage("restarts", |shop| {
        for _ in 0..3 {
            shop.walk.stop_broker(Duration::ZERO)?;
            shop.walk.start_broker()?;
            shop.replace_customers()?;
        }
        Ok(())
    });
}

#[test]
fn link_that_flaps_100_times_loses_no_promise() {
    check_outage("flapping", |shop| {
        let proxy = shop.walk.proxy.clone();
        let flapping = thread::spawn(move || {
            for _ in 0..100 {
                proxy.close();
                thread::sleep(Duration::from_millis(fastrand::u64(100..400)));
                proxy.open();
                thread::sleep(Duration::from_millis(fastrand::u64(300..900)));
            }
        });
        shop.replace_customers_until(|_| flapping.is_finished())?;
        match flapping.join() {
            Ok(()) => Ok(()),
            Err(_) => bail!("the flapping thread panicked"),
        }
    });
}

#[test]
fn half_open_connection_loses_no_promise() {
    check_outage("half-open", |shop| {
        for _ in 0..3 {
            shop.walk.proxy.make_half_open();
            shop.replace_customers()?;
        }
        Ok(())
    });
}

/// Drops `INSTORED_LOST_ACKNOWLEDGEMENTS` acknowledgements; 500 or more use ten boxes.
#[test]
fn lost_acknowledgements_lose_no_promise() {
    let count = setting("INSTORED_LOST_ACKNOWLEDGEMENTS", LOST_ACKNOWLEDGEMENTS);
    let boxes = (count / LOST_PER_BOX).clamp(1, BOXES_MAX);
    let _permit = box_permit::acquire();
    let by_box = count.div_ceil(boxes);
    let threads: Vec<_> = (0..boxes)
        .map(|number| {
            thread::spawn(move || {
                run_outage(&format!("acknowledgements-{number}"), 5, |shop| {
                    shop.walk.proxy.lose_acknowledgements(LOSS_PERCENT);
                    shop.replace_customers_until(|shop| {
                        shop.walk.proxy.lost_acknowledgements() >= by_box
                    })?;
                    println!("{} acknowledgements lost", shop.walk.proxy.lost_acknowledgements());
                    Ok(())
                })
            })
        })
        .collect();
    for thread in threads {
        match thread.join() {
            Ok(result) => result.unwrap_or_else(|error| panic!("{error:#}")),
            Err(_) => panic!("a box panicked"),
        }
    }
}
