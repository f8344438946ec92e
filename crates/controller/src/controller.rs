//! State of the controller, and dispatch of the events.

use std::collections::BTreeMap;
use std::time::Duration;

use instored_consent::{Confirmation, ConsentTexts};
use instored_domain::{
    BoxId, BoxState, CameraState, CommandFailure, CommandResponse, Customer, CustomerId,
    EmbeddingCount, EnrolmentEvent, EnrolmentFailure, EnrolmentStep, EventId, FaceCount, ListEvent,
    Mode, ModelId, RecognitionEvent, ResponseAddress, RetentionStatus, ShoppingList, ShoppingLists,
    TillAssignments,
};
use instored_panel::LedSignal;
use instored_recommend::{Catalogue, Recommender};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::daily_visits::DailyVisits;
use crate::effect::{Effect, Message, VisionCommand};
use crate::enrolment::Enrolment;
use crate::event::{Event, Readings};
use crate::maintenance::RetentionSchedule;
use crate::offer::{Offer, OfferedCodes};
use crate::outbox::{self, OutboxReader};
use crate::recommendations::Recommendations;
use crate::retention::Retention;
use crate::settings::Settings;
use crate::store::{StoreRequest, StoreResponse};
use crate::visits::{Arrival, GreetedCustomer};

/// State machine of the box. One owner passes one event at a time.
pub struct Controller {
    pub(super) settings: Settings,
    pub(super) box_id: BoxId,
    /// True if the box recognises customers only after a press.
    pub(super) is_on_request: bool,
    uuids: Box<dyn FnMut() -> Uuid + Send>,
    /// Time and counters of the current event.
    pub(super) readings: Readings,
    /// Effects of the current event.
    pub(super) effects: Vec<Effect>,
    /// State that was published last.
    pub(super) state: BoxState,
    /// Recognised customers in view, without dismissed and deleted ones.
    pub(super) present: Vec<CustomerId>,
    /// Customers who were dismissed or deleted while in view. Recognition may still report them.
    hidden: Vec<CustomerId>,
    /// Arrivals of customers whose visit is not stored yet.
    pub(super) arrivals: BTreeMap<CustomerId, Arrival>,
    /// Number of the last arrival.
    pub(super) last_arrival_number: u64,
    /// Customers who were greeted and have not left.
    pub(super) greeted: BTreeMap<CustomerId, GreetedCustomer>,
    /// Enrolment in progress.
    pub(super) enrolment: Option<Enrolment>,
    pub(super) till_assignments: TillAssignments,
    pub(super) shopping_lists: ShoppingLists,
    pub(super) daily_visits: DailyVisits,
    pub(super) recommendations: Recommendations,
    pub(super) retention: Retention,
    pub(super) retention_schedule: RetentionSchedule,
    pub(super) outbox: OutboxReader,
    /// Clock and uptime when a time server or the operator last confirmed the clock.
    pub(super) confirmed_clock: Option<(Timestamp, Duration)>,
    /// True while a face is in view.
    has_face_in_view: bool,
    /// Uptime at which a hold was aborted while a customer was in view.
    pub(super) hold_aborted: Option<Duration>,
    /// Act by which a person agrees to an enrolment.
    pub(super) confirmation: Confirmation,
    pub(super) consent_texts: ConsentTexts,
    /// Offered enrolment.
    pub(super) offer: Option<Offer>,
    pub(super) offered_codes: OfferedCodes,
}

/// Rules of the box that need a restart to change.
pub struct Rules {
    /// True if the box recognises customers only after a press.
    pub is_on_request: bool,
    /// Act by which a person agrees to an enrolment.
    pub confirmation: Confirmation,
    /// Texts that a person can read before they agree.
    pub consent_texts: ConsentTexts,
}

/// Data of the vault at the start.
pub struct InitialData {
    /// Model of the templates in the gallery.
    pub model: ModelId,
    /// All customers.
    pub customers: Vec<Customer>,
    /// Number of records that failed verification.
    pub rejected_records: u64,
    /// Recommender with all orders.
    pub recommender: Recommender,
    /// All products.
    pub catalogue: Catalogue,
}

