//! Button presses, and the flow from a request to opt in to a stored enrolment.

use std::time::Duration;

use instored_domain::{
    CameraState, ClaimCode, CommandFailure, Consent, ConsentMethod, ConsentReceipt, ConsentText,
    ConsentTextHash, Customer, CustomerId, CustomerRef, Embedding, EnrolmentEvent,
    EnrolmentFailure, EnrolmentStep, Mode, TrackId,
};
use instored_panel::{ButtonEvent, LedSignal};
use jiff::{SignedDuration, Timestamp};

use crate::controller::Controller;
use crate::effect::{Effect, VisionCommand};
use crate::offer::OfferedCodes;
use crate::store::{NewCustomer, Origin, StoreError, StoreRequest, StoreResult};

/// Maximum number of attempts to find unused random codes. A second attempt is needed about once in
/// a billion enrolments.
const CODE_ATTEMPTS_MAX: u32 = 4;
/// Maximum time between `HoldAborted` and the `ShortPress` of the same release.
const RELEASE_TIME: Duration = Duration::from_secs(1);
pub(super) const CAMERA_UNAVAILABLE: &str =
    "the camera delivers no pictures; run `instored doctor`";

/// Act of consent: what the person did, and the text that they could read before.
pub(super) struct ConsentAct {
    pub method: ConsentMethod,
    pub text: ConsentText,
}

/// Enrolment in progress.
pub(super) struct Enrolment {
    consent: ConsentAct,
    /// True while the vault stores the captured views. The enrolment cannot be cancelled then.
    is_being_stored: bool,
}

impl Controller {
    /// Handles a press or a hold of the button.
    pub(super) fn handle_button_event(&mut self, event: ButtonEvent) {
        match event {
            ButtonEvent::ShortPress if self.take_aborted_hold() => {}
            ButtonEvent::ShortPress => self.handle_short_press(),
            ButtonEvent::HoldStarted => self.show(LedSignal::HoldToWithdraw),
            ButtonEvent::HoldAborted => {
                // If no customer is in view, a person who wants to enrol pressed the button for a long
                // time. The release then counts as a short press.
                self.hold_aborted = (!self.present.is_empty()).then_some(self.readings.uptime);
                self.restore_signal();
            }
            ButtonEvent::HoldCompleted => self.withdraw_present_customer(),
        }
    }

    /// Clears the hold that was aborted while a customer was in view. Returns true if this short press is its
    /// release. No press follows a hold that ended because the button was lost.
    fn take_aborted_hold(&mut self) -> bool {
        let uptime = self.readings.uptime;
        self.hold_aborted.take().is_some_and(|at| uptime.saturating_sub(at) <= RELEASE_TIME)
    }

    /// Starts recognition, or offers or starts an enrolment.
    fn handle_short_press(&mut self) {
        let result = if self.is_recognition_request() {
            self.open_recognition_window()
        } else {
            self.press_to_enrol()
        };
        if let Err(failure) = result {
            tracing::info!("a button press had no effect: {failure}");
        }
    }

    /// Returns true if a press requests recognition, and false if it requests an enrolment.
    fn is_recognition_request(&self) -> bool {
        self.is_on_request
            && self.state.customers > 0
            && !self.has_offer()
            && self.enrolment.is_none()
    }

    /// Opens the window in which faces are recognised, in the mode `on-request`.
    fn open_recognition_window(&mut self) -> Result<(), CommandFailure> {
        if self.state.camera != CameraState::Streaming {
            self.show(LedSignal::OutOfOrder);
            return Err(CommandFailure::conflict(CAMERA_UNAVAILABLE));
        }
        self.effects.push(Effect::Vision(VisionCommand::OpenRecognitionWindow));
        self.show(LedSignal::LookHere);
        self.state.mode = Mode::Watching;
        self.publish_state();
        Ok(())
    }

    /// Starts an enrolment of the person in view, who has agreed.
    pub(super) fn begin_enrolment(
        &mut self,
        consent: ConsentAct,
        is_another_person: bool,
    ) -> Result<(), CommandFailure> {
        self.check_can_enrol()?;
        self.effects.push(Effect::Vision(VisionCommand::BeginEnrolment { is_another_person }));
        self.enrolment = Some(Enrolment { consent, is_being_stored: false });
        // Another display may still show the text.
        self.offered_codes = OfferedCodes::default();
        self.state.mode = Mode::Enrolling;
        self.show(LedSignal::LookHere);
        self.publish_step(EnrolmentStep::Started);
        self.publish_state();
        Ok(())
    }

    /// Returns true while recognition captures the views of an enrolment.
    pub(super) fn is_capturing(&self) -> bool {
        self.enrolment.as_ref().is_some_and(|enrolment| !enrolment.is_being_stored)
    }

