//! Button presses, and the flow from a request to opt in to a stored enrolment.

use instored_domain::{
    CameraState, ClaimCode, CommandFailure, CommandFailureCode, Consent, ConsentMethod,
    ConsentReceipt, Customer, CustomerId, CustomerRef, Embedding, EnrolmentFailure, EnrolmentStep,
    Mode,
};
use instored_panel::{ButtonEvent, LedSignal};
use instored_vault::{Actor, NewEnrolment, VaultError};
use instored_vision::TrackId;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::controller::{Controller, EnrolmentRequest};
use super::outbox::stored_step;
use super::vision_worker::VisionCommand;

/// Time for which a press starts an enrolment, after a face was not recognised.
const ENROLMENT_OFFER_DURATION: SignedDuration = SignedDuration::from_secs(15);
/// Maximum number of attempts to find unused random codes. A second attempt is needed about once in
/// a billion enrolments.
const CODE_ATTEMPTS_MAX: usize = 4;
const CAMERA_UNAVAILABLE: &str = "the camera delivers no pictures; run `instored doctor`";

impl Controller {
    /// Handles a press or a hold of the button.
    pub fn handle_button_event(&mut self, event: ButtonEvent) {
        match event {
            ButtonEvent::ShortPress if std::mem::take(&mut self.is_hold_aborted) => {}
            ButtonEvent::ShortPress => self.handle_short_press(),
            ButtonEvent::HoldStarted => self.led.show(LedSignal::HoldToWithdraw),
            ButtonEvent::HoldAborted => {
                // If no customer is in view, a new customer pressed the button for a long time. The
                // release then counts as a short press.
                self.is_hold_aborted = !self.present_customers().is_empty();
                self.show_idle_signal();
            }
            ButtonEvent::HoldCompleted => self.withdraw_present_customer(),
        }
    }

    /// Starts recognition or an enrolment.
    fn handle_short_press(&mut self) {
        let result = if self.is_recognition_request() {
            self.open_recognition_window()
        } else {
            self.begin_enrolment(ConsentMethod::Button, None, false)
        };
        if let Err(failure) = result {
            tracing::info!("button press ignored: {failure}");
        }
    }

    /// Returns true if a press requests recognition, and false if it requests an enrolment. Ends an
    /// offer of an enrolment.
    fn is_recognition_request(&mut self) -> bool {
        let expires = self.enrolment_offer_expires.take();
        let has_offer = expires.is_some_and(|expires| Timestamp::now() < expires);
        self.is_on_request && self.state.customers > 0 && !has_offer && self.enrolment.is_none()
    }

    /// Opens the window in which faces are recognised, in the mode `on-request`.
    fn open_recognition_window(&mut self) -> Result<(), CommandFailure> {
        if self.state.camera != CameraState::Streaming {
            self.led.show(LedSignal::OutOfOrder);
            return Err(conflict_failure(CAMERA_UNAVAILABLE));
        }
        if !self.vision.request(VisionCommand::OpenRecognitionWindow).unwrap_or(false) {
            return Err(conflict_failure("recognition is already running"));
        }
        self.led.show(LedSignal::LookHere);
        self.state.mode = Mode::Watching;
        self.publish_state();
        Ok(())
    }

    /// Invites a person who was not recognised to opt in by another press.
    pub fn offer_enrolment(&mut self) {
        self.enrolment_offer_expires = Timestamp::now().checked_add(ENROLMENT_OFFER_DURATION).ok();
        self.led.show(LedSignal::Failed);
        self.publish_step(EnrolmentStep::Offered);
        self.set_idle();
    }

    /// Starts an enrolment of the person in view.
    pub fn begin_enrolment(
        &mut self,
        method: ConsentMethod,
        language: Option<String>,
        is_another_person: bool,
    ) -> Result<(), CommandFailure> {
        if self.state.camera != CameraState::Streaming {
            self.publish_step(EnrolmentStep::Started);
            self.fail_enrolment(EnrolmentFailure::NoCamera);
            return Err(conflict_failure(CAMERA_UNAVAILABLE));
        }
        let begin = |responder| VisionCommand::BeginEnrolment { is_another_person, responder };
        if self.enrolment.is_some() || !self.vision.request(begin).unwrap_or(false) {
            return Err(conflict_failure("an enrolment is in progress"));
        }
        let language = language.unwrap_or_else(|| self.shop.language.clone());
        self.enrolment = Some(EnrolmentRequest { method, language });
        self.state.mode = Mode::Enrolling;
        self.led.show(LedSignal::LookHere);
        self.publish_step(EnrolmentStep::Started);
        self.publish_state();
        Ok(())
    }