impl Controller {
    /// Creates the controller of a box that has just started. Returns it with its first effects.
    ///
    /// `uuids` returns random version 4 UUIDs, from which ids and codes are made.
    pub fn start(
        settings: Settings,
        box_id: BoxId,
        rules: Rules,
        data: InitialData,
        uuids: impl FnMut() -> Uuid + Send + 'static,
        readings: Readings,
    ) -> (Self, Vec<Effect>) {
        let till_lifetime = SignedDuration::from_mins(settings.at_till_minutes.into());
        let list_lifetime = SignedDuration::from_hours(settings.list_hours.into());
        let mut daily_visits = DailyVisits::new(&data.customers, &readings.now);
        let state = BoxState {
            visits_today: daily_visits.count(&readings.now),
            ..initial_state(data.model, data.customers.len() as u64, data.rejected_records)
        };
        let mut controller = Self {
            settings,
            box_id,
            is_on_request: rules.is_on_request,
            uuids: Box::new(uuids),
            readings,
            effects: Vec::new(),
            state,
            present: Vec::new(),
            hidden: Vec::new(),
            arrivals: BTreeMap::new(),
            last_arrival_number: 0,
            greeted: BTreeMap::new(),
            enrolment: None,
            till_assignments: TillAssignments::new(till_lifetime),
            shopping_lists: ShoppingLists::new(list_lifetime),
            daily_visits,
            recommendations: Recommendations::new(data.recommender, data.catalogue),
            retention: Retention::new(&data.customers),
            retention_schedule: RetentionSchedule::default(),
            outbox: OutboxReader::default(),
            confirmed_clock: None,
            has_face_in_view: false,
            hold_aborted: None,
            confirmation: rules.confirmation,
            consent_texts: rules.consent_texts,
            offer: None,
            offered_codes: OfferedCodes::default(),
        };
        controller.read_outbox();
        controller.set_idle();
        let effects = std::mem::take(&mut controller.effects);
        (controller, effects)
    }

    /// Handles an event, and returns its effects in the sequence of their execution.
    pub fn handle(&mut self, event: Event, readings: Readings) -> Vec<Effect> {
        self.readings = readings;
        self.end_expired_offer();
        match event {
            Event::Recognition { event, delivered } => {
                self.handle_recognition_event(event, delivered);
            }
            Event::CameraStateChanged(camera) => self.handle_camera_state(camera),
            Event::FaceInViewChanged(has_face_in_view) => {
                self.has_face_in_view = has_face_in_view;
                self.show_idle_signal();
            }
            Event::PresentCustomersChanged(present) => self.set_present(present),
            Event::Button(event) => self.handle_button_event(event),
            Event::Command { command, address } => self.handle_command(command, address),
            Event::Operator { request, client } => self.handle_operator_request(request, client),
            Event::Delivered(number) => self.remove_delivered(number),
            Event::Stored(response) => self.handle_store_response(response),
            Event::ClockChecked(is_synchronised) => self.handle_clock_check(is_synchronised),
            Event::Trained(ranker) => self.recommendations.finish_training(ranker),
            Event::SettingsChanged(settings) => self.change_settings(settings),
            Event::Tick => self.run_maintenance(),
            Event::Stopping => self.publish_state(),
        }
        std::mem::take(&mut self.effects)
    }

    /// Returns the last published state.
    pub fn state(&self) -> &BoxState {
        &self.state
    }

