//! Controller: turns vision events, presses, commands and requests into stored data and published
//! events.
//!
//! Its methods are split by topic: visits in [`super::visits`], opting in and withdrawing in
//! [`super::enrolment_flow`], MQTT commands in [`super::commands`], admin requests in
//! [`super::admin_requests`], periodic work in [`super::maintenance`].

use std::collections::HashMap;
use std::sync::Arc;

use instored_domain::{
    BoxId, BoxState, CameraState, ConsentMethod, CustomerId, CustomerRef, EmbeddingCount,
    EnrolmentEvent, EnrolmentFailure, EnrolmentStep, EventId, FaceCount, ListEvent, Mode, ModelId,
    RetentionStatus, ShoppingList, ShoppingLists, TillAssignments,
};
use instored_mqtt::Publisher;
use instored_panel::LedSignal;
use instored_recognition::RecognitionEvent;
use instored_vault::Vault;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::compaction::Compaction;
use super::daily_visits::DailyVisits;
use super::maintenance::RetentionSchedule;
use super::panel_threads::LedHandle;
use super::recommendations::Recommendations;
use super::retention::Retention;
use super::simulated_button::SimulatedButton;
use super::vision_worker::{VisionCommand, VisionEvent, VisionWorker};
use crate::config::Shop;

/// State of the box. The main loop owns it and calls one handler at a time.
///
/// Handlers block: they wait for the disk and for responses of the vision thread.
pub(super) struct Controller {
    pub vault: Arc<Vault>,
    pub publisher: Publisher,
    pub vision: VisionWorker,
    pub led: LedHandle,
    /// Button that `instored button` presses, if the panel is simulated.
    pub simulated_button: SimulatedButton,
    pub shop: Shop,
    pub box_id: BoxId,
    /// State that was published last.
    pub state: BoxState,
    /// Customers who were greeted and have not left.
    pub greeted: HashMap<CustomerId, GreetedCustomer>,
    /// Enrolment in progress.
    pub enrolment: Option<EnrolmentRequest>,
    pub till_assignments: TillAssignments,
    pub shopping_lists: ShoppingLists,
    pub daily_visits: DailyVisits,
    pub recommendations: Recommendations,
    pub compaction: Compaction,
    pub retention_schedule: RetentionSchedule,
    pub retention: Retention,
    /// Highest number of a message of the outbox that was passed to the publisher.
    pub outbox_position: u64,
    /// True while the vision thread has a face in view.
    pub has_face_in_view: bool,
    /// True if the next short press belongs to an aborted hold and is ignored.
    pub is_hold_aborted: bool,
    /// True if the box recognises customers only after a press.
    pub is_on_request: bool,
    /// Time until which a press starts an enrolment, after a face was not recognised.
    pub enrolment_offer_expires: Option<Timestamp>,
}

/// Greeted customer in view.
pub(super) struct GreetedCustomer {
    pub customer: CustomerRef,
    /// Number of visits, including the current visit.
    pub visits: u64,
}

/// Enrolment in progress: method and language of the consent.
#[derive(Clone)]
pub(super) struct EnrolmentRequest {
    pub method: ConsentMethod,
    pub language: String,
}

impl Controller {
    /// Handles an event of the vision threads.
    pub fn handle_vision_event(&mut self, event: VisionEvent) {
        match event {
            VisionEvent::Recognition(event, _) => self.handle_recognition_event(event),
            VisionEvent::CameraStateChanged(camera) => self.handle_camera_state(camera),
            VisionEvent::FaceInViewChanged(has_face_in_view) => {
                self.has_face_in_view = has_face_in_view;
                self.show_idle_signal();
            }
            // The main loop ends after these events.
            VisionEvent::CameraEnded | VisionEvent::Crashed => {}
        }
    }

