//! The one place where what was seen, pressed and asked is turned into what is kept and said.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::eyes::{Ask, Eyes, Glimpse};
use super::front::Lamp;
use super::operator::{self, Request, Response, found, internal};
use crate::bus::Publisher;
use crate::config::Shop;
use crate::domain::{
    Answer, BoxId, BoxState, Buyer, CameraState, ClaimCode, Command, Consent, ConsentMethod,
    CustomerId, CustomerRef, Embedding, EnrolmentEvent, EnrolmentFailure, EnrolmentStep, EventId,
    Mode, ModelId, OrderSummary, Refusal, RefusalCode, TillOrder, VisitEvent, VisitKind,
};
use crate::panel::{Press, Signal};
use crate::recognition::Sighting;
use crate::recommend::recommend;
use crate::vault::{NewEnrolment, OrderAdded, Vault};
use crate::vision::TrackId;

/// Orders that a recommendation looks back on.
const HISTORY: usize = 500;
/// Draws of a claim code until one is free; more than one is needed once in a billion enrolments.
const DRAWS: usize = 4;

/// Owned by the daemon's loop; does one thing at a time. Its methods wait for the disk and for the
/// vision thread.
pub(super) struct Desk {
    pub vault: Arc<Vault>,
    pub publisher: Publisher,
    pub eyes: Eyes,
    pub lamp: Lamp,
    pub shop: Shop,
    pub box_id: BoxId,
    pub state: BoxState,
    /// Who was greeted and has not left.
    pub greeted: HashMap<CustomerId, (CustomerRef, u64)>,
    /// How the enrolment under way was asked for, and in which language.
    pub enrolling: Option<(ConsentMethod, String)>,
    /// The press that follows was held for a while and let go: it stops a withdrawal.
    pub let_go: bool,
}

impl Desk {
    /// Something was seen.
    pub fn glimpse(&mut self, glimpse: Glimpse) {
        match glimpse {
            Glimpse::Sighting(sighting) => self.sighting(sighting),
            Glimpse::Camera(camera) => {
                self.state.camera = camera;
                if camera == CameraState::Trouble && self.enrolling.is_some() {
                    self.eyes.ask(Ask::CancelEnrolment);
                    self.enrolment_failed(EnrolmentFailure::NoCamera);
                }
                self.publish_state();
                self.show_rest(false);
            }
            Glimpse::Looking(looking) => self.show_rest(looking),
            // The daemon's loop ends at these.
            Glimpse::Ended | Glimpse::Blind => {}
        }
    }

