//! Execution of the operations of a walk.

mod vault_files;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use instored_mqtt::Broker;
use rustix::process::Signal;
use serde_json::{Value, json};

use self::vault_files::{Backup, MOVED_FILES};
use crate::journal::{Deletion, Promises};
use crate::operation::Operation;
use crate::proxy::Proxy;
use crate::subscriber::Subscriber;
use crate::test_box::{Finished, Start, TestBox, faketime};
use crate::till::{PendingOrder, Till, order};

/// Operations between two checks.
const CHECK_INTERVAL: usize = 12;
/// Maximum number of customers. Enrolments are skipped above it.
const CUSTOMERS_MAX: usize = 6;
/// Time that a till waits for a response, the first time and when it repeats an order.
const FIRST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
const REPEATED_RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Time for which the daemon runs with a wrong clock.
const WRONG_CLOCK_TIME: Duration = Duration::from_millis(1500);

/// Running walk. The fields are dropped in this order.
pub struct Walk {
    pub test_box: TestBox,
    pub subscriber: Subscriber,
    pub till: Till,
    pub proxy: Proxy,
    broker: Broker,
    /// Time at which the broker starts again, if it is stopped.
    broker_outage_end: Option<Instant>,
    delay_end: Option<Instant>,
    /// Time at which the disk is freed, if it is full.
    full_disk_end: Option<Instant>,
    /// True if a customer was deleted since the disk was filled, which uses the reserved space.
    is_reserve_used: bool,
    pub customers: BTreeMap<String, Promises>,
    pub pending_orders: Vec<PendingOrder>,
    backup: Option<Backup>,
    seed: u64,
    log: File,
    started: Instant,
    operations: usize,
    faults: usize,
    skipped: BTreeMap<&'static str, usize>,
    numbers: u64,
    pub checks: usize,
}

impl Walk {
    /// Starts broker, proxy, subscriber and box.
    pub fn start(seed: u64, log: &Path) -> Result<Self> {
        let broker = Broker::start()?;
        let proxy = Proxy::start(broker.port())?;
        let subscriber = Subscriber::start(broker.port())?;
        let test_box = TestBox::new(proxy.port)?;
        if let Some(parent) = log.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut walk = Self {
            test_box,
            subscriber,
            till: Till::new(broker.port()),
            proxy,
            broker,
            broker_outage_end: None,
            delay_end: None,
            full_disk_end: None,
            is_reserve_used: false,
            customers: BTreeMap::new(),
            pending_orders: Vec::new(),
            backup: None,
            seed,
            log: File::create(log)?,
            started: Instant::now(),
            operations: 0,
            faults: 0,
            skipped: BTreeMap::new(),
            numbers: 0,
            checks: 0,
        };
        walk.start_daemon()?;
        Ok(walk)
    }

    /// Executes an operation, and checks the promises every 12th time.
    pub fn execute(&mut self, operation: &Operation) -> Result<()> {
        self.operations += 1;
        self.faults += usize::from(operation.is_fault());
        let line = serde_json::to_string(operation)?;
        println!("{:7.1} s  {} {line}", self.started.elapsed().as_secs_f32(), self.operations);
        writeln!(self.log, "{line}")?;
        let number = self.operations;
        let context = || format!("operation {number} {line}");
        self.end_due_faults().with_context(context)?;
        self.perform(operation).with_context(context)?;
        self.after_operation().with_context(context)
    }

    fn after_operation(&mut self) -> Result<()> {
        self.test_box.check_running()?;
        self.add_announced_customers()?;
        if let Some(order) = self.pending_orders.first().cloned() {
            self.send_order(&order, REPEATED_RESPONSE_TIMEOUT)?;
        }
        if self.operations.is_multiple_of(CHECK_INTERVAL) { self.check() } else { Ok(()) }
    }