    /// Returns the settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn handle_store_response(&mut self, response: StoreResponse) {
        match response {
            StoreResponse::VisitRecorded { customer, arrival, result } => {
                self.complete_visit(customer, arrival, result);
            }
            StoreResponse::GreetingRead { customer, arrival, result } => {
                self.complete_greeting(customer, arrival, result);
            }
            StoreResponse::Enrolled { new, result } => self.complete_enrolment(*new, result),
            StoreResponse::Forgotten { customer, origin, result } => {
                self.complete_forget(customer, origin, result);
            }
            StoreResponse::BuyerFound { action, address, result } => {
                self.complete_buyer_search(action, address, result);
            }
            StoreResponse::OrderAdded { order, till, address, result } => {
                self.complete_order(order, till, address, result);
            }
            StoreResponse::OrdersAdded { orders, client, result } => {
                self.complete_added_orders(&orders, client, result);
            }
            StoreResponse::OrderVoided { customer, client, result } => {
                self.complete_void(customer, client, result);
            }
            StoreResponse::OrdersRemoved { customer, result } => {
                self.complete_order_removal(customer, result);
            }
            StoreResponse::NamesRead { address, result } => {
                let response = result.map(CommandResponse::Present).map_err(CommandFailure::from);
                self.respond_to_command(address, response);
            }
            StoreResponse::Renamed { customer, origin, result } => {
                self.complete_rename(customer, origin, result);
            }
            StoreResponse::PreferencesChanged { customer, is_change, address, result } => {
                self.complete_preferences(customer, is_change, address, result);
            }
            StoreResponse::HistoryRead { address, result } => {
                self.respond_to_command(address, result.map(CommandResponse::History));
            }
            StoreResponse::CatalogueChanged { products, removed, origin, result } => {
                self.complete_catalogue_change(&products, &removed, origin, result);
            }
            StoreResponse::DeletionDueSet { customers, due, clients, result } => {
                self.complete_deletion_due(&customers, due, clients, result);
            }
            StoreResponse::TimesConfirmed { customers, at, result } => {
                self.complete_confirmed_times(&customers, at, result);
            }
            StoreResponse::OutboxRead { after, result } => self.send_outbox(after, result),
            StoreResponse::DeliveredRemoved { result } => outbox::log_removal(result),
            StoreResponse::ExpiredRemoved { result } => outbox::log_expiry(result),
        }
    }

    fn handle_recognition_event(&mut self, event: RecognitionEvent, delivered: Duration) {
        match event {
            RecognitionEvent::Arrived(customer) => return self.begin_visit(customer, delivered),
            RecognitionEvent::RecognisedAgain(customer) => self.repeat_greeting(customer),
            RecognitionEvent::Left(customer) => self.end_visit(customer),
            RecognitionEvent::NotRecognised => self.offer_after_failed_recognition(),
            RecognitionEvent::PresentationAttackSuspected => {
                tracing::warn!("presentation attack suspected: a face may be a photo or a screen");
                self.state.suspected_attacks += 1;
                self.publish_state();
            }
            // A step of an enrolment that has ended meanwhile.
            RecognitionEvent::LookHere
            | RecognitionEvent::Captured { .. }
            | RecognitionEvent::EnrolmentFailed(_)
                if !self.is_capturing() => {}
            RecognitionEvent::LookHere => {
                self.show(LedSignal::LookHere);
                self.publish_step(EnrolmentStep::LookHere);
            }
            RecognitionEvent::Captured { count, of } => {
                self.show(LedSignal::Capturing);
                self.publish_step(EnrolmentStep::Captured { count, of });
            }
            RecognitionEvent::EnrolmentFailed(reason) => self.fail_enrolment(reason),
            RecognitionEvent::Enrolled { embeddings, track, resembles } => {
                return self.store_enrolment(embeddings, track, resembles);
            }
        }
        self.effects.push(Effect::RecordLatency(delivered));
    }

    fn set_present(&mut self, mut present: Vec<CustomerId>) {
        self.hidden.retain(|hidden| present.contains(hidden));
        present.retain(|customer| !self.hidden.contains(customer));
        self.present = present;
    }

    /// Removes a customer from the customers in view, because they were dismissed or deleted.
    pub(super) fn hide(&mut self, customer: CustomerId) {
        let before = self.present.len();
        self.present.retain(|present| *present != customer);
        if self.present.len() < before {
            self.hidden.push(customer);
        }
    }

    fn handle_camera_state(&mut self, camera: CameraState) {
        self.state.camera = camera;
        if camera == CameraState::Unavailable && self.is_capturing() {
            self.effects.push(Effect::Vision(VisionCommand::CancelEnrolment));
            self.fail_enrolment(EnrolmentFailure::NoCamera);
        }
        self.publish_state();
        self.show_idle_signal();
    }

    fn change_settings(&mut self, settings: Settings) {
        let till_lifetime = SignedDuration::from_mins(settings.at_till_minutes.into());
        self.till_assignments.set_lifetime(till_lifetime);
        let list_lifetime = SignedDuration::from_hours(settings.list_hours.into());
        self.shopping_lists.set_lifetime(list_lifetime);
        self.settings = settings;
        tracing::info!("[shop] settings reloaded");
    }

    /// Sets the mode that applies between enrolments, and publishes the state. An enrolment in progress
    /// keeps its mode.
    pub(super) fn set_idle(&mut self) {
        if self.enrolment.is_none() {
            self.state.mode = if self.is_on_request { Mode::Waiting } else { Mode::Watching };
        }
        self.publish_state();
    }

    /// Shows the LED signal that applies after a hold of the button.
    pub(super) fn restore_signal(&mut self) {
        match self.enrolment {
            Some(_) => self.show(LedSignal::LookHere),
            None => self.show_idle_signal(),
        }
    }

    /// Shows the LED signal that applies between enrolments: a missing camera, a face in view, or
    /// neither. Does nothing during an enrolment.
    pub(super) fn show_idle_signal(&mut self) {
        if self.enrolment.is_none() {
            self.show(match self.state.camera {
                CameraState::Unavailable => LedSignal::OutOfOrder,
                _ if self.has_offer() => LedSignal::Offered,
                _ if self.has_face_in_view => LedSignal::Capturing,
                // The recognition window is open.
                _ if self.is_on_request && self.state.mode == Mode::Watching => LedSignal::LookHere,
                _ => LedSignal::Idle,
            });
        }
    }

    pub(super) fn show(&mut self, signal: LedSignal) {
        self.effects.push(Effect::Show(signal));
    }

    pub(super) fn store(&mut self, request: StoreRequest) {
        self.effects.push(Effect::Store(request));
    }

    pub(super) fn respond_to_command(
        &mut self,
        address: Option<ResponseAddress>,
        response: Result<CommandResponse, CommandFailure>,
    ) {
        self.effects.push(Effect::Respond { address, response });
    }

    /// Returns the time of the current event.
    pub(super) fn now(&self) -> Timestamp {
        self.readings.now.timestamp()
    }

    pub(super) fn new_uuid(&mut self) -> Uuid {
        (self.uuids)()
    }

    pub(super) fn new_event_id(&mut self) -> EventId {
        EventId(self.new_uuid())
    }

    /// Publishes the state with current counters.
    pub(super) fn publish_state(&mut self) {
        let counters = self.readings.counters;
        self.state.embeddings = counters.embeddings;
        self.state.faces = counters.faces;
        self.state.rejected_commands = counters.rejected_commands;
        self.state.due_customers = self.retention.due_count();
        // Displays ignore a state that is not newer than the last one. Within a run of the daemon, the
        // time therefore increases even if the clock is set back.
        let next = self.state.issued.saturating_add(SignedDuration::from_nanos(1));
        self.state.issued = self.now().max(next.unwrap_or(Timestamp::MAX));
        self.effects.push(Effect::Publish(Message::State(self.state.clone())));
    }

    /// Publishes a customer's shopping list.
    pub(super) fn publish_list(&mut self, list: ShoppingList) {
        let issued = self.now();
        let (id, expires) = (self.new_event_id(), self.event_expiry(issued));
        let event = ListEvent { id, list, issued, expires };
        self.effects.push(Effect::Publish(Message::List(event)));
    }

    /// Publishes a step of an enrolment that is not kept in the outbox.
    pub(super) fn publish_step(&mut self, step: EnrolmentStep) {
        let issued = self.now();
        let (id, expires) = (self.new_event_id(), self.event_expiry(issued));
        let event = EnrolmentEvent { id, step, issued, expires };
        self.effects.push(Effect::Publish(Message::Enrolment(event)));
    }

    /// Returns the expiry time of an event that is issued at `issued`.
    pub(super) fn event_expiry(&self, issued: Timestamp) -> Timestamp {
        let lifetime = SignedDuration::from_secs(i64::from(self.settings.greeting_seconds));
        issued.checked_add(lifetime).unwrap_or(Timestamp::MAX)
    }
}

fn initial_state(model: ModelId, customers: u64, rejected_records: u64) -> BoxState {
    BoxState {
        mode: Mode::Waiting,
        camera: CameraState::Starting,
        model,
        customers,
        rejected_records,
        embeddings: EmbeddingCount::default(),
        faces: FaceCount::default(),
        suspected_attacks: 0,
        visits_today: 0,
        not_me_reports: 0,
        rejected_commands: 0,
        retention: RetentionStatus::Running,
        due_customers: 0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        issued: Timestamp::UNIX_EPOCH,
    }
}
