//! The one place where what was seen, pressed and asked is turned into what is kept and said.

use std::collections::HashMap;
use std::sync::Arc;

use instored_domain::{
    BoxId, BoxState, CameraState, ConsentMethod, Customer, CustomerId, CustomerRef, EmbeddingCount,
    EnrolmentEvent, EnrolmentFailure, EnrolmentStep, EventId, ListEvent, Mode, ModelId,
    OrderSummary, ShoppingList, ShoppingLists, TillAssignments, VisitEvent, VisitKind,
};
use instored_mqtt::Publisher;
use instored_panel::LedSignal;
use instored_recognition::RecognitionEvent;
use instored_vault::Vault;
use jiff::{SignedDuration, Timestamp, Zoned};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::compaction::Compaction;
use super::daily_visits::DailyVisits;
use super::panel_threads::LedHandle;
use super::recommendations::Recommendations;
use super::vision_worker::{VisionCommand, VisionEvent, VisionWorker};
use crate::config::Shop;

/// How long a press opts in whoever was not recognised.
const OFFER: SignedDuration = SignedDuration::from_secs(15);

/// Owned by the daemon's loop; does one thing at a time. Its methods wait for the disk and for the
/// vision thread.
pub(super) struct Controller {
    pub vault: Arc<Vault>,
    pub publisher: Publisher,
    pub eyes: VisionWorker,
    pub lamp: LedHandle,
    pub shop: Shop,
    pub box_id: BoxId,
    pub state: BoxState,
    /// Who was greeted and has not left.
    pub greeted: HashMap<CustomerId, (CustomerRef, u64)>,
    /// How the enrolment under way was asked for, and in which language.
    pub enrolling: Option<(ConsentMethod, String)>,
    /// Who is at which till.
    pub tills: TillAssignments,
    /// What customers mean to buy today.
    pub lists: ShoppingLists,
    /// Who came in today.
    pub today: DailyVisits,
    /// What customers may want.
    pub advisor: Recommendations,
    /// What is done beside.
    pub chores: Compaction,
    /// Faces are being looked at.
    pub looking: bool,
    /// The press that follows was held for a while and let go: it stops a withdrawal.
    pub let_go: bool,
    /// Faces are recognised for who asks only.
    pub on_request: bool,
    /// Who asked and was not known may opt in by another press until then.
    pub offered_until: Option<Timestamp>,
}

impl Controller {
    /// Something was seen.
    pub fn glimpse(&mut self, glimpse: VisionEvent) {
        match glimpse {
            VisionEvent::RecognitionEvent(sighting, _) => self.sighting(sighting),
            VisionEvent::Camera(camera) => {
                self.state.camera = camera;
                if camera == CameraState::Unavailable && self.enrolling.is_some() {
                    self.eyes.ask(VisionCommand::CancelEnrolment);
                    self.enrolment_failed(EnrolmentFailure::NoCamera);
                }
                self.publish_state();
                self.show_rest();
            }
            VisionEvent::Looking(looking) => {
                self.looking = looking;
                self.show_rest();
            }
            // The daemon's loop ends at these.
            VisionEvent::Ended | VisionEvent::Crashed => {}
        }
    }

    fn sighting(&mut self, sighting: RecognitionEvent) {
        match sighting {
            RecognitionEvent::Arrived(customer) => self.arrived(customer),
            RecognitionEvent::Left(customer) => self.left(customer),
            RecognitionEvent::NotRecognised => {
                self.offered_until = Timestamp::now().checked_add(OFFER).ok();
                self.lamp.show(LedSignal::Failed);
                self.say(EnrolmentStep::Offered);
                self.rest();
            }
            RecognitionEvent::PresentationAttackSuspected => {
                tracing::warn!("a face may be a picture that somebody holds up");
                self.state.suspected_attacks += 1;
                self.publish_state();
            }
            RecognitionEvent::LookHere => {
                self.lamp.show(LedSignal::LookHere);
                self.say(EnrolmentStep::LookHere);
            }
            RecognitionEvent::Captured { count, of } => {
                self.lamp.show(LedSignal::Capturing);
                self.say(EnrolmentStep::Captured { count, of });
            }
            RecognitionEvent::EnrolmentFailed(reason) => self.enrolment_failed(reason),
            RecognitionEvent::Enrolled { embeddings, track, resembles } => {
                self.enrolled(embeddings, track, resembles);
            }
        }
    }

    fn arrived(&mut self, id: CustomerId) {
        if self.on_request {
            self.lamp.show(LedSignal::Succeeded);
            self.rest();
        }
        let now = Timestamp::now();
        let customer = match self.vault.record_visit(id, now) {
            Ok(Some(customer)) => customer,
            // Forgotten while they came in.
            Ok(None) => return,
            Err(e) => return tracing::error!("a visit could not be kept: {e}"),
        };
        tracing::info!(customer = %id, "a customer arrived");
        self.greet(customer, VisitKind::Arrived, now);
        self.state.visits_today = self.today.came_in(id, &Zoned::now());
        self.publish_state();
    }

    /// What is shown of a customer who is here is no longer what was said when they arrived.
    pub fn changed(&mut self, id: CustomerId) {
        if !self.greeted.contains_key(&id) {
            return;
        }
        match self.vault.customer(id) {
            Ok(Some(customer)) => self.greet(customer, VisitKind::Changed, Timestamp::now()),
            Ok(None) => {}
            Err(e) => tracing::error!("a customer could not be read: {e}"),
        }
    }