    /// Checks the promises a last time, and stops the box.
    pub fn finish(&mut self) -> Result<()> {
        self.check().context("last check")?;
        self.test_box.stop()?;
        self.check_vault().context("after the box was stopped")
    }

    /// Returns counts of the walk.
    pub fn summary(&self) -> String {
        let received = self.subscriber.received();
        let orders: usize = self.customers.values().map(|c| c.orders.len()).sum();
        let skipped: Vec<_> =
            self.skipped.iter().map(|(r, n)| format!("; {n} skipped: {r}")).collect();
        format!(
            "{} operations with {} faults in {:.0} s; {} enrolments, {} deletions, {orders} orders, {} \
             rotations, {} verified events; {} checks{}",
            self.operations,
            self.faults,
            self.started.elapsed().as_secs_f32(),
            received.done.len(),
            received.withdrawn.len(),
            received.rotations,
            received.verified,
            self.checks,
            skipped.concat(),
        )
    }

    /// Copies the files of the box for an analysis, and returns their folder.
    pub fn keep_files(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("walk-{}", self.seed));
        if let Err(error) = self.test_box.copy_files(&folder) {
            eprintln!("cannot copy the files of the box: {error:#}");
        }
        folder
    }

    fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Offers an enrolment by a press, and agrees by another one. Both may fail without a camera or during an
    /// enrolment.
    pub fn press_twice(&mut self) -> Result<()> {
        self.expect_success(&["button", "press"])?;
        self.expect_success(&["button", "press"])?;
        Ok(())
    }

    /// Offers an enrolment to a person who may resemble a customer, who agrees by a press. Returns false if
    /// the box cannot enrol now.
    pub fn begin_enrolment_of_another(&mut self) -> Result<bool> {
        let offered = self.test_box.run(["consent", "offer", "--another-person"])?;
        if offered.code == Some(0) {
            self.expect_success(&["button", "press"])?;
        }
        Ok(offered.code == Some(0))
    }

    pub fn perform(&mut self, operation: &Operation) -> Result<()> {
        match *operation {
            Operation::Pause { ms } => thread::sleep(Duration::from_millis(ms)),
            Operation::Press { ms } => {
                if self.has_room() {
                    self.press_twice()?;
                    self.wait_for_enrolment(Duration::from_millis(ms));
                }
            }
            Operation::Enrol { ms } => {
                if self.has_room() {
                    self.begin_enrolment_of_another()?;
                    self.wait_for_enrolment(Duration::from_millis(ms));
                }
            }
            Operation::Order { customer, by_claim_code } => self.order(customer, by_claim_code)?,
            Operation::ForgetByCommand { customer } => self.forget_by_command(customer)?,
            Operation::Forget { customer } => self.forget(customer)?,
            Operation::ForgetWhileStopped { customer } => {
                self.test_box.stop()?;
                self.forget(customer)?;
                self.start_daemon()?;
            }
            Operation::Rotate => {
                self.expect_success(&["keys", "rotate"])?;
            }
            Operation::RotateAndKill { ms } => {
                let mut rotate = self.test_box.command(["keys", "rotate"])?.spawn()?;
                thread::sleep(Duration::from_millis(ms));
                self.test_box.kill();
                // Without the daemon, the command rotates the keys itself, or fails.
                rotate.wait()?;
                self.start_daemon()?;
            }
            Operation::Compact => {
                self.expect_success(&["vault", "compact"])?;
            }
            Operation::Backup => self.back_up()?,
            Operation::Restore => self.restore()?,
            Operation::RestoreElsewhere => self.restore_elsewhere()?,
            Operation::Kill { portrait } => {
                self.test_box.kill();
                self.test_box.set_portrait(portrait)?;
                self.start_daemon()?;
            }
            Operation::Restart { portrait } => {
                self.test_box.stop()?;
                self.test_box.set_portrait(portrait)?;
                self.start_daemon()?;
            }
            Operation::Freeze { ms } => {
                self.test_box.signal(Signal::STOP)?;
                thread::sleep(Duration::from_millis(ms));
                self.test_box.signal(Signal::CONT)?;
            }
            Operation::StopBroker { ms } => self.stop_broker(Duration::from_millis(ms))?,
            Operation::Cut => self.proxy.cut(),
            Operation::Delay { packet_ms, ms } => {
                self.proxy.delay(packet_ms);
                self.delay_end = Some(Instant::now() + Duration::from_millis(ms));
            }
            Operation::HalfOpen => self.proxy.make_half_open(),
            Operation::DropPacket { is_to_box } => self.proxy.drop_packet(is_to_box),
            Operation::MoveFile { file } => {
                self.move_file(MOVED_FILES[file % MOVED_FILES.len()])?
            }
            Operation::WrongClock { days } => self.set_wrong_clock(days)?,
            Operation::FillDisk { ms } => match &self.test_box.disk {
                Some(disk) => {
                    disk.fill()?;
                    self.full_disk_end = Some(Instant::now() + Duration::from_millis(ms));
                }
                None => self.skip("a small disk needs root"),
            },
        }
        Ok(())
    }

    /// Waits until an enrolment ends, at most for `timeout`.
    fn wait_for_enrolment(&self, timeout: Duration) {
        let count = |walk: &Self| walk.subscriber.received().ended_enrolments;
        let (start, before) = (Instant::now(), count(self));
        while start.elapsed() < timeout && count(self) == before {
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.enrolled().len() < CUSTOMERS_MAX;
        if !has_room {
            self.skip("enough customers");
        }
        has_room
    }

    /// Starts the daemon. On a full disk it may fail, and is started again on a free one.
    pub fn start_daemon(&mut self) -> Result<()> {
        if let Start::Ended(log) = self.test_box.start(None)? {
            ensure!(self.full_disk_end.is_some(), "the box does not start: {log}");
            self.free_disk();
            if let Start::Ended(log) = self.test_box.start(None)? {
                bail!("the box does not start after the disk was freed: {log}");
            }
        }
        Ok(())
    }

    fn free_disk(&mut self) {
        self.is_reserve_used = false;
        if self.full_disk_end.take().is_some()
            && let Some(disk) = &self.test_box.disk
        {
            disk.free();
        }
    }

    /// Stops the broker after the subscriber has received what the broker accepted.
    pub fn stop_broker(&mut self, duration: Duration) -> Result<()> {
        if self.broker_outage_end.is_none() {
            self.proxy.close();
            self.subscriber.synchronise()?;
            self.broker.stop();
            self.subscriber.stop();
            self.broker_outage_end = Some(Instant::now() + duration);
        }
        Ok(())
    }

    /// Returns the port of the broker.
    pub fn broker_port(&self) -> u16 {
        self.broker.port()
    }

    /// Starts the broker. The box can connect after the subscriber.
    pub fn start_broker(&mut self) -> Result<()> {
        if self.broker_outage_end.take().is_some() {
            self.broker.restart()?;
            self.subscriber.resume()?;
            self.proxy.open();
        }
        Ok(())
    }

    /// Ends the faults whose time is over.
    fn end_due_faults(&mut self) -> Result<()> {
        let is_due = |end: Option<Instant>| end.is_some_and(|end| end <= Instant::now());
        if is_due(self.delay_end) {
            self.delay_end = None;
            self.proxy.delay(0);
        }
        if is_due(self.full_disk_end) {
            self.free_disk();
        }
        if is_due(self.broker_outage_end) { self.start_broker() } else { Ok(()) }
    }

    /// Ends all faults.
    pub fn end_all_faults(&mut self) -> Result<()> {
        self.free_disk();
        self.delay_end = None;
        self.start_broker()?;
        self.proxy.heal();
        Ok(())
    }

    /// Runs a command that must succeed unless the disk is full. Returns true if it succeeded.
    pub fn expect_success(&mut self, arguments: &[&str]) -> Result<bool> {
        let finished = self.test_box.run(arguments)?;
        self.check_success(&arguments.join(" "), &finished)
    }

    fn check_success(&self, command: &str, finished: &Finished) -> Result<bool> {
        let is_success = finished.code == Some(0);
        let is_excused = self.full_disk_end.is_some() && is_about_full_disk(&finished.stderr);
        ensure!(is_success || is_excused, "`{command}` failed: {finished:?}");
        Ok(is_success)
    }

    /// Adds the announced customers. Fails on a recorded violation.
    pub fn add_announced_customers(&mut self) -> Result<()> {
        let received = self.subscriber.received();
        if let Some(fault) = received.violations.first() {
            bail!("{fault}");
        }
        for (customer, events) in &received.done {
            ensure!(events.len() == 1, "{customer} was announced as {events:?}");
            self.customers.entry(customer.clone()).or_default();
        }
        Ok(())
    }

    /// Returns the customers whose deletion was not confirmed.
    pub fn enrolled(&self) -> Vec<String> {
        let customers = self.customers.iter();
        let enrolled = customers.filter(|(_, c)| c.deletion != Deletion::Confirmed);
        enrolled.map(|(id, _)| id.clone()).collect()
    }

    /// Returns the customer with this number, if there is one.
    fn choose(&mut self, number: usize) -> Option<String> {
        let enrolled = self.enrolled();
        if enrolled.is_empty() {
            self.skip("no customer");
            return None;
        }
        Some(enrolled[number % enrolled.len()].clone())
    }

    /// Returns a number that is used once.
    pub fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn order(&mut self, number: usize, by_claim_code: bool) -> Result<()> {
        let Some(customer) = self.choose(number) else { return Ok(()) };
        let code = self.subscriber.received().claim_code(&customer);
        let buyer = match code {
            Some(code) if by_claim_code => json!({ "claim_code": code }),
            _ => json!({ "customer": customer }),
        };
        let order = order(&format!("W-{}", self.next_number()), &customer, &buyer);
        self.pending_orders.push(order.clone());
        self.send_order(&order, FIRST_RESPONSE_TIMEOUT)?;
        Ok(())
    }

    /// Sends an order and records the promise that its response contains. Returns true if a response
    /// arrived.
    pub fn send_order(&mut self, order: &PendingOrder, timeout: Duration) -> Result<bool> {
        let Some(response) = self.till.send("order", &order.payload, timeout)? else {
            return Ok(false);
        };
        let promises = self.customers.entry(order.customer.clone()).or_default();
        if let Some(code) = response["error"]["code"].as_str() {
            match code {
                "not_found" if promises.deletion != Deletion::None => {}
                "internal" if self.full_disk_end.is_some() => return Ok(false),
                _ => bail!("the order {} was rejected: {response}", order.id),
            }
        } else {
            let confirmed = &response["order"];
            ensure!(
                confirmed["id"] == order.id && confirmed["customer"] == order.customer,
                "wrong response to {}: {response}",
                order.payload
            );
            promises.orders.insert(order.id.clone());
        }
        self.pending_orders.retain(|pending| pending.id != order.id);
        Ok(true)
    }

    fn forget_by_command(&mut self, number: usize) -> Result<()> {
        let Some(customer) = self.choose(number) else { return Ok(()) };
        let code = self.subscriber.received().claim_code(&customer);
        let Some(code) = code else { return Ok(()) };
        let was_requested = self.request_deletion(&customer);
        let payload = json!({ "customer": customer, "code": code }).to_string();
        let Some(response) = self.till.send("forget", &payload, FIRST_RESPONSE_TIMEOUT)? else {
            return Ok(());
        };
        if response["forgotten"] == customer {
            return self.confirm_deletion(&customer);
        }
        let code = response["error"]["code"].as_str();
        let is_excused = match code {
            Some("not_found") => was_requested,
            Some("internal") => self.full_disk_end.is_some() && self.is_reserve_used,
            _ => false,
        };
        ensure!(is_excused, "{customer} was not deleted: {response}");
        Ok(())
    }

    pub fn forget(&mut self, number: usize) -> Result<()> {
        let Some(customer) = self.choose(number) else { return Ok(()) };
        let was_requested = self.request_deletion(&customer);
        let finished = self.test_box.run(["customers", "forget", &customer])?;
        if finished.code == Some(0) {
            return self.confirm_deletion(&customer);
        }
        let is_full = self.full_disk_end.is_some()
            && self.is_reserve_used
            && is_about_full_disk(&finished.stderr);
        let is_gone = was_requested && finished.stderr.contains("no customer");
        ensure!(is_full || is_gone, "{customer} was not deleted: {finished:?}");
        Ok(())
    }

    /// Records that a deletion is requested. Returns true if it was requested before.
    fn request_deletion(&mut self, customer: &str) -> bool {
        let promises = self.customers.entry(customer.to_owned()).or_default();
        std::mem::replace(&mut promises.deletion, Deletion::Requested) == Deletion::Requested
    }

    fn confirm_deletion(&mut self, customer: &str) -> Result<()> {
        let promises = self.customers.get_mut(customer).context("the customer is known")?;
        promises.deletion = Deletion::Confirmed;
        self.is_reserve_used = self.full_disk_end.is_some();
        Ok(())
    }

    /// Returns the enrolled customers, as `customers list` prints them.
    pub fn listed(&self) -> Result<BTreeMap<String, Value>> {
        let listed = self.test_box.json(&["customers", "list", "--json"])?;
        let listed = listed.as_array().context("not a list")?.iter();
        let id = |c: &Value| c["id"].as_str().map(str::to_owned).context("a customer without id");
        listed.map(|customer| Ok((id(customer)?, customer.clone()))).collect()
    }

    /// Runs the daemon with a wrong clock. Nobody may be deleted or marked for deletion.
    fn set_wrong_clock(&mut self, days: i64) -> Result<()> {
        if faketime().is_none() {
            self.skip("the package faketime is not installed");
            return Ok(());
        }
        self.free_disk();
        self.test_box.stop()?;
        let before = self.listed()?;
        if let Start::Ended(log) = self.test_box.start(Some(days))? {
            bail!("the box does not start: {log}");
        }
        let start = Instant::now();
        while start.elapsed() < WRONG_CLOCK_TIME {
            // Polls, because a visit would remove a mark.
            let now = self.listed()?;
            for customer in before.keys() {
                let shown = now.get(customer).with_context(|| format!("{customer} is deleted"))?;
                let is_marked = !shown["deletion_due"].is_null();
                ensure!(!is_marked, "{customer} is marked for deletion: {shown}");
            }
            thread::sleep(POLL_INTERVAL);
        }
        self.test_box.stop()?;
        self.start_daemon()
    }
}

/// Returns true if an error message names a full disk.
fn is_about_full_disk(message: &str) -> bool {
    message.contains(" is full") || message.contains("No space left on device")
}

/// Fails if an order that the box confirmed is not in the export of its customer, or is there twice.
pub fn check_orders(customer: &str, promises: &Promises, export: &Value) -> Result<()> {
    let orders = export["orders"].as_array().context("an export without orders")?;
    let count = |id: &String| orders.iter().filter(|order| order["id"] == **id).count();
    let lost: Vec<_> = promises.orders.iter().filter(|id| count(id) == 0).collect();
    ensure!(lost.is_empty(), "orders of {customer} were confirmed and are lost: {lost:?}");
    let doubled: Vec<_> = promises.orders.iter().filter(|id| count(id) > 1).collect();
    ensure!(doubled.is_empty(), "orders of {customer} are stored twice: {doubled:?}");
    Ok(())
}
