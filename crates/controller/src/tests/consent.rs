//! Tests of offers and of the acts by which a person agrees.

use instored_domain::{
    AgreementCode, CommandFailureCode, ConsentMethod, ConsentTextHash, EnrolmentOffer,
};
use instored_panel::LedSignal;

use super::*;
use crate::offer::PRESS_TIME;

impl Fixture {
    /// Sends `enrol` as a display does, and returns the offer.
    fn request_offer(&mut self, language: &str) -> EnrolmentOffer {
        let response = self.send(Command::Enrol { language: Some(language.into()) });
        let Ok(CommandResponse::Offered(offer)) = response else { panic!("{response:?}") };
        offer
    }

    fn agree(&mut self, code: AgreementCode) -> Result<CommandResponse, CommandFailure> {
        self.send(Command::Agree { code })
    }

    fn is_enrolling(&self) -> bool {
        self.controller.state().mode == instored_domain::Mode::Enrolling
    }
}

/// Returns the published steps of enrolments.
fn steps(effects: &[Effect]) -> Vec<EnrolmentStep> {
    let step = |effect: &Effect| match effect {
        Effect::Publish(Message::Enrolment(event)) => Some(event.step.clone()),
        _ => None,
    };
    effects.iter().filter_map(step).collect()
}

fn shows(effects: &[Effect], signal: LedSignal) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Show(shown) if *shown == signal))
}

#[test]
fn first_press_offers_and_second_press_starts() {
    let mut fixture = Fixture::new();
    let effects = fixture.press();
    assert_eq!(steps(&effects), [EnrolmentStep::Offered]);
    assert!(shows(&effects, LedSignal::Offered));
    assert!(!fixture.is_enrolling());
    fixture.uptime += PRESS_TIME - Duration::from_millis(1);
    assert_eq!(steps(&fixture.press()), [EnrolmentStep::Started]);
    assert!(fixture.is_enrolling());
}

#[test]
fn press_after_the_offer_expired_offers_again() {
    let mut fixture = Fixture::new();
    fixture.press();
    fixture.uptime += PRESS_TIME;
    let effects = fixture.handle(Event::Tick);
    assert!(shows(&effects, LedSignal::Idle));
    assert_eq!(steps(&fixture.press()), [EnrolmentStep::Offered]);
    assert!(!fixture.is_enrolling());
}

#[test]
fn command_without_agreement_enrols_nobody() {
    let mut fixture = Fixture::new();
    for _ in 0..3 {
        fixture.request_offer("de");
        let command = Command::Enrol { language: None };
        fixture.handle(Event::Command { command, address: None });
    }
    assert!(!fixture.is_enrolling());
    let error = fixture.agree(AgreementCode(Uuid::from_u128(99))).unwrap_err();
    assert_eq!(error.code, CommandFailureCode::Conflict);
    assert!(!fixture.is_enrolling());
}

#[test]
fn press_after_a_command_of_home_automation_is_a_first_press() {
    let mut fixture = Fixture::new();
    let command = Command::Enrol { language: None };
    fixture.handle(Event::Command { command, address: None });
    assert_eq!(steps(&fixture.press()), [EnrolmentStep::Offered]);
    assert_eq!(steps(&fixture.press()), [EnrolmentStep::Started]);
    fixture.recognise(RecognitionEvent::EnrolmentFailed(EnrolmentFailure::TimedOut));
    // A display shows the text, and the person touched it.
    fixture.request_offer("de");
    assert_eq!(steps(&fixture.press()), [EnrolmentStep::Started]);
}

#[test]
fn code_of_a_display_starts_one_enrolment() {
    let mut fixture = Fixture::new();
    let (first, second) = (fixture.request_offer("de"), fixture.request_offer("fr"));
    assert_eq!(fixture.agree(first.code), Ok(CommandResponse::Enrolling {}));
    assert!(fixture.is_enrolling());
    fixture.recognise(RecognitionEvent::EnrolmentFailed(EnrolmentFailure::TimedOut));
    for code in [first.code, second.code] {
        assert!(fixture.agree(code).is_err());
    }
    assert!(!fixture.is_enrolling());
}

#[test]
fn code_of_a_display_expires() {
    let mut fixture = Fixture::new();
    let offer = fixture.request_offer("de");
    let lifetime = offer.expires.duration_since(fixture.now);
    // The clock does not decide.
    fixture.now -= SignedDuration::from_hours(24);
    fixture.uptime += lifetime.unsigned_abs();
    assert!(fixture.agree(offer.code).is_err());
}

#[test]
fn consent_records_act_language_and_text() {
    let mut fixture = Fixture::new();
    let new = fixture.capture();
    let expected = (ConsentMethod::Button, "en", Some(ConsentTextHash::of(&new.consent_text)));
    let consent = &new.consent;
    assert_eq!((consent.method, &*consent.language, consent.text_hash), expected);

    let mut fixture = Fixture::new();
    let offer = fixture.request_offer("de-AT");
    assert_eq!(offer.consent.language, "de");
    fixture.agree(offer.code).unwrap();
    let new = fixture.captured();
    assert_eq!(new.consent_text, offer.consent.text);
    let consent = &new.consent;
    let expected = (ConsentMethod::Display, "de", Some(offer.consent.hash()));
    assert_eq!((consent.method, &*consent.language, consent.text_hash), expected);
}

#[test]
fn second_press_agrees_to_the_text_that_a_display_shows() {
    let mut fixture = Fixture::new();
    fixture.press();
    let offer = fixture.request_offer("fr");
    let new = fixture.capture_after_press();
    assert_eq!(new.consent.method, ConsentMethod::Button);
    assert_eq!(new.consent.language, "fr");
    assert_eq!(new.consent_text, offer.consent.text);
}

#[test]
fn display_that_requests_the_text_of_an_offer_does_not_offer_again() {
    let mut fixture = Fixture::new();
    fixture.press();
    let command = Command::Enrol { language: None };
    let effects = fixture.handle(Event::Command { command, address: None });
    assert_eq!(steps(&effects), []);
}

#[test]
fn first_press_starts_if_configured() {
    let mut fixture = Fixture::with_confirmation(Confirmation::Press);
    assert_eq!(steps(&fixture.press()), [EnrolmentStep::Started]);
}

#[test]
fn operator_offers_to_person_who_resembles_a_customer() {
    let mut fixture = Fixture::new();
    let request = OperatorRequest::OfferEnrolment { is_another_person: true };
    let effects = fixture.handle(Event::Operator { request, client: ClientId(1) });
    assert_eq!(steps(&effects), [EnrolmentStep::Offered]);
    let effects = fixture.press();
    let is_another = |effect: &Effect| {
        matches!(effect, Effect::Vision(VisionCommand::BeginEnrolment { is_another_person: true }))
    };
    assert!(effects.iter().any(is_another));
}

#[test]
fn nothing_is_offered_without_camera_or_during_an_enrolment() {
    let mut fixture = Fixture::new();
    fixture.handle(Event::CameraStateChanged(CameraState::Unavailable));
    assert!(fixture.send(Command::Enrol { language: None }).is_err());
    let effects = fixture.press();
    let failed = EnrolmentStep::Failed { reason: EnrolmentFailure::NoCamera };
    assert_eq!(steps(&effects), [failed]);
    assert!(shows(&effects, LedSignal::OutOfOrder));
    fixture.handle(Event::CameraStateChanged(CameraState::Streaming));
    let offer = fixture.request_offer("de");
    fixture.press();
    assert!(fixture.is_enrolling());
    assert!(fixture.agree(offer.code).is_err());
    assert!(fixture.send(Command::Enrol { language: None }).is_err());
}