    fn handle_recognition_event(&mut self, event: RecognitionEvent) {
        match event {
            RecognitionEvent::Arrived(customer) => self.begin_visit(customer),
            RecognitionEvent::RecognisedAgain(customer) => self.confirm_visit(customer),
            RecognitionEvent::Left(customer) => self.end_visit(customer),
            RecognitionEvent::NotRecognised => self.offer_enrolment(),
            RecognitionEvent::PresentationAttackSuspected => {
                tracing::warn!("presentation attack suspected: a face may be a photo or a screen");
                self.state.suspected_attacks += 1;
                self.publish_state();
            }
            RecognitionEvent::LookHere => {
                self.led.show(LedSignal::LookHere);
                self.publish_step(EnrolmentStep::LookHere);
            }
            RecognitionEvent::Captured { count, of } => {
                self.led.show(LedSignal::Capturing);
                self.publish_step(EnrolmentStep::Captured { count, of });
            }
            RecognitionEvent::EnrolmentFailed(reason) => self.fail_enrolment(reason),
            RecognitionEvent::Enrolled { embeddings, track, resembles } => {
                self.complete_enrolment(embeddings, track, resembles);
            }
        }
    }

    fn handle_camera_state(&mut self, camera: CameraState) {
        self.state.camera = camera;
        if camera == CameraState::Unavailable && self.enrolment.is_some() {
            self.vision.send(VisionCommand::CancelEnrolment);
            self.fail_enrolment(EnrolmentFailure::NoCamera);
        }
        self.publish_state();
        self.show_idle_signal();
    }

    /// Applies changed `[shop]` settings.
    pub fn reload(&mut self, shop: Shop) {
        let lifetime = SignedDuration::from_mins(shop.at_till_minutes.into());
        self.till_assignments.set_lifetime(lifetime);
        self.shop = shop;
        tracing::info!("[shop] settings reloaded");
    }

    /// Sets the mode that applies between enrolments, and publishes the state.
    pub fn set_idle(&mut self) {
        self.state.mode = if self.is_on_request { Mode::Waiting } else { Mode::Watching };
        self.publish_state();
    }

    /// Shows the LED signal that applies between enrolments. While a face is in view, the signal is
    /// not [`LedSignal::Idle`].
    pub fn show_idle_signal(&self) {
        if self.enrolment.is_none() {
            self.led.show(match self.state.camera {
                CameraState::Unavailable => LedSignal::OutOfOrder,
                _ if self.has_face_in_view => LedSignal::Capturing,
                _ => LedSignal::Idle,
            });
        }
    }

    /// Returns the customers in view.
    pub fn present_customers(&self) -> Vec<CustomerId> {
        self.vision.request(VisionCommand::ListPresent).unwrap_or_default()
    }

    /// Publishes the state with current counters.
    pub fn publish_state(&mut self) {
        self.state.embeddings = self.vision.embedding_count();
        self.state.faces = self.vision.face_count();
        self.state.rejected_commands = self.publisher.statistics().rejected_commands;
        // Displays ignore a state that is not newer than the last state. The time therefore increases
        // even if the clock was set back.
        let next = self.state.issued.saturating_add(SignedDuration::from_nanos(1));
        self.state.issued = Timestamp::now().max(next.unwrap_or(Timestamp::MAX));
        self.publisher.publish_state(&self.state);
    }

    /// Publishes a customer's shopping list.
    pub fn publish_list(&self, list: &ShoppingList) {
        let issued = Timestamp::now();
        self.publisher.publish_list(&ListEvent {
            id: new_event_id(),
            list: list.clone(),
            issued,
            expires: self.event_expiry(issued),
        });
    }

    /// Publishes a step of an enrolment.
    pub fn publish_step(&self, step: EnrolmentStep) {
        let issued = Timestamp::now();
        let expires = self.event_expiry(issued);
        let id = new_event_id();
        self.publisher.publish_enrolment(&EnrolmentEvent { id, step, issued, expires });
    }

    /// Returns the time at which an event expires that is issued at `issued`.
    pub fn event_expiry(&self, issued: Timestamp) -> Timestamp {
        let lifetime = SignedDuration::from_secs(i64::from(self.shop.greeting_seconds));
        issued.checked_add(lifetime).unwrap_or(Timestamp::MAX)
    }
}

/// Returns the state of a box that has just started.
pub(super) fn initial_state(model: ModelId, customers: u64, rejected_records: u64) -> BoxState {
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
        issued: Timestamp::now(),
    }
}

/// Returns a random event id.
pub(super) fn new_event_id() -> EventId {
    EventId(Uuid::new_v4())
}
