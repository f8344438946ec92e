//! The recogniser before played scenes: whole people walk in, frame by frame, as fast as it goes.

use std::path::Path;
use std::time::Duration;

use confique::Config;
use instored_camera::{Camera, Pacing};
use instored_domain::{CustomerId, Embedding, EnrolmentFailure};
use instored_imaging::{Frame, Picture, read_picture};
use instored_recognition::{Recogniser, RecognitionEvent, Settings};
use instored_simulation::{PersonId, SceneCamera, SceneController};

const FPS: u32 = 10;

struct Entrance {
    stage: SceneCamera,
    director: SceneController,
    recogniser: Recogniser,
}

impl Entrance {
    fn new() -> Self {
        Self::with(Settings::builder().load().unwrap())
    }

    fn with(settings: Settings) -> Self {
        let models = instored_vision::Settings::builder().load().unwrap();
        let recogniser = Recogniser::new(&models, &settings).unwrap();
        let (stage, director) = SceneCamera::new(640, 480, FPS, Pacing::Unlimited, 3);
        Self { stage, director, recogniser }
    }

    fn enter(&self, portrait: &str) -> PersonId {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulation/portraits");
        self.director.enter(&read_picture(&folder.join(portrait)).unwrap())
    }

    fn watch(&mut self, time: Duration) -> Vec<RecognitionEvent> {
        let frames = (time.as_secs_f32() * FPS as f32) as usize;
        let mut sightings = Vec::new();
        for _ in 0..frames {
            let frame = self.stage.next_frame().unwrap();
            sightings.extend(self.recogniser.process(&frame).unwrap());
        }
        sightings
    }

    /// In how many frames of that time faces are looked for.
    fn searches(&mut self, time: Duration) -> u64 {
        let before = self.recogniser.detection_count();
        self.watch(time);
        self.recogniser.detection_count() - before
    }

    /// Enrols whoever the portrait shows, and sends them out.
    fn enrol(&mut self, portrait: &str, customer: CustomerId) -> Vec<Embedding> {
        let actor = self.enter(portrait);
        self.watch(s(3));
        assert!(self.recogniser.begin_enrolment(false));
        let enrolled = self.watch(s(15)).into_iter().find_map(|sighting| match sighting {
            RecognitionEvent::Enrolled { embeddings, track, .. } => Some((embeddings, track)),
            RecognitionEvent::EnrolmentFailed(reason) => panic!("{reason:?}"),
            _ => None,
        });
        let (embeddings, track) = enrolled.expect("enrolled within 15 s");
        self.recogniser.add_customer(customer, &embeddings, Some(track));
        self.leave(actor);
        embeddings
    }

    fn leave(&mut self, actor: PersonId) -> Vec<RecognitionEvent> {
        self.director.leave(actor);
        self.watch(s(9))
    }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const ALEX: CustomerId = CustomerId(uuid::Uuid::from_u128(1));

fn visits(sightings: &[RecognitionEvent]) -> Vec<String> {
    let visit = |s: &RecognitionEvent| match s {
        RecognitionEvent::Arrived(customer) => Some(format!("arrived {}", customer.0.as_u128())),
        RecognitionEvent::Left(customer) => Some(format!("left {}", customer.0.as_u128())),
        _ => None,
    };
    sightings.iter().filter_map(visit).collect()
}

#[test]
fn an_enrolled_customer_is_one_visit_and_strangers_beside_them_are_none() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_a_1.jpg", ALEX);
    let customer = entrance.enter("person_a_2.jpg");
    let stranger = entrance.enter("impostor_1.jpg");
    let mut seen = entrance.watch(s(8));
    entrance.director.turn_aside(customer);
    seen.extend(entrance.watch(s(6)));
    seen.extend(entrance.leave(customer));
    assert_eq!(visits(&seen), ["arrived 1", "left 1"], "while the stranger still stands there");
    assert!(visits(&entrance.watch(s(3))).is_empty());
    entrance.leave(stranger);
}

#[test]
fn where_two_people_cross_the_one_enrolled_is_one_visit() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_a_1.jpg", ALEX);
    // The first in stands in the middle, the next two to the left and the right.
    let middle = entrance.enter("impostor_2.jpg");
    entrance.watch(s(1));
    let (customer, stranger) = (entrance.enter("person_a_2.jpg"), entrance.enter("impostor_1.jpg"));
    let mut seen = entrance.watch(s(6));
    for _ in 0..4 {
        entrance.director.swap_places(customer, stranger);
        seen.extend(entrance.watch(s(4)));
    }
    assert_eq!(visits(&seen), ["arrived 1"]);
    assert_eq!(entrance.recogniser.present_customers(), [ALEX]);
    // The stranger alone does not pass for the customer, nor keeps them there.
    entrance.director.swap_places(customer, stranger);
    entrance.director.leave(customer);
    assert_eq!(visits(&entrance.watch(s(12))), ["left 1"]);
    entrance.leave(stranger);
    entrance.leave(middle);
}