    fn sighting(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Arrived(customer) => self.arrived(customer),
            Sighting::Left(customer) => self.left(customer),
            Sighting::LookHere => {
                self.lamp.show(Signal::LookHere);
                self.say(EnrolmentStep::LookHere);
            }
            Sighting::Captured { count, of } => {
                self.lamp.show(Signal::Working);
                self.say(EnrolmentStep::Captured { count, of });
            }
            Sighting::EnrolmentFailed(reason) => self.enrolment_failed(reason),
            Sighting::Enrolled { embeddings, track } => self.enrolled(embeddings, track),
        }
    }

    fn arrived(&mut self, id: CustomerId) {
        let now = Timestamp::now();
        let greeting = self.vault.record_visit(id, now).and_then(|customer| {
            let Some(customer) = customer else { return Ok(None) };
            Ok(Some((customer, self.vault.orders(id, HISTORY)?)))
        });
        let (customer, orders) = match greeting {
            Ok(Some(greeting)) => greeting,
            // Forgotten while they came in.
            Ok(None) => return,
            Err(e) => return tracing::error!("a visit could not be kept: {e}"),
        };
        for refused in &orders.refused {
            tracing::error!("{refused}");
        }
        let recommendations = recommend(&orders.good, now, self.shop.recommendations_shown);
        let shown = orders.good.into_iter().take(self.shop.orders_shown);
        let who = CustomerRef { id, name: customer.name };
        self.greeted.insert(id, (who.clone(), customer.visits));
        tracing::info!(customer = %id, "a customer arrived");
        self.publisher.visit(&VisitEvent {
            id: new_event_id(),
            event: VisitKind::Arrived,
            customer: who,
            visits: customer.visits,
            orders: shown
                .map(|o| OrderSummary {
                    id: o.id,
                    placed: o.placed,
                    currency: o.currency,
                    total: o.total,
                    lines: o.lines,
                })
                .collect(),
            recommendations,
            issued: now,
            expires: self.expiry(now),
        });
    }

    fn left(&mut self, id: CustomerId) {
        // Whoever was forgotten or sent away was said to have left then.
        let Some((customer, visits)) = self.greeted.remove(&id) else { return };
        let now = Timestamp::now();
        tracing::info!(customer = %id, "a customer left");
        self.publisher.visit(&VisitEvent {
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

    fn enrolled(&mut self, embeddings: Vec<Embedding>, track: TrackId) {
        let Some((how, language)) = self.enrolling.clone() else { return };
        let now = Timestamp::now();
        let consent = Consent {
            customer: CustomerId(Uuid::new_v4()),
            given: now,
            how,
            box_id: self.box_id.clone(),
            text_version: self.shop.consent_text_version.clone(),
            language,
        };
        let days = SignedDuration::from_hours(24 * i64::from(self.shop.claim_days));
        let claim_expires = now.checked_add(days).unwrap_or(Timestamp::MAX);
        let model = self.state.model.clone();
        let stored = (0..DRAWS).find_map(|draw| {
            let claim = random_claim();
            let new = NewEnrolment {
                consent: &consent,
                model: &model,
                embeddings: &embeddings,
                claim,
                claim_expires,
            };
            match self.vault.enrol(&new) {
                Err(crate::vault::VaultError::ClaimTaken) if draw + 1 < DRAWS => None,
                result => Some(result.map(|customer| (customer, claim))),
            }
        });
        match stored {
            Some(Ok((customer, claim_code))) => {
                let id = customer.id;
                self.eyes.ask(Ask::Admit {
                    customer: id,
                    templates: embeddings,
                    track: Some(track),
                });
                self.enrolling = None;
                self.lamp.show(Signal::Done);
                tracing::info!(customer = %id, "a customer enrolled");
                let customer = CustomerRef { id, name: customer.name };
                self.say(EnrolmentStep::Done { customer, claim_code });
                self.state.customers += 1;
                self.state.mode = Mode::Watching;
                self.publish_state();
                self.show_rest(true);
            }
            Some(Err(e)) => {
                tracing::error!("an enrolment could not be kept: {e}");
                self.enrolment_failed(EnrolmentFailure::NotStored);
            }
            None => self.enrolment_failed(EnrolmentFailure::NotStored),
        }
    }

    fn enrolment_failed(&mut self, reason: EnrolmentFailure) {
        self.enrolling = None;
        self.lamp.show(Signal::No);
        self.say(EnrolmentStep::Failed { reason });
        self.state.mode = Mode::Watching;
        self.publish_state();
        self.show_rest(false);
    }

    /// Somebody pressed the button.
    pub fn press(&mut self, press: Press) {
        match press {
            Press::Holding => self.lamp.show(Signal::Withdrawing),
            Press::Cancelled => {
                self.let_go = !self.who_is_here().is_empty();
                self.show_rest(true);
            }
            Press::Short if std::mem::take(&mut self.let_go) => {}
            Press::Short => {
                if let Err(refusal) = self.begin_enrolment(ConsentMethod::Button, None) {
                    tracing::info!("{refusal}");
                }
            }
            Press::Held => match *self.who_is_here() {
                // Only who is alone and known can mean themselves.
                [customer] => match self.forget(customer) {
                    Ok(_) => self.lamp.show(Signal::Done),
                    Err(refusal) => {
                        tracing::error!("{refusal}");
                        self.lamp.show(Signal::No);
                    }
                },
                _ => self.lamp.show(Signal::No),
            },
        }
    }

    fn begin_enrolment(
        &mut self,
        how: ConsentMethod,
        language: Option<String>,
    ) -> Result<(), Refusal> {
        if self.state.camera != CameraState::Streaming {
            self.say(EnrolmentStep::Started);
            self.enrolment_failed(EnrolmentFailure::NoCamera);
            return Err(Refusal::new(RefusalCode::Conflict, "the camera delivers no pictures"));
        }
        if self.enrolling.is_some() || !self.asked(Ask::BeginEnrolment).unwrap_or(false) {
            return Err(Refusal::new(RefusalCode::Conflict, "an enrolment is under way"));
        }
        self.enrolling = Some((how, language.unwrap_or_else(|| self.shop.language.clone())));
        self.state.mode = Mode::Enrolling;
        self.lamp.show(Signal::LookHere);
        self.say(EnrolmentStep::Started);
        self.publish_state();
        Ok(())
    }

    /// A till, a display or the home automation asks.
    pub fn command(&mut self, command: Command) -> Result<Answer, Refusal> {
        Ok(match command {
            Command::Present {} => {
                let here = self.who_is_here().into_iter();
                let known = here.map(|id| self.vault.customer(id).map_err(internal));
                let known = known.collect::<Result<Vec<_>, _>>()?;
                let name = |c: crate::domain::Customer| CustomerRef { id: c.id, name: c.name };
                Answer::Present(known.into_iter().flatten().map(name).collect())
            }
            Command::Enrol { language } => {
                self.begin_enrolment(ConsentMethod::Command, language)?;
                Answer::Enrolling {}
            }
            Command::Forget { customer } => {
                self.forget(customer)?;
                Answer::Forgotten(customer)
            }
            Command::NotMe { customer } => {
                if !self.greeted.contains_key(&customer) {
                    let message = format!("no customer {customer} is being greeted");
                    return Err(Refusal::new(RefusalCode::NotFound, message));
                }
                self.eyes.ask(Ask::Dismiss(customer));
                self.left(customer);
                Answer::Dismissed(customer)
            }
            Command::Rename { customer, name } => {
                let customer = found(customer, self.vault.rename(customer, name))?;
                let who = CustomerRef { id: customer.id, name: customer.name };
                if let Some((greeted, _)) = self.greeted.get_mut(&customer.id) {
                    *greeted = who.clone();
                }
                Answer::Renamed(who)
            }
            Command::Order { buyer, order } => self.order(&buyer, order)?,
        })
    }

    fn order(&mut self, buyer: &Buyer, order: TillOrder) -> Result<Answer, Refusal> {
        let now = Timestamp::now();
        let customer = match buyer {
            Buyer::Customer(customer) => *customer,
            Buyer::ClaimCode(code) => {
                self.vault.claim(code, now).map_err(internal)?.ok_or_else(|| {
                    Refusal::new(RefusalCode::NotFound, "this claim code names nobody (any more)")
                })?
            }
        };
        let order = order.of(customer);
        order.check(now).map_err(|e| Refusal::new(RefusalCode::Malformed, e.to_string()))?;
        match self.vault.add_order(&order).map_err(internal)? {
            OrderAdded::Added => Ok(Answer::Order { id: order.id, added: true }),
            OrderAdded::AlreadyKnown => Ok(Answer::Order { id: order.id, added: false }),
            OrderAdded::Conflict => Err(Refusal::new(
                RefusalCode::Conflict,
                format!("order {} is known with other content", order.id),
            )),
            OrderAdded::NoSuchCustomer => found(customer, Ok(None)),
        }
    }

    /// The operator asks by the command line.
    pub fn operator(&mut self, request: Request) -> Result<Response, Refusal> {
        match request {
            Request::Forget { customer } => self.forget(customer),
            request => operator::answer(&self.vault, request, Timestamp::now()),
        }
    }

    /// Forgets a customer everywhere, and only then says so.
    fn forget(&mut self, customer: CustomerId) -> Result<Response, Refusal> {
        let response =
            operator::answer(&self.vault, Request::Forget { customer }, Timestamp::now())?;
        self.eyes.ask(Ask::Forget(customer));
        self.left(customer);
        tracing::info!(customer = %customer, "a customer withdrew");
        self.say(EnrolmentStep::Withdrawn { customer });
        self.state.customers = self.state.customers.saturating_sub(1);
        self.publish_state();
        Ok(response)
    }

    /// Publishes what the box is doing.
    pub fn publish_state(&self) {
        self.publisher.state(&self.state);
    }

    fn say(&self, step: EnrolmentStep) {
        let now = Timestamp::now();
        let expires = self.expiry(now);
        let event = EnrolmentEvent { id: new_event_id(), step, issued: now, expires };
        self.publisher.enrolment(&event);
    }

    fn expiry(&self, now: Timestamp) -> Timestamp {
        let lasts = SignedDuration::from_secs(i64::from(self.shop.greeting_seconds));
        now.checked_add(lasts).unwrap_or(Timestamp::MAX)
    }

    /// What the light shows while nothing is asked of anybody. A box that looks at a face never
    /// says that it is idle.
    fn show_rest(&self, looking: bool) {
        if self.enrolling.is_none() {
            self.lamp.show(match self.state.camera {
                CameraState::Trouble => Signal::Trouble,
                _ if looking => Signal::Working,
                _ => Signal::Idle,
            });
        }
    }

    fn who_is_here(&self) -> Vec<CustomerId> {
        self.asked(Ask::WhoIsHere).unwrap_or_default()
    }

    /// Asks the vision thread and waits, a frame's time at most; `None` when it has ended.
    fn asked<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.eyes.ask(ask(reply));
        answer.blocking_recv().ok()
    }
}

/// The state of a box that has just started.
pub(super) fn first_state(model: ModelId, customers: u64, refused_templates: u64) -> BoxState {
    BoxState {
        mode: Mode::Watching,
        camera: CameraState::Starting,
        model,
        customers,
        refused_templates,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn new_event_id() -> EventId {
    EventId(Uuid::new_v4())
}

fn random_claim() -> ClaimCode {
    // A claim code takes the low five bits of each byte; all those of a version 4 UUID's last
    // eight bytes are random.
    let (_, bits) = Uuid::new_v4().as_u64_pair();
    ClaimCode::from_random(bits.to_be_bytes())
}