    /// Says who is here, and what a display shows of them.
    fn greet(&mut self, customer: Customer, event: VisitKind, now: Timestamp) {
        let id = customer.id;
        let shown = if customer.preferences.can_show_history { self.shop.orders_shown } else { 0 };
        let orders = match self.vault.orders(id, shown) {
            Ok(orders) => orders,
            Err(e) => return tracing::error!("a customer's orders could not be read: {e}"),
        };
        for refused in &orders.rejected {
            tracing::error!("{refused}");
        }
        let limit = self.shop.recommendations_shown;
        let recommendations = self.advisor.advise(&customer, &Zoned::now(), limit);
        let who = CustomerRef { id, name: customer.name };
        self.greeted.insert(id, (who.clone(), customer.visits));
        self.publisher.publish_visit(&VisitEvent {
            id: new_event_id(),
            event,
            customer: who,
            visits: customer.visits,
            orders: orders.records.into_iter().map(OrderSummary::from).collect(),
            recommendations,
            issued: now,
            expires: self.expiry(now),
        });
    }

    pub fn left(&mut self, id: CustomerId) {
        // Whoever was forgotten or sent away was said to have left then.
        let Some((customer, visits)) = self.greeted.remove(&id) else { return };
        let now = Timestamp::now();
        tracing::info!(customer = %id, "a customer left");
        self.publisher.publish_visit(&VisitEvent {
            id: new_event_id(),
            event: VisitKind::Left,
            customer,
            visits,
            orders: Vec::new(),
            recommendations: Vec::new(),
            issued: now,
            expires: self.expiry(now),
        });
    }

    /// What the shop shows and asks was set anew.
    pub fn set_anew(&mut self, shop: Shop) {
        self.tills.set_lifetime(SignedDuration::from_mins(shop.at_till_minutes.into()));
        self.shop = shop;
        tracing::info!("[shop] was read again");
    }

    /// Nothing is asked of anybody any more.
    pub fn rest(&mut self) {
        self.state.mode = if self.on_request { Mode::Waiting } else { Mode::Watching };
        self.publish_state();
    }

    /// A customer is forgotten: nobody knows them any more, and it is said.
    pub fn forgotten(&mut self, customer: CustomerId) {
        self.eyes.ask(VisionCommand::Forget(customer));
        self.left(customer);
        self.tills.remove_customer(customer);
        self.lists.remove_customer(customer);
        self.today.forget(customer);
        self.advisor.forget(customer);
        tracing::info!(customer = %customer, "a customer was forgotten");
        self.say(EnrolmentStep::Withdrawn { customer });
        self.state.customers = self.state.customers.saturating_sub(1);
        self.publish_state();
    }

    /// Publishes what the box is doing.
    pub fn publish_state(&mut self) {
        self.state.embeddings = self.eyes.embeddings();
        self.state.rejected_commands = self.publisher.statistics().refused_commands;
        // Also where the clock was set back in between.
        let later = self.state.issued.saturating_add(SignedDuration::from_nanos(1));
        self.state.issued = Timestamp::now().max(later.unwrap_or(Timestamp::MAX));
        self.publisher.publish_state(&self.state);
    }

    /// Says what is on a customer's list now.
    pub fn say_list(&self, list: &ShoppingList) {
        let now = Timestamp::now();
        let (id, expires) = (new_event_id(), self.expiry(now));
        self.publisher.publish_list(&ListEvent { id, list: list.clone(), issued: now, expires });
    }

    pub(super) fn say(&self, step: EnrolmentStep) {
        let now = Timestamp::now();
        let expires = self.expiry(now);
        let event = EnrolmentEvent { id: new_event_id(), step, issued: now, expires };
        self.publisher.publish_enrolment(&event);
    }

    fn expiry(&self, now: Timestamp) -> Timestamp {
        let lasts = SignedDuration::from_secs(i64::from(self.shop.greeting_seconds));
        now.checked_add(lasts).unwrap_or(Timestamp::MAX)
    }

    /// What the light shows while nothing is asked of anybody. A box that looks at a face never
    /// says that it is idle.
    pub(super) fn show_rest(&self) {
        if self.enrolling.is_none() {
            self.lamp.show(match self.state.camera {
                CameraState::Unavailable => LedSignal::OutOfOrder,
                _ if self.looking => LedSignal::Capturing,
                _ => LedSignal::Idle,
            });
        }
    }

    pub fn present_customers(&self) -> Vec<CustomerId> {
        self.asked(VisionCommand::ListPresent).unwrap_or_default()
    }

    /// Asks the vision thread and waits, a frame's time at most; `None` when it has ended.
    pub(super) fn asked<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<T>) -> VisionCommand,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.eyes.ask(ask(reply));
        answer.blocking_recv().ok()
    }
}

/// The state of a box that has just started.
pub(super) fn first_state(model: ModelId, customers: u64, rejected_records: u64) -> BoxState {
    BoxState {
        mode: Mode::Waiting,
        camera: CameraState::Starting,
        model,
        customers,
        rejected_records,
        embeddings: EmbeddingCount::default(),
        suspected_attacks: 0,
        visits_today: 0,
        not_me_reports: 0,
        rejected_commands: 0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        issued: Timestamp::now(),
    }
}

fn new_event_id() -> EventId {
    EventId(Uuid::new_v4())
}
