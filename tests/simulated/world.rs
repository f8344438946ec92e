//! Box with simulated clock, vault, broker and camera: its random walk, and its parts one step at a time.

mod commands;
mod execution;

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use confique::Config as _;
use fastrand::Rng;
use instored_consent::ConsentTexts;
use instored_controller::{
    Controller, Counters, Effect, Event, InitialData, Message, Readings, Rules, Settings,
    VisionCommand,
};
use instored_domain::{
    AgreementCode, BoxId, Command, CommandResponse, CustomerId, EnrolmentEvent, EnrolmentFailure,
    EnrolmentStep, ModelId, OrderId,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use self::commands::PendingOrder;
use crate::broker::Broker;
use crate::camera::Camera;
use crate::counts::{Counts, Faults};
use crate::operation::Operation;
use crate::process::{self, Process};
use crate::vault::Vault;

/// Operations between two full checks.
const CHECK_INTERVAL: usize = 100;
/// Number of last operations in a failure message.
const SHOWN_OPERATIONS: usize = 40;

/// Box with simulated clock, vault, broker and camera.
pub struct World {
    random: Rng,
    pub now: Timestamp,
    uptime: Duration,
    /// Time by which the clock of the box is ahead.
    pub clock_offset: SignedDuration,
    pub settings: Settings,
    box_id: BoxId,
    /// True in the mode `on-request`.
    pub is_on_request: bool,
    pub key: u64,
    pub process: Process,
    pub vault: Vault,
    pub broker: Broker,
    pub camera: Camera,
    /// Customers in view, as reported to the controller, without dismissed and deleted ones.
    reported_present: Vec<CustomerId>,
    /// Customers who were dismissed or deleted, until recognition no longer reports them.
    hidden: Vec<CustomerId>,
    /// True while the current event is an act of consent.
    is_consent: bool,
    /// True from the start of an enrolment until it fails or succeeds.
    is_enrolling: bool,
    /// Uptime of the last offer since the start of the last enrolment.
    offered_at: Option<Duration>,
    /// Codes that the box gave to displays since the last enrolment.
    offered_codes: Vec<AgreementCode>,
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
            rules(is_on_request),
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
            hidden: Vec::new(),
            is_consent: false,
            is_enrolling: false,
            offered_at: None,
            offered_codes: Vec::new(),
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
            self.counts.faults += usize::from(self.is_effective_fault(&operation));
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
                self.settle_and_check().context("full check")?;
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

    /// Executes a random part of the pending work.
    fn advance(&mut self) -> Result<()> {
        if self.random.bool() {
            self.camera.run();
        }
        let [steps, operations, messages] = [6, 3, 4].map(|end| self.random.usize(..end));
        self.run(steps)?;
        self.run_vault(operations)?;
        self.run_network(messages)
    }

    /// Advances the time in parts of at most a day, with a tick after each part of a minute or more.
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
            let is_consent = match &command {
                Command::Agree { code } => self.offered_codes.contains(code),
                _ => false,
            };
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

    /// Lets the vault execute requests.
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

    /// Delivers a message without acknowledging it. Returns false if there is none.
    fn transmit(&mut self) -> Result<bool> {
        let Some(message) = self.process.connection.send(self.box_now()) else { return Ok(false) };
        self.process.is_in_flight = true;
        message.payload.hash(&mut self.trace);
        self.broker.receive(&message)?;
        self.take_confirmations();
        Ok(true)
    }

    /// Records the confirmed orders. A till repeats an order until it is confirmed or rejected.
    fn take_confirmations(&mut self) {
        let Self { pending_orders, broker, confirmed_orders, counts, .. } = self;
        pending_orders.retain(|pending| {
            let Some(responses) = broker.received.responses.get(&pending.correlation) else {
                return true;
            };
            let mut is_answered = false;
            for response in responses {
                let response: serde_json::Value =
                    serde_json::from_str(response).unwrap_or_default();
                is_answered |= response["error"]["code"] != "internal";
                let order = &response["order"];
                if let (Some(id), Ok(customer)) =
                    (order["id"].as_str(), serde_json::from_value(order["customer"].clone()))
                {
                    counts.orders += 1;
                    confirmed_orders.insert(OrderId(id.to_owned()), customer);
                }
            }
            !is_answered
        });
    }

    /// Loses the connection. If no message is in flight, the next one is sent first; it arrives if
    /// `next_arrives`, otherwise it is lost.
    fn cut(&mut self, next_arrives: bool) -> Result<()> {
        if !self.process.is_connected {
            return Ok(());
        }
        if !self.process.is_in_flight {
            if next_arrives {
                self.transmit()?;
            } else {
                // The message is lost on its way.
                self.process.connection.send(self.box_now());
            }
        }
        (self.process.is_connected, self.process.is_in_flight) = (false, false);
        self.process.connection.disconnect();
        self.broker.publish_will();
        Ok(())
    }

    pub fn start_broker(&mut self, keeps_retained: bool) {
        if !self.broker.is_running {
            self.broker.is_running = true;
            if !keeps_retained {
                self.broker.retained.clear();
            }
        }
    }

    /// Kills the daemon and starts it again. The vault first executes at most `executed`
    /// waiting requests.
    fn kill(&mut self, executed: usize) -> Result<()> {
        self.run_vault(executed)?;
        self.uptime = Duration::ZERO;
        self.offered_at = None;
        self.offered_codes.clear();
        self.reported_present.clear();
        self.hidden.clear();
        (self.is_enrolling, self.vault.permits.has_consent) = (false, false);
        // The new process does not know who was greeted; a display removes the greetings when they expire.
        self.broker.received.last_visits.clear();
        let gallery: Vec<_> =
            self.vault.accounts.iter().map(|(id, account)| (*id, account.person)).collect();
        self.camera.restart(gallery);
        let uuids = uuid_source(self.random.u64(..));
        let (controller, effects) = Controller::start(
            self.settings.clone(),
            self.box_id.clone(),
            rules(self.is_on_request),
            data(&self.vault),
            uuids,
            readings(self.box_now(), self.uptime),
        );
        if self.process.is_connected {
            self.broker.publish_will();
        }
        self.process = start_process(&self.box_id, self.key, controller);
        self.perform(effects)
    }

    /// Passes an event to the controller and performs its effects.
    pub fn handle(&mut self, event: Event) -> Result<()> {
        if let Event::PresentCustomersChanged(present) = &event {
            self.hidden.retain(|customer| present.contains(customer));
            let shown = present.iter().filter(|customer| !self.hidden.contains(customer));
            self.reported_present = shown.copied().collect();
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
                    if let Ok(CommandResponse::Offered(offer)) = &response {
                        self.offered_codes.push(offer.code);
                    }
                    if let Some(address) = address {
                        let now = self.box_now();
                        self.process.publisher.respond(address, &response, now);
                    }
                }
                Effect::RespondToClient { client, response } => {
                    let is_expected = self.process.clients.remove(&client.0);
                    ensure!(is_expected, "a request is answered twice: {response:?}");
                }
                Effect::Vision(command) => {
                    self.check_command(&command)?;
                    self.camera.commands.push_back(command);
                }
                Effect::CheckClock => self.process.clock_checks += 1,
                Effect::Train(_) => self.process.trainings += 1,
                Effect::TickAfter(_)
                | Effect::Show(_)
                | Effect::EraseTraces
                | Effect::RecordLatency(_) => {}
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
                self.offered_codes.clear();
            }
            VisionCommand::AddCustomer { .. } => {
                let is_enrolling = std::mem::take(&mut self.is_enrolling);
                ensure!(is_enrolling, "an enrolment succeeds after it has failed");
            }
            VisionCommand::RemoveCustomer(customer) | VisionCommand::DismissCustomer(customer)
                if self.reported_present.contains(customer) =>
            {
                self.reported_present.retain(|present| present != customer);
                self.hidden.push(*customer);
            }
            _ => {}
        }
        Ok(())
    }

    fn publish(&mut self, message: &Message) -> Result<()> {
        if let Message::Enrolment(EnrolmentEvent { step, .. }) = message {
            match step {
                EnrolmentStep::Offered => self.offered_at = Some(self.uptime),
                EnrolmentStep::Started => (self.is_enrolling, self.offered_at) = (true, None),
                // Nothing is offered without camera.
                EnrolmentStep::Failed { reason: EnrolmentFailure::NoCamera }
                    if !self.is_enrolling => {}
                EnrolmentStep::Failed { .. } => {
                    ensure!(self.is_enrolling, "an enrolment failed, but none is in progress");
                    (self.is_enrolling, self.vault.permits.has_consent) = (false, false);
                }
                _ => {}
            }
        }
        let publisher = &self.process.publisher;
        match message {
            Message::State(state) => publisher.publish_state(state),
            Message::Visit(event) => publisher.publish_visit(event),
            Message::Presence(event) => publisher.publish_presence(event),
            Message::Enrolment(event) => publisher.publish_enrolment(event),
            Message::List(event) => publisher.publish_list(event),
            Message::Stored(stored) => {
                publisher.publish_stored(stored.number, stored.stored, &stored.message);
            }
        }
        Ok(())
    }
}

fn rules(is_on_request: bool) -> Rules {
    let settings =
        instored_consent::Settings::builder().load().expect("all settings have defaults");
    Rules {
        is_on_request,
        confirmation: settings.confirm,
        consent_texts: ConsentTexts::load(&settings).expect("the shipped texts are valid"),
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
