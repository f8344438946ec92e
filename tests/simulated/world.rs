//! Clock and process, and the execution of the operations.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use confique::Config as _;
use fastrand::Rng;
use instored_controller::{
    ClientId, Controller, Counters, Effect, Event, InitialData, Message, OperatorRequest, Readings,
    Settings, VisionCommand,
};
use instored_domain::{
    BoxId, BuyerRef, Command, CustomerId, EnrolmentEvent, EnrolmentStep, HistoryView, LineItem,
    ModelId, NoCustomer, Order, OrderId, Page, Product, Quantity, ResponseAddress, TillOrder, Unit,
};
use instored_panel::ButtonEvent;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::broker::Broker;
use crate::camera::{Camera, PEOPLE};
use crate::operation::{Buyer, Operation};
use crate::process::{self, Process};
use crate::vault::Vault;

/// Operations between two checks of everything.
const CHECK_INTERVAL: usize = 100;
/// Maximum number of commands that wait for the daemon, as in the MQTT connection.
const COMMANDS_MAX: usize = 32;
/// Number of operations that a failure shows.
const SHOWN_OPERATIONS: usize = 40;
const TILLS: usize = 2;

/// Numbers of a walk.
#[derive(Clone, Copy, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub operations: usize,
    pub faults: usize,
    pub enrolments: usize,
    pub deletions: usize,
    pub visits: usize,
    pub orders: usize,
    pub checks: usize,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.faults += other.faults;
        self.enrolments += other.enrolments;
        self.deletions += other.deletions;
        self.visits += other.visits;
        self.orders += other.orders;
        self.checks += other.checks;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operations, faults, enrolments, deletions, visits, orders, checks } = self;
        write!(
            f,
            "{operations} operations, {faults} faults, {enrolments} enrolments, {deletions} \
             deletions, {visits} greetings, {orders} confirmed orders, {checks} checks"
        )
    }
}

/// Faults since the last check of everything that take time to heal.
#[derive(Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Faults {
    pub has_killed: bool,
    pub has_wrong_clock: bool,
    /// True if the broker has rejected a message for good.
    pub has_rejected: bool,
}

/// Order that the till has sent and that was not answered.
#[derive(Clone)]
pub struct PendingOrder {
    pub correlation: String,
    pub command: Command,
}