    /// Stores an enrolment whose views are complete and publishes the result.
    pub fn complete_enrolment(
        &mut self,
        embeddings: Vec<Embedding>,
        track: TrackId,
        resembles: Option<CustomerId>,
    ) {
        let Some(request) = self.enrolment.clone() else { return };
        match self.store_enrolment(request, &embeddings, resembles.is_some()) {
            Ok(stored) => self.announce_enrolment(stored, embeddings, track, resembles),
            Err(error) => {
                tracing::error!("cannot store an enrolment: {error}");
                self.fail_enrolment(EnrolmentFailure::NotStored);
            }
        }
    }

    /// Stores consent, templates and the message with the codes. Retries with new codes if a code is
    /// already in use.
    fn store_enrolment(
        &self,
        request: EnrolmentRequest,
        embeddings: &[Embedding],
        resembles_another: bool,
    ) -> Result<Customer, VaultError> {
        let now = Timestamp::now();
        let claim_lifetime = SignedDuration::from_hours(24 * i64::from(self.shop.claim_days));
        let mut consent = Consent {
            customer: CustomerId(Uuid::new_v4()),
            given: now,
            method: request.method,
            box_id: self.box_id.clone(),
            text_version: self.shop.consent_text_version.clone(),
            language: request.language,
            receipt: ConsentReceipt(random_code()),
        };
        let mut attempt = 1;
        loop {
            let claim_code = random_code();
            let announcement = stored_step(
                &self.box_id,
                EnrolmentStep::Done {
                    customer: CustomerRef { id: consent.customer, name: None },
                    claim_code,
                    receipt: consent.receipt,
                    resembles_another,
                },
            );
            let announcement = announcement.map_err(|e| VaultError::Encode(e.to_string()))?;
            let stored = self.vault.enrol(&NewEnrolment {
                consent: &consent,
                model: &self.state.model,
                embeddings,
                claim: claim_code,
                claim_expires: now.checked_add(claim_lifetime).unwrap_or(Timestamp::MAX),
                announcement: &announcement,
            });
            match stored {
                Err(VaultError::CodeTaken) if attempt < CODE_ATTEMPTS_MAX => {
                    attempt += 1;
                    consent.receipt = ConsentReceipt(random_code());
                }
                stored => return stored,
            }
        }
    }

    /// Adds the new customer to the gallery and publishes their codes.
    fn announce_enrolment(
        &mut self,
        customer: Customer,
        templates: Vec<Embedding>,
        track: TrackId,
        resembles: Option<CustomerId>,
    ) {
        self.retention.update(&customer);
        self.vision.send(VisionCommand::AddCustomer {
            customer: customer.id,
            templates,
            track: Some(track),
        });
        self.enrolment = None;
        self.led.show(LedSignal::Succeeded);
        tracing::info!("a customer enrolled");
        tracing::debug!(customer = %customer.id, "enrolled");
        if let Some(similar) = resembles {
            tracing::warn!(
                "the new customer resembles another customer; both are greeted only if recognition \
                 is unambiguous. If both are the same person, delete one of them: find the ids with \
                 `instored customers list`"
            );
            tracing::debug!(customer = %customer.id, resembles = %similar, "resembles");
        }
        self.send_outbox();
        self.state.customers += 1;
        self.set_idle();
        self.show_idle_signal();
    }

    /// Ends a failed enrolment and publishes the reason.
    pub fn fail_enrolment(&mut self, reason: EnrolmentFailure) {
        self.enrolment = None;
        self.led.show(LedSignal::Failed);
        self.publish_step(EnrolmentStep::Failed { reason });
        self.set_idle();
        self.show_idle_signal();
    }

    /// Deletes the customer in view, who has held the button.
    fn withdraw_present_customer(&mut self) {
        let signal = match *self.present_customers() {
            // If several customers are in view, the customer at the button is unknown.
            [customer] => match self.forget(customer, Actor::Button) {
                Ok(_) => LedSignal::Succeeded,
                Err(failure) => {
                    tracing::error!("cannot delete the customer who held the button: {failure}");
                    LedSignal::Failed
                }
            },
            _ => LedSignal::Failed,
        };
        self.led.show(signal);
        self.show_idle_signal();
    }
}

/// Returns the failure of a request that conflicts with the current state.
fn conflict_failure(message: &str) -> CommandFailure {
    CommandFailure::new(CommandFailureCode::Conflict, message)
}

/// Returns a random code.
fn random_code() -> ClaimCode {
    // A code uses the low five bits of each byte. These bits are random in the last eight bytes of
    // a version 4 UUID.
    let (_, bits) = Uuid::new_v4().as_u64_pair();
    ClaimCode::from_random(bits.to_be_bytes())
}