    /// Stores an enrolment whose views are complete. Drops the views if the enrolment was cancelled.
    pub(super) fn store_enrolment(
        &mut self,
        embeddings: Vec<Embedding>,
        track: TrackId,
        resembles: Option<CustomerId>,
    ) {
        let Some(enrolment) =
            self.enrolment.as_mut().filter(|enrolment| !enrolment.is_being_stored)
        else {
            return;
        };
        enrolment.is_being_stored = true;
        let (method, text) = (enrolment.consent.method, enrolment.consent.text.clone());
        let given = self.now();
        let claim_lifetime = SignedDuration::from_hours(24 * i64::from(self.settings.claim_days));
        let customer = CustomerId(self.new_uuid());
        let (receipt, claim) = (ConsentReceipt(self.new_code()), self.new_code());
        let consent = Consent {
            customer,
            given,
            method,
            box_id: self.box_id.clone(),
            text_version: self.settings.consent_text_version.clone(),
            language: text.language,
            text_hash: Some(ConsentTextHash::of(&text.text)),
            receipt,
        };
        let new = NewCustomer {
            announcement: self.announcement(&consent, claim, resembles),
            consent,
            consent_text: text.text,
            model: self.state.model.clone(),
            embeddings,
            claim,
            claim_expires: given.checked_add(claim_lifetime).unwrap_or(Timestamp::MAX),
            is_clock_confirmed: self.is_clock_confirmed(),
            attempt: 1,
            track,
            resembles,
        };
        self.store(StoreRequest::Enrol(Box::new(new)));
    }

    /// Adds a stored customer to the gallery and publishes their codes. Retries with new codes if a
    /// code is in use.
    pub(super) fn complete_enrolment(&mut self, new: NewCustomer, result: StoreResult<Customer>) {
        match result {
            Ok(customer) => self.announce_enrolment(new, &customer),
            Err(StoreError::CodeTaken) if new.attempt < CODE_ATTEMPTS_MAX => {
                let (receipt, claim) = (ConsentReceipt(self.new_code()), self.new_code());
                let consent = Consent { receipt, ..new.consent };
                let announcement = self.announcement(&consent, claim, new.resembles);
                let attempt = new.attempt + 1;
                let new = NewCustomer { consent, claim, announcement, attempt, ..new };
                self.store(StoreRequest::Enrol(Box::new(new)));
            }
            Err(error) => {
                tracing::error!("cannot store an enrolment: {error}");
                self.fail_enrolment(EnrolmentFailure::NotStored);
            }
        }
    }

    /// Returns the message with a new customer's codes.
    fn announcement(
        &mut self,
        consent: &Consent,
        claim_code: ClaimCode,
        resembles: Option<CustomerId>,
    ) -> EnrolmentEvent {
        let step = EnrolmentStep::Done {
            customer: CustomerRef { id: consent.customer, name: None },
            claim_code,
            receipt: consent.receipt,
            resembles_another: resembles.is_some(),
        };
        EnrolmentEvent::stored(self.new_event_id(), step, self.now())
    }

    fn announce_enrolment(&mut self, new: NewCustomer, customer: &Customer) {
        let NewCustomer { embeddings: templates, track, resembles, .. } = new;
        let id = customer.id;
        self.retention.update(customer);
        let track = Some(track);
        let command = VisionCommand::AddCustomer { customer: id, templates, track };
        self.effects.push(Effect::Vision(command));
        self.enrolment = None;
        self.show(LedSignal::Succeeded);
        tracing::info!("a customer enrolled");
        tracing::debug!(customer = %id, "enrolled");
        if let Some(similar) = resembles {
            tracing::warn!(
                "the new customer resembles another customer; both are greeted only if recognition \
                 is unambiguous. If both are the same person, delete one of them: find the ids with \
                 `instored customers list`"
            );
            tracing::debug!(customer = %id, resembles = %similar, "resembles");
        }
        self.read_outbox();
        self.state.customers += 1;
        self.set_idle();
        self.show_idle_signal();
    }

    /// Ends a failed enrolment and publishes the reason.
    pub(super) fn fail_enrolment(&mut self, reason: EnrolmentFailure) {
        self.enrolment = None;
        self.show(LedSignal::Failed);
        self.publish_step(EnrolmentStep::Failed { reason });
        self.set_idle();
        self.show_idle_signal();
    }

    /// Deletes the customer in view, who has held the button.
    fn withdraw_present_customer(&mut self) {
        // If several customers are in view, the customer at the button is unknown.
        if let [customer] = *self.present {
            self.forget(customer, Origin::Button);
        } else {
            self.show(LedSignal::Failed);
            self.restore_signal();
        }
    }

    fn new_code(&mut self) -> ClaimCode {
        // A code uses the low five bits of each byte. These bits are random in the last eight bytes of
        // a version 4 UUID.
        let (_, bits) = self.new_uuid().as_u64_pair();
        ClaimCode::from_random(bits.to_be_bytes())
    }
}