/// Box with its surroundings.
pub struct World {
    random: Rng,
    pub now: Timestamp,
    uptime: Duration,
    /// Time by which the clock of the box is ahead.
    pub clock_offset: SignedDuration,
    pub settings: Settings,
    box_id: BoxId,
    pub is_on_request: bool,
    pub key: u64,
    pub process: Process,
    pub vault: Vault,
    pub broker: Broker,
    pub camera: Camera,
    /// Customers in view, as they were reported to the controller, without those whom it has removed.
    reported_present: Vec<CustomerId>,
    /// True while the current event is an act of consent.
    is_consent: bool,
    /// True from the start of an enrolment until it fails or succeeds.
    is_enrolling: bool,
    pub faults: Faults,
    pub pending_orders: Vec<PendingOrder>,
    /// Orders that the box confirmed, with their customers.
    pub confirmed_orders: BTreeMap<OrderId, CustomerId>,
    last_number: u64,
    recent: VecDeque<String>,
    trace: DefaultHasher,
    pub counts: Counts,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let now = Timestamp::from_second(1_800_000_000).expect("a valid time");
        let box_id: BoxId = "entrance".parse().expect("a valid name");
        let settings: Settings = Settings::builder().load().expect("all settings have defaults");
        let vault = Vault::new(box_id.clone(), now);
        let is_on_request = seed.is_multiple_of(3);
        let readings = readings(now, Duration::ZERO);
        let uuids = uuid_source(random.u64(..));
        let (controller, effects) = Controller::start(
            settings.clone(),
            box_id.clone(),
            is_on_request,
            data(&vault),
            uuids,
            readings,
        );
        let process = start_process(&box_id, 1, controller);
        let mut world = Self {
            random,
            now,
            uptime: Duration::ZERO,
            clock_offset: SignedDuration::ZERO,
            settings,
            box_id,
            is_on_request,
            key: 1,
            process,
            vault,
            broker: Broker { is_running: true, ..Broker::default() },
            camera: Camera::new(is_on_request),
            reported_present: Vec::new(),
            is_consent: false,
            is_enrolling: false,
            faults: Faults::default(),
            pending_orders: Vec::new(),
            confirmed_orders: BTreeMap::new(),
            last_number: 0,
            recent: VecDeque::new(),
            trace: DefaultHasher::new(),
            counts: Counts::default(),
        };
        world.perform(effects).expect("the start breaks no invariant");
        world
    }

    /// Executes random operations, and checks the invariants after each.
    pub fn walk(&mut self, operations: usize) -> Result<()> {
        for _ in 0..operations {
            let operation = Operation::random(&mut self.random);
            self.counts.operations += 1;
            self.counts.faults += usize::from(operation.is_fault());
            let line = format!("{} {operation:?}", self.counts.operations);
            line.hash(&mut self.trace);
            if self.recent.len() == SHOWN_OPERATIONS {
                self.recent.pop_front();
            }
            self.recent.push_back(line);
            self.execute(&operation).with_context(|| format!("{operation:?}"))?;
            self.advance()?;
            self.check_always()?;
            if self.counts.operations.is_multiple_of(CHECK_INTERVAL) {
                self.settle_and_check().context("check of everything")?;
            }
        }
        self.settle_and_check().context("last check")
    }

    /// Returns a hash of the operations and of the messages at the broker.
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    /// Returns the last operations, one in a line.
    pub fn last_operations(&self) -> String {
        self.recent.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// Returns the time of the box's clock.
    pub fn box_now(&self) -> Timestamp {
        self.now.saturating_add(self.clock_offset).unwrap_or(self.now)
    }

    /// Lets each part of the box do some of its work, or none.
    fn advance(&mut self) -> Result<()> {
        if self.random.bool() {
            self.camera.run();
        }
        let [steps, operations, messages] = [6, 3, 4].map(|end| self.random.usize(..end));
        self.run(steps)?;
        self.run_vault(operations)?;
        self.run_network(messages)
    }

    fn execute(&mut self, operation: &Operation) -> Result<()> {
        match *operation {
            Operation::Run { steps } => self.run(steps)?,
            Operation::RunVault { count } => self.run_vault(count)?,
            Operation::RunNetwork { count } => self.run_network(count)?,
            Operation::RunCamera => self.camera.run(),
            Operation::Enter { person } => self.camera.enter(person),
            Operation::Leave { person } => self.camera.leave(person),
            Operation::PressAlone { person } => {
                (0..PEOPLE).filter(|n| *n != person % PEOPLE).for_each(|n| self.camera.leave(n));
                self.camera.enter(person);
                self.press()?;
                self.camera.run();
                self.camera.capture(false);
            }
            Operation::Press => {
                self.press()?;
            }
            Operation::Hold => {
                // If several customers are in view, the customer at the button is unknown.
                if let [customer] = *self.reported_present {
                    self.vault.permits.held.insert(customer);
                }
                self.handle(Event::Button(ButtonEvent::HoldStarted))?;
                self.handle(Event::Button(ButtonEvent::HoldCompleted))?;
            }
            Operation::AbortHold { is_released } => {
                self.handle(Event::Button(ButtonEvent::HoldStarted))?;
                self.handle(Event::Button(ButtonEvent::HoldAborted))?;
                if is_released {
                    self.press()?;
                }
            }
            Operation::Capture { times_out } => self.camera.capture(times_out),
            Operation::SuspectAttack => self.camera.suspect_attack(),
            Operation::Enrol => {
                self.send(Command::Enrol { language: None, is_another_person: false });
            }
            Operation::Present { republishes_greetings } => {
                self.send(Command::Present { republishes_greetings });
            }
            Operation::Forget { customer } => {
                let customer = self.vault.choose(customer);
                self.vault.permits.requested.insert(customer);
                self.send(Command::Forget { customer });
            }
            Operation::NotMe { customer } => {
                let customer = self.vault.choose(customer);
                self.send(Command::NotMe { customer });
            }
            Operation::Rename { customer } => {
                let (customer, name) = (self.vault.choose(customer), "Ada".parse().ok());
                self.send(Command::Rename { customer, name });
            }
            Operation::Preferences { customer, has_history } => {
                let customer = self.vault.choose(customer);
                self.send(Command::Preferences {
                    customer,
                    can_recommend: None,
                    can_show_history: has_history,
                    allergens: None,
                });
            }
            Operation::History { customer } => {
                let customer = self.vault.choose(customer);
                let page = Page { page: 1, limit: 20 };
                self.send(Command::History { customer, view: HistoryView::Time, page });
            }
            Operation::AtTill { customer, by_claim_code } => {
                let till = till(customer);
                let buyer = self.buyer(customer, by_claim_code);
                self.send(Command::AtTill { buyer, till });
            }
            Operation::Order { customer, buyer } => self.send_order(customer, buyer),
            Operation::RepeatOrder { order } => self.repeat_order(order),
            Operation::List { customer } => {
                let buyer = BuyerRef::Customer(self.vault.choose(customer));
                let (add, remove) = (vec!["1".to_owned()], vec!["2".to_owned()]);
                self.send(Command::List { buyer, add, remove });
            }
            Operation::Catalogue { product } => {
                let (products, remove) = (vec![new_product(product)], vec!["9".to_owned()]);
                self.send(Command::Catalogue { products, remove });
            }
            Operation::OperatorForget { customer } => {
                let customer = self.vault.choose(customer);
                self.vault.permits.requested.insert(customer);
                self.request(OperatorRequest::Forget(customer))?;
            }
            Operation::OperatorOrders { customer } => {
                let customer = self.vault.choose(customer);
                let order = self.new_order().with_customer(customer);
                self.request(OperatorRequest::AddOrders(vec![order]))?;
            }
            Operation::OperatorVoid { customer } => self.void_order(customer)?,
            Operation::ConfirmDue => self.request(OperatorRequest::ConfirmDue)?,
            Operation::Rotate => {
                self.key += 1;
                self.process.publisher.rotate_key(process::signer(self.key));
            }
            Operation::Reload => self.handle(Event::SettingsChanged(self.settings.clone()))?,
            Operation::Wait { duration } => self.wait(duration)?,
            Operation::Cut { has_arrived } => self.cut(has_arrived)?,
            Operation::StopBroker => {
                self.cut(false)?;
                self.broker.is_running = false;
            }
            Operation::StartBroker { has_memory } => self.start_broker(has_memory),
            Operation::Reject { is_retried } => {
                if std::mem::take(&mut self.process.is_in_flight) {
                    self.faults.has_rejected |= !is_retried;
                    self.process.connection.reject(is_retried);
                }
            }
            Operation::FillDisk => self.vault.is_full = true,
            Operation::FreeDisk => self.vault.is_full = false,
            Operation::FailRead => self.vault.fails_next_read = true,
            Operation::Kill { executed } => self.kill(executed)?,
            Operation::LoseCamera => self.camera.set_streaming(false),
            Operation::RestoreCamera => self.camera.set_streaming(true),
            Operation::WrongClock { hours } => {
                self.faults.has_wrong_clock = true;
                self.clock_offset = SignedDuration::from_hours(hours);
            }
            Operation::CorrectClock => self.clock_offset = SignedDuration::ZERO,
        }
        Ok(())
    }

    /// Passes time, with the periodic work of each day.
    pub fn wait(&mut self, duration: SignedDuration) -> Result<()> {
        let day = SignedDuration::from_hours(24);
        let mut remaining = duration;
        while remaining > SignedDuration::ZERO {
            let part = remaining.min(day);
            self.now = self.now.saturating_add(part)?;
            self.uptime += part.unsigned_abs();
            self.vault.now = self.now;
            remaining -= part;
            if part >= SignedDuration::from_secs(60) {
                self.handle(Event::Tick)?;
                self.run(2)?;
                if part == day {
                    self.run_vault(8)?;
                    self.run(8)?;
                }
            }
        }
        Ok(())
    }

    /// Takes events from the queues of the main loop, each time from a random one.
    pub fn run(&mut self, steps: usize) -> Result<()> {
        for _ in 0..steps {
            match self.random.u8(..6) {
                0 | 1 => {
                    if let Some(response) = self.process.responses.pop_front() {
                        self.handle(Event::Stored(response))?;
                    }
                }
                2 | 3 => {
                    if let Some(event) = self.camera.events.pop_front() {
                        self.handle(event)?;
                    }
                }
                4 => self.run_command()?,
                _ => self.run_background()?,
            }
        }
        Ok(())
    }

    fn run_command(&mut self) -> Result<()> {
        if !self.process.is_command_in_progress
            && let Some((command, address)) = self.process.commands.pop_front()
        {
            self.process.is_command_in_progress = true;
            let is_consent = matches!(command, Command::Enrol { .. });
            self.act(is_consent, Event::Command { command, address })?;
        }
        Ok(())
    }

    fn run_background(&mut self) -> Result<()> {
        if let Ok(number) = self.process.delivered.try_recv() {
            self.handle(Event::Delivered(number))?;
        }
        if self.process.clock_checks > 0 {
            self.process.clock_checks -= 1;
            let is_synchronised = self.clock_offset.is_zero();
            self.handle(Event::ClockChecked(is_synchronised))?;
        }
        if self.process.trainings > 0 {
            self.process.trainings -= 1;
            self.handle(Event::Trained(None))?;
        }
        Ok(())
    }

    /// Lets the vault execute operations.
    pub fn run_vault(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let Some(request) = self.process.requests.pop_front() else { break };
            let response = self.vault.execute(request)?;
            self.process.responses.push_back(response);
        }
        Ok(())
    }

    /// Connects to the broker and delivers messages.
    pub fn run_network(&mut self, count: usize) -> Result<()> {
        if !self.broker.is_running {
            return Ok(());
        }
        if !self.process.is_connected {
            self.process.is_connected = true;
            self.process.connection.connect();
        }
        for _ in 0..count {
            if std::mem::take(&mut self.process.is_in_flight) {
                self.process.connection.acknowledge();
            }
            if !self.transmit()? {
                break;
            }
        }
        Ok(())
    }

    /// Sends a message, which arrives and is not acknowledged yet. Returns false if there is none.
    fn transmit(&mut self) -> Result<bool> {
        let Some(message) = self.process.connection.send(self.box_now()) else { return Ok(false) };
        self.process.is_in_flight = true;
        message.payload.hash(&mut self.trace);
        self.broker.receive(&message)?;
        self.take_confirmations();
        Ok(true)
    }

    /// Records the orders that were answered.
    fn take_confirmations(&mut self) {
        let Self { pending_orders, broker, confirmed_orders, counts, .. } = self;
        pending_orders.retain(|pending| {
            let Some(responses) = broker.received.responses.get(&pending.correlation) else {
                return true;
            };
            for response in responses {
                let response: serde_json::Value =
                    serde_json::from_str(response).unwrap_or_default();
                let order = &response["order"];
                if let (Some(id), Ok(customer)) =
                    (order["id"].as_str(), serde_json::from_value(order["customer"].clone()))
                {
                    counts.orders += 1;
                    confirmed_orders.insert(OrderId(id.to_owned()), customer);
                }
            }
            false
        });
    }

    /// Loses the connection. A message that is sent at this moment arrives, or not.
    fn cut(&mut self, has_arrived: bool) -> Result<()> {
        if !self.process.is_connected {
            return Ok(());
        }
        if !self.process.is_in_flight {
            if has_arrived {
                self.transmit()?;
            } else {
                // The message is lost on its way.
                self.process.connection.send(self.box_now());
            }
        }
        (self.process.is_connected, self.process.is_in_flight) = (false, false);
        self.process.connection.disconnect();
        Ok(())
    }

    pub fn start_broker(&mut self, has_memory: bool) {
        if !self.broker.is_running {
            self.broker.is_running = true;
            if !has_memory {
                self.broker.retained.clear();
            }
        }
    }

    /// Kills the daemon and starts it again. The vault has executed some of the waiting operations.
    fn kill(&mut self, executed: usize) -> Result<()> {
        self.run_vault(executed)?;
        self.uptime = Duration::ZERO;
        self.reported_present.clear();
        (self.is_enrolling, self.vault.permits.has_consent) = (false, false);
        self.faults.has_killed = true;
        let gallery: Vec<_> =
            self.vault.accounts.iter().map(|(id, account)| (*id, account.person)).collect();
        self.camera.restart(gallery);
        let uuids = uuid_source(self.random.u64(..));
        let (controller, effects) = Controller::start(
            self.settings.clone(),
            self.box_id.clone(),
            self.is_on_request,
            data(&self.vault),
            uuids,
            readings(self.box_now(), self.uptime),
        );
        self.process = start_process(&self.box_id, self.key, controller);
        self.perform(effects)
    }

    fn press(&mut self) -> Result<()> {
        self.act(true, Event::Button(ButtonEvent::ShortPress))
    }

    /// Passes an event of a person, which is an act of consent or not.
    fn act(&mut self, is_consent: bool, event: Event) -> Result<()> {
        self.is_consent = is_consent;
        self.handle(event)?;
        self.is_consent = false;
        Ok(())
    }

    /// Passes an event to the controller and performs its effects.
    pub fn handle(&mut self, event: Event) -> Result<()> {
        if let Event::PresentCustomersChanged(present) = &event {
            self.reported_present.clone_from(present);
        }
        let readings = readings(self.box_now(), self.uptime);
        let effects = self.process.controller.handle(event, readings);
        self.perform(effects)
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::Store(request) => self.process.requests.push_back(request),
                Effect::Publish(message) => self.publish(&message)?,
                Effect::Respond { address, response } => {
                    let is_expected = std::mem::take(&mut self.process.is_command_in_progress);
                    ensure!(is_expected, "a command is answered twice: {response:?}");
                    if let Some(address) = address {
                        let now = self.box_now();
                        self.process.publisher.respond(address, &response, now);
                    }
                }
                Effect::Answer { client, response } => {
                    let is_expected = self.process.clients.remove(&client.0);
                    ensure!(is_expected, "a request is answered twice: {response:?}");
                }
                Effect::Vision(command) => {
                    self.check_command(&command)?;
                    self.camera.commands.push_back(command);
                }
                Effect::CheckClock => self.process.clock_checks += 1,
                Effect::Train(_) => self.process.trainings += 1,
                Effect::Show(_) | Effect::Compact | Effect::RecordLatency(_) => {}
            }
        }
        Ok(())
    }

    /// Checks a command to recognition, and records its effect.
    fn check_command(&mut self, command: &VisionCommand) -> Result<()> {
        match command {
            VisionCommand::BeginEnrolment { .. } => {
                ensure!(self.is_consent, "an enrolment starts without an act of consent");
                self.vault.permits.has_consent = true;
            }
            VisionCommand::AddCustomer { .. } => {
                let is_enrolling = std::mem::take(&mut self.is_enrolling);
                ensure!(is_enrolling, "an enrolment succeeds after it has failed");
            }
            VisionCommand::RemoveCustomer(customer) | VisionCommand::DismissCustomer(customer) => {
                self.reported_present.retain(|present| present != customer);
            }
            _ => {}
        }
        Ok(())
    }

    fn publish(&mut self, message: &Message) -> Result<()> {
        if let Message::Enrolment(EnrolmentEvent { step, .. }) = message {
            match step {
                EnrolmentStep::Started => self.is_enrolling = true,
                EnrolmentStep::Failed { .. } => {
                    ensure!(self.is_enrolling, "an enrolment fails that is not in progress");
                    (self.is_enrolling, self.vault.permits.has_consent) = (false, false);
                }
                _ => {}
            }
        }
        let publisher = &self.process.publisher;
        match message {
            Message::State(state) => publisher.publish_state(state),
            Message::Visit(event) => publisher.publish_visit(event),
            Message::Enrolment(event) => publisher.publish_enrolment(event),
            Message::List(event) => publisher.publish_list(event),
            Message::Stored(stored) => {
                publisher.publish_stored(stored.number, stored.stored, &stored.message);
            }
        }
        Ok(())
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Sends a command, and returns its correlation data. The command is rejected if too many wait.
    pub fn send(&mut self, command: Command) -> String {
        let correlation = self.next_number().to_string();
        self.send_with(command, &correlation);
        correlation
    }

    fn send_with(&mut self, command: Command, correlation: &str) {
        if self.process.commands.len() < COMMANDS_MAX && self.broker.is_running {
            let address = ResponseAddress {
                topic: "till/reply".to_owned(),
                correlation_data: Some(correlation.as_bytes().to_vec()),
            };
            self.process.commands.push_back((command, Some(address)));
        }
    }

    fn request(&mut self, request: OperatorRequest) -> Result<()> {
        let client = self.next_number();
        self.process.clients.insert(client);
        self.handle(Event::Operator { request, client: ClientId(client) })
    }

    fn buyer(&self, customer: usize, by_claim_code: bool) -> BuyerRef {
        let customer = self.vault.choose(customer);
        match self.vault.accounts.get(&customer) {
            Some(account) if by_claim_code => BuyerRef::ClaimCode(account.claim),
            _ => BuyerRef::Customer(customer),
        }
    }

    fn new_order(&mut self) -> TillOrder {
        let line = LineItem {
            sku: "1".to_owned(),
            name: "Milk".to_owned(),
            quantity: Quantity::ONE,
            unit: Unit::default(),
            unit_price: 120,
            is_void: false,
        };
        Order {
            id: OrderId(format!("T-{}", self.next_number())),
            customer: NoCustomer,
            placed: self.box_now().to_zoned(TimeZone::UTC),
            currency: "EUR".parse().expect("a currency"),
            lines: vec![line],
            total: 120,
            till: None,
            replaces: None,
        }
    }

    fn send_order(&mut self, customer: usize, buyer: Buyer) {
        let buyer = match buyer {
            Buyer::Till => BuyerRef::AtTill(till(customer)),
            Buyer::ClaimCode => self.buyer(customer, true),
            Buyer::Customer => self.buyer(customer, false),
        };
        let command = Command::Order { buyer, order: self.new_order() };
        let correlation = self.send(command.clone());
        self.pending_orders.push(PendingOrder { correlation, command });
    }

    pub fn repeat_order(&mut self, number: usize) {
        if !self.pending_orders.is_empty() {
            let index = number % self.pending_orders.len();
            let PendingOrder { correlation, command } = self.pending_orders[index].clone();
            self.send_with(command, &correlation);
        }
    }

    fn void_order(&mut self, customer: usize) -> Result<()> {
        let customer = self.vault.choose(customer);
        let order = self.vault.accounts.get(&customer).and_then(|account| account.orders.first());
        let Some(order) = order.map(|order| order.id.clone()) else { return Ok(()) };
        self.request(OperatorRequest::VoidOrder { customer, order })
    }
}

