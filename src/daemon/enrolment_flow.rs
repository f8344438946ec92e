//! How somebody opts in at the desk, and asks to be known or forgotten there: by the button, or by a
//! command in its place.

use instored_domain::{
    CameraState, ClaimCode, CommandFailure, CommandFailureCode, Consent, ConsentMethod,
    ConsentReceipt, CustomerId, CustomerRef, Embedding, EnrolmentFailure, EnrolmentStep, Mode,
};
use instored_panel::{ButtonEvent, LedSignal};
use instored_vault::{Actor, NewEnrolment, VaultError};
use instored_vision::TrackId;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::controller::Controller;
use super::vision_worker::VisionCommand;

const NO_PICTURES: &str = "the camera delivers no pictures";
/// Draws of a claim code until one is free; more than one is needed once in a billion enrolments.
const DRAWS: usize = 4;

impl Controller {
    /// Somebody pressed the button.
    pub fn press(&mut self, press: ButtonEvent) {
        match press {
            ButtonEvent::HoldStarted => self.lamp.show(LedSignal::HoldToWithdraw),
            ButtonEvent::HoldAborted => {
                self.let_go = !self.present_customers().is_empty();
                self.show_rest();
            }
            ButtonEvent::ShortPress if std::mem::take(&mut self.let_go) => {}
            ButtonEvent::ShortPress => {
                let outcome = if self.asks_to_be_recognised() {
                    self.open_window()
                } else {
                    self.begin_enrolment(ConsentMethod::Button, None, false)
                };
                if let Err(refusal) = outcome {
                    tracing::info!("{refusal}");
                }
            }
            ButtonEvent::HoldCompleted => {
                let signal = match *self.present_customers() {
                    // Only who is alone and known can mean themselves.
                    [customer] => match self.forget(customer, Actor::Button) {
                        Ok(_) => LedSignal::Succeeded,
                        Err(refusal) => {
                            tracing::error!("{refusal}");
                            LedSignal::Failed
                        }
                    },
                    _ => LedSignal::Failed,
                };
                self.lamp.show(signal);
                self.show_rest();
            }
        }
    }

    /// Whether a press means "do you know me?", and not "I want to opt in".
    fn asks_to_be_recognised(&mut self) -> bool {
        let offered = self.offered_until.take().is_some_and(|until| Timestamp::now() < until);
        self.on_request && self.state.customers > 0 && !offered && self.enrolling.is_none()
    }

    fn open_window(&mut self) -> Result<(), CommandFailure> {
        if self.state.camera != CameraState::Streaming {
            self.lamp.show(LedSignal::OutOfOrder);
            return Err(CommandFailure::new(CommandFailureCode::Conflict, NO_PICTURES));
        }
        if !self.asked(VisionCommand::OpenWindow).unwrap_or(false) {
            return Err(CommandFailure::new(
                CommandFailureCode::Conflict,
                "faces are being looked at already",
            ));
        }
        self.lamp.show(LedSignal::LookHere);
        self.state.mode = Mode::Watching;
        self.publish_state();
        Ok(())
    }

    pub fn begin_enrolment(
        &mut self,
        method: ConsentMethod,
        language: Option<String>,
        another_person: bool,
    ) -> Result<(), CommandFailure> {
        if self.state.camera != CameraState::Streaming {
            self.say(EnrolmentStep::Started);
            self.enrolment_failed(EnrolmentFailure::NoCamera);
            return Err(CommandFailure::new(CommandFailureCode::Conflict, NO_PICTURES));
        }
        let begin = |reply| VisionCommand::BeginEnrolment { another_person, reply };
        if self.enrolling.is_some() || !self.asked(begin).unwrap_or(false) {
            return Err(CommandFailure::new(
                CommandFailureCode::Conflict,
                "an enrolment is under way",
            ));
        }
        self.enrolling = Some((method, language.unwrap_or_else(|| self.shop.language.clone())));
        self.state.mode = Mode::Enrolling;
        self.lamp.show(LedSignal::LookHere);
        self.say(EnrolmentStep::Started);
        self.publish_state();
        Ok(())
    }

    pub(super) fn enrolled(
        &mut self,
        embeddings: Vec<Embedding>,
        track: TrackId,
        resembles: Option<CustomerId>,
    ) {
        let Some((method, language)) = self.enrolling.clone() else { return };
        let now = Timestamp::now();
        let mut consent = Consent {
            customer: CustomerId(Uuid::new_v4()),
            given: now,
            method,
            box_id: self.box_id.clone(),
            text_version: self.shop.consent_text_version.clone(),
            language,
            receipt: ConsentReceipt(random_code()),
        };
        let days = SignedDuration::from_hours(24 * i64::from(self.shop.claim_days));
        let claim_expires = now.checked_add(days).unwrap_or(Timestamp::MAX);
        let model = self.state.model.clone();
        let stored = (0..DRAWS).find_map(|draw| {
            let claim = random_code();
            consent.receipt = ConsentReceipt(random_code());
            let new = NewEnrolment {
                consent: &consent,
                model: &model,
                embeddings: &embeddings,
                claim,
                claim_expires,
            };
            match self.vault.enrol(&new) {
                Err(VaultError::CodeTaken) if draw + 1 < DRAWS => None,
                result => Some(result.map(|customer| (customer, claim))),
            }
        });
        match stored {
            Some(Ok((customer, claim_code))) => {
                let id = customer.id;
                self.eyes.ask(VisionCommand::Admit {
                    customer: id,
                    templates: embeddings,
                    track: Some(track),
                });
                self.enrolling = None;
                self.lamp.show(LedSignal::Succeeded);
                tracing::info!(customer = %id, "a customer enrolled");
                if let Some(other) = resembles {
                    tracing::warn!(
                        customer = %id, resembles = %other,
                        "two customers look much alike: they are greeted only where there is no \
                         doubt; if they are one person, forget one of the two"
                    );
                }
                let customer = CustomerRef { id, name: customer.name };
                let resembles_another = resembles.is_some();
                let receipt = consent.receipt;
                self.say(EnrolmentStep::Done { customer, claim_code, receipt, resembles_another });
                self.state.customers += 1;
                self.rest();
                self.show_rest();
            }
            Some(Err(e)) => {
                tracing::error!("an enrolment could not be kept: {e}");
                self.enrolment_failed(EnrolmentFailure::NotStored);
            }
            None => self.enrolment_failed(EnrolmentFailure::NotStored),
        }
    }

    pub(super) fn enrolment_failed(&mut self, reason: EnrolmentFailure) {
        self.enrolling = None;
        self.lamp.show(LedSignal::Failed);
        self.say(EnrolmentStep::Failed { reason });
        self.rest();
        self.show_rest();
    }
}

fn random_code() -> ClaimCode {
    // A code takes the low five bits of each byte; all those of a version 4 UUID's last
    // eight bytes are random.
    let (_, bits) = Uuid::new_v4().as_u64_pair();
    ClaimCode::from_random(bits.to_be_bytes())
}
