//! Offer of an enrolment, and the acts by which a person agrees to it.
//!
//! A first press of the button and the command `enrol` only offer an enrolment. A second press agrees, or
//! a display that has shown the consent text, with a code that only this display knows.

use std::collections::VecDeque;
use std::time::Duration;

use instored_consent::{Confirmation, StoragePeriods};
use instored_domain::{
    AgreementCode, CameraState, CommandFailure, CommandResponse, ConsentMethod, ConsentText,
    EnrolmentFailure, EnrolmentOffer, EnrolmentStep, ResponseAddress,
};
use instored_panel::LedSignal;

use crate::controller::Controller;
use crate::effect::Effect;
use crate::enrolment::{CAMERA_UNAVAILABLE, ConsentAct};

/// Time after an offer in which a press of the button agrees.
pub(super) const PRESS_TIME: Duration = Duration::from_secs(15);
/// Time after a command `enrol` in which its code is valid: the person has to read the text.
const CODE_TIME: Duration = Duration::from_secs(180);
/// Maximum number of codes at a time: displays that show the text of one offer. The oldest code expires
/// first.
const CODES_MAX: usize = 8;

/// Offered enrolment.
pub(super) struct Offer {
    /// Uptime until which a press agrees.
    press_until: Duration,
    /// True if nobody at the box has acted yet: home automation sent the command. The next press is then
    /// a first one.
    needs_first_press: bool,
    /// True if the operator has confirmed that the person is not enrolled, although they resemble a
    /// customer.
    is_another_person: bool,
    /// Text that a display has shown last.
    shown: Option<ConsentText>,
}

/// Code of a display, and the text that it shows.
pub(super) struct OfferedCode {
    code: AgreementCode,
    valid_until: Duration,
    text: ConsentText,
}

/// Valid codes, in the sequence of their expiry.
#[derive(Default)]
pub(super) struct OfferedCodes(VecDeque<OfferedCode>);

impl OfferedCodes {
    fn add(&mut self, offered: OfferedCode) {
        if self.0.len() == CODES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(offered);
    }

    /// Removes a code, and returns its text if the code is valid.
    fn take(&mut self, code: AgreementCode, uptime: Duration) -> Option<ConsentText> {
        let index = self.0.iter().position(|offered| offered.code == code)?;
        let offered = self.0.remove(index)?;
        (uptime < offered.valid_until).then_some(offered.text)
    }
}

impl Controller {
    /// Offers an enrolment to the person at the button.
    pub(super) fn offer_to_person_at_button(&mut self) -> Result<(), CommandFailure> {
        self.check_can_enrol()?;
        self.offer(false);
        Ok(())
    }

    /// Offers an enrolment to a person who resembles a customer, as the operator confirms.
    pub(super) fn offer_to_another_person(&mut self) -> Result<(), CommandFailure> {
        self.check_can_enrol()?;
        self.offer(true);
        Ok(())
    }

    /// Offers an enrolment, and returns the text and a code to the display that sent the command.
    pub(super) fn offer_by_command(
        &mut self,
        language: Option<String>,
        address: Option<&ResponseAddress>,
    ) -> Result<CommandResponse, CommandFailure> {
        self.check_can_enrol()?;
        // A display requests the text of an existing offer too.
        if !self.has_offer() {
            self.offer(false);
            let needs_first_press = address.is_none();
            self.offer.iter_mut().for_each(|offer| offer.needs_first_press = needs_first_press);
        }
        let text = self.consent_text(language.as_deref());
        let code = AgreementCode(self.new_uuid());
        let expires = self.now().saturating_add(CODE_TIME).unwrap_or(self.now());
        if address.is_some() {
            let valid_until = self.readings.uptime + CODE_TIME;
            self.offered_codes.add(OfferedCode { code, valid_until, text: text.clone() });
            if let Some(offer) = &mut self.offer {
                offer.shown = Some(text.clone());
            }
        }
        Ok(CommandResponse::Offered(EnrolmentOffer { code, expires, consent: text }))
    }

    /// Starts an enrolment by the code of a display.
    pub(super) fn agree_by_command(
        &mut self,
        code: AgreementCode,
    ) -> Result<CommandResponse, CommandFailure> {
        self.check_can_enrol()?;
        let text = self.offered_codes.take(code, self.readings.uptime).ok_or_else(|| {
            CommandFailure::conflict("the code is unknown or expired; send `enrol` again")
        })?;
        let is_another_person = self.take_offer().is_some_and(|offer| offer.is_another_person);
        self.begin_enrolment(
            ConsentAct { method: ConsentMethod::Display, text },
            is_another_person,
        )?;
        Ok(CommandResponse::Enrolling {})
    }

    /// Handles a press of the button by a person who wants to enrol.
    pub(super) fn press_to_enrol(&mut self) -> Result<(), CommandFailure> {
        let offer = self.take_offer().filter(|offer| !offer.needs_first_press);
        if offer.is_none() && self.confirmation == Confirmation::SecondPressOrTouch {
            return self.offer_to_person_at_button();
        }
        let is_another_person = offer.as_ref().is_some_and(|offer| offer.is_another_person);
        let shown = offer.and_then(|offer| offer.shown);
        let text = shown.unwrap_or_else(|| self.consent_text(None));
        self.begin_enrolment(ConsentAct { method: ConsentMethod::Button, text }, is_another_person)
    }

    /// Offers an enrolment after a face was not recognised: the next press starts it.
    pub(super) fn offer_after_failed_recognition(&mut self) {
        if self.enrolment.is_none() {
            self.show(LedSignal::Failed);
            self.offer(false);
            self.set_idle();
        }
    }

    /// Returns true if a press of the button would agree.
    pub(super) fn has_offer(&self) -> bool {
        self.offer.as_ref().is_some_and(|offer| self.readings.uptime < offer.press_until)
    }

    /// Ends an expired offer, and shows the LED signal that applies without it.
    pub(super) fn end_expired_offer(&mut self) {
        if self.offer.is_some() && !self.has_offer() {
            self.offer = None;
            self.show_idle_signal();
        }
    }

    /// Ends the offer. Returns it if it was valid.
    pub(super) fn take_offer(&mut self) -> Option<Offer> {
        let is_valid = self.has_offer();
        self.offer.take().filter(|_| is_valid)
    }

    fn offer(&mut self, is_another_person: bool) {
        let press_until = self.readings.uptime + PRESS_TIME;
        self.offer =
            Some(Offer { press_until, needs_first_press: false, is_another_person, shown: None });
        self.publish_step(EnrolmentStep::Offered);
        self.show_idle_signal();
        self.effects.push(Effect::TickAfter(PRESS_TIME));
    }

    /// Returns an error, and publishes it, if nobody can enrol now.
    pub(super) fn check_can_enrol(&mut self) -> Result<(), CommandFailure> {
        if self.enrolment.is_some() {
            return Err(CommandFailure::conflict("an enrolment is in progress"));
        }
        if self.state.camera != CameraState::Streaming {
            self.fail_enrolment(EnrolmentFailure::NoCamera);
            return Err(CommandFailure::conflict(CAMERA_UNAVAILABLE));
        }
        Ok(())
    }

    /// Returns the consent text in a language, or in the language of the shop.
    fn consent_text(&self, language: Option<&str>) -> ConsentText {
        let languages: Vec<_> = language.into_iter().chain([&*self.settings.language]).collect();
        let periods = StoragePeriods {
            customer_months: self.settings.retention_months,
            order_months: self.settings.order_months,
        };
        self.consent_texts.text(&languages, periods)
    }
}