#[test]
fn whoever_did_not_ask_is_not_looked_at_in_the_mode_on_request() {
    let settings = Settings::builder().load().unwrap();
    let mode = instored_recognition::Mode::OnRequest;
    let mut entrance = Entrance::with(Settings { mode, ..settings });
    entrance.enrol("person_a_1.jpg", ALEX);
    let after_enrolment = entrance.recogniser.embedding_count();
    assert_eq!(after_enrolment.recognition, 0);

    let customer = entrance.enter("person_a_2.jpg");
    let stranger = entrance.enter("impostor_1.jpg");
    assert!(visits(&entrance.watch(s(100))).is_empty());
    assert_eq!(entrance.recogniser.embedding_count(), after_enrolment, "1,000 frames");

    assert!(entrance.recogniser.open_window() && !entrance.recogniser.open_window());
    assert_eq!(visits(&entrance.watch(s(5))), ["arrived 1"]);
    let asked = entrance.recogniser.embedding_count();
    assert_eq!(visits(&entrance.leave(customer)), ["left 1"]);
    assert_eq!(entrance.recogniser.embedding_count(), asked, "the window closed with the answer");

    assert!(entrance.recogniser.open_window());
    let seen = entrance.watch(s(10));
    assert!(matches!(seen[..], [RecognitionEvent::NotRecognised]), "{seen:?}");
    entrance.leave(stranger);
}

#[test]
fn nobody_is_embedded_while_nobody_is_enrolled() {
    let mut entrance = Entrance::new();
    entrance.enter("impostor_2.jpg");
    assert!(visits(&entrance.watch(s(8))).is_empty());
    let count = entrance.recogniser.embedding_count();
    assert_eq!((count.enrolment, count.recognition), (0, 0));
}

#[test]
fn two_people_at_the_button_are_refused() {
    let mut entrance = Entrance::new();
    entrance.enter("person_b_1.jpg");
    entrance.enter("impostor_1.jpg");
    entrance.watch(s(3));
    assert!(entrance.recogniser.begin_enrolment(false));
    assert!(!entrance.recogniser.begin_enrolment(false), "one at a time");
    let failed = entrance.watch(s(5)).into_iter().any(|sighting| {
        matches!(sighting, RecognitionEvent::EnrolmentFailed(EnrolmentFailure::SeveralFaces))
    });
    assert!(failed);
}

#[test]
fn a_customer_cannot_enrol_twice_and_an_empty_entrance_times_out() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_b_1.jpg", ALEX);
    let again = entrance.enter("person_b_2.jpg");
    entrance.watch(s(3));
    assert!(entrance.recogniser.begin_enrolment(false));
    let reasons = |sightings: Vec<RecognitionEvent>| -> Vec<EnrolmentFailure> {
        let reason =
            |s| if let RecognitionEvent::EnrolmentFailed(reason) = s { Some(reason) } else { None };
        sightings.into_iter().filter_map(reason).collect()
    };
    assert_eq!(reasons(entrance.watch(s(10))), [EnrolmentFailure::AlreadyEnrolled]);
    entrance.leave(again);
    assert!(entrance.recogniser.begin_enrolment(false));
    assert_eq!(reasons(entrance.watch(s(25))), [EnrolmentFailure::TimedOut]);
}

#[test]
fn who_is_forgotten_or_is_not_who_was_greeted_is_not_looked_at_again() {
    let mut entrance = Entrance::new();
    let templates = entrance.enrol("person_a_1.jpg", ALEX);
    let actor = entrance.enter("person_a_2.jpg");
    assert_eq!(visits(&entrance.watch(s(8))), ["arrived 1"]);
    entrance.recogniser.dismiss(ALEX);
    assert!(entrance.recogniser.present_customers().is_empty(), "a visit ends");
    let before = entrance.recogniser.embedding_count();
    assert!(entrance.watch(s(5)).is_empty());
    assert_eq!(entrance.recogniser.embedding_count(), before);

    entrance.leave(actor);
    let actor = entrance.enter("person_a_2.jpg");
    assert_eq!(visits(&entrance.watch(s(8))), ["arrived 1"]);
    entrance.recogniser.remove_customer(ALEX);
    entrance.leave(actor);
    entrance.enter("person_a_2.jpg");
    assert!(visits(&entrance.watch(s(8))).is_empty(), "forgotten is forgotten");
    assert_eq!(templates.len(), 5);
}

#[test]
fn an_empty_entrance_is_searched_every_five_seconds_and_one_with_a_face_at_every_frame() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_b_1.jpg", ALEX);
    entrance.watch(s(5));
    assert_eq!(entrance.searches(s(50)), 10);
    entrance.enter("impostor_1.jpg");
    entrance.watch(s(2));
    assert_eq!(entrance.searches(s(10)), 100);
}

#[test]
fn who_stands_still_is_seen_until_they_leave_and_searched_for_in_one_frame_of_six() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_a_1.jpg", ALEX);
    entrance.enter("person_a_2.jpg");
    assert_eq!(visits(&entrance.watch(s(6))), ["arrived 1"]);
    let frame = entrance.stage.next_frame().unwrap();
    let step = Duration::from_secs(1) / FPS;
    let mut taken = frame.captured_at;
    let mut still = |recogniser: &mut Recogniser, picture: &Picture, frames: usize| {
        (0..frames)
            .flat_map(|_| {
                taken += step;
                let frame = Frame { picture: picture.clone(), captured_at: taken };
                recogniser.process(&frame).unwrap()
            })
            .collect::<Vec<_>>()
    };
    let before = entrance.recogniser.detection_count();
    let seen = still(&mut entrance.recogniser, &frame.picture, 200);
    let searches = entrance.recogniser.detection_count() - before;
    assert!((1..=35).contains(&searches), "every six frames, and once or twice: {searches}");
    assert!(visits(&seen).is_empty(), "20 seconds, and still here: {seen:?}");
    assert_eq!(entrance.recogniser.present_customers(), [ALEX]);
    let gone = Picture::filled(640, 480, [90; 3]);
    assert_eq!(visits(&still(&mut entrance.recogniser, &gone, 60)), ["left 1"]);
}