fn till(number: usize) -> String {
    (number % TILLS).to_string()
}

fn new_product(number: u32) -> Product {
    Product {
        sku: number.to_string(),
        name: "Milk".to_owned(),
        category: None,
        is_available: true,
        is_age_restricted: false,
        allergens: Default::default(),
    }
}

fn readings(now: Timestamp, uptime: Duration) -> Readings {
    Readings { now: now.to_zoned(TimeZone::UTC), uptime, counters: Counters::default() }
}

fn uuid_source(seed: u64) -> impl FnMut() -> uuid::Uuid + Send + 'static {
    let mut random = Rng::with_seed(seed);
    move || uuid::Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid()
}

fn data(vault: &Vault) -> InitialData {
    let mut recommender = instored_recommend::Recommender::default();
    for order in vault.accounts.values().flat_map(|account| &account.orders) {
        recommender.add_order(order);
    }
    let customers: Vec<_> = vault.accounts.values().map(|a| a.customer.clone()).collect();
    InitialData {
        model: ModelId("test".to_owned()),
        customers,
        rejected_records: 0,
        recommender,
        catalogue: vault.products.iter().cloned().collect(),
    }
}

fn start_process(box_id: &BoxId, key: u64, controller: Controller) -> Process {
    let (publisher, connection, delivered) = process::connection(box_id, key);
    Process {
        controller,
        publisher,
        connection,
        delivered,
        is_connected: false,
        is_in_flight: false,
        requests: VecDeque::new(),
        responses: VecDeque::new(),
        commands: VecDeque::new(),
        is_command_in_progress: false,
        clock_checks: 0,
        trainings: 0,
        clients: Default::default(),
    }
}
