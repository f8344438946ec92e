//! Recogniser on simulated scenes: people enter, are recognised and leave, frame by frame.

use std::path::Path;
use std::time::Duration;

use confique::Config;
use instored_camera::{Camera, Pacing};
use instored_domain::{CustomerId, Embedding, EnrolmentFailure, FaceCount, RecognitionEvent};
use instored_imaging::{Frame, Picture, Scaler, read_picture};
use instored_recognition::{Recogniser, Settings};
use instored_simulation::{PersonId, SceneCamera, SceneController};

const FPS: u32 = 10;

struct Entrance {
    camera: SceneCamera,
    controller: SceneController,
    recogniser: Recogniser,
}

impl Entrance {
    fn new() -> Self {
        Self::with(Settings::builder().load().unwrap())
    }

    fn with(settings: Settings) -> Self {
        let models = instored_vision::Settings::builder().load().unwrap();
        let recogniser = Recogniser::new(&models, &settings).unwrap();
        let (camera, controller) = SceneCamera::new(640, 480, FPS, Pacing::Unlimited, 3);
        Self { camera, controller, recogniser }
    }

    fn enter(&self, portrait: &str) -> PersonId {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulation/portraits");
        self.controller.enter(&read_picture(&folder.join(portrait)).unwrap())
    }

    /// Processes the frames of this time and returns their events.
    fn run_for(&mut self, time: Duration) -> Vec<RecognitionEvent> {
        let frames = (time.as_secs_f32() * FPS as f32) as usize;
        let mut events = Vec::new();
        for _ in 0..frames {
            let frame = self.camera.next_frame().unwrap();
            events.extend(self.recogniser.process(&frame).unwrap());
        }
        events
    }

    /// Processes the frames of this time and returns the number of frames on which face detection
    /// runs.
    fn detections(&mut self, time: Duration) -> u64 {
        let before = self.recogniser.detection_count();
        self.run_for(time);
        self.recogniser.detection_count() - before
    }

    /// Enrols the person of the portrait. The person leaves afterwards.
    fn enrol(&mut self, portrait: &str, customer: CustomerId) -> Vec<Embedding> {
        let person = self.enter(portrait);
        self.run_for(s(3));
        assert!(self.recogniser.begin_enrolment(false));
        let enrolled = self.run_for(s(15)).into_iter().find_map(|event| match event {
            RecognitionEvent::Enrolled { embeddings, track, .. } => Some((embeddings, track)),
            RecognitionEvent::EnrolmentFailed(reason) => panic!("{reason:?}"),
            _ => None,
        });
        let (embeddings, track) = enrolled.expect("enrolled within 15 s");
        self.recogniser.add_customer(customer, &embeddings, Some(track));
        self.leave(person);
        embeddings
    }

    fn leave(&mut self, person: PersonId) -> Vec<RecognitionEvent> {
        self.controller.leave(person);
        self.run_for(s(9))
    }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const ALEX: CustomerId = CustomerId(uuid::Uuid::from_u128(1));

/// Returns a frame of 640 × 480 pixels that shows a portrait, scaled to this distance between the eyes.
/// `portrait_eye_distance` is that of the file.
fn portrait_frame(portrait: &str, portrait_eye_distance: f32, eye_distance: f32) -> Picture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulation/portraits");
    let portrait = read_picture(&folder.join(portrait)).unwrap();
    let scaled = |side: u32| (side as f32 * eye_distance / portrait_eye_distance) as u32;
    let (width, height) = (scaled(portrait.width()), scaled(portrait.height()));
    let portrait = Scaler::default().resize(&portrait, width, height);
    let mut frame = Picture::filled(640, 480, [90; 3]);
    let rows = frame.rgb_mut().chunks_exact_mut(3 * 640).skip((480 - height as usize) / 2);
    for (into, from) in rows.zip(portrait.rgb().chunks_exact(3 * width as usize)) {
        into[3 * ((640 - width as usize) / 2)..][..from.len()].copy_from_slice(from);
    }
    frame
}

/// Returns arrivals and departures as text.
fn visits(events: &[RecognitionEvent]) -> Vec<String> {
    let visit = |event: &RecognitionEvent| match event {
        RecognitionEvent::Arrived(customer) => Some(format!("arrived {}", customer.0.as_u128())),
        RecognitionEvent::Left(customer) => Some(format!("left {}", customer.0.as_u128())),
        _ => None,
    };
    events.iter().filter_map(visit).collect()
}

#[test]
fn customer_has_one_visit_and_stranger_has_none() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_a_1.jpg", ALEX);
    let customer = entrance.enter("person_a_2.jpg");
    let stranger = entrance.enter("impostor_1.jpg");
    let mut events = entrance.run_for(s(8));
    entrance.controller.turn_aside(customer);
    events.extend(entrance.run_for(s(6)));
    events.extend(entrance.leave(customer));
    assert_eq!(visits(&events), ["arrived 1", "left 1"], "the stranger is still in view");
    assert!(visits(&entrance.run_for(s(3))).is_empty());
    entrance.leave(stranger);
}

#[test]
fn crossing_people_do_not_split_or_swap_a_visit() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_a_1.jpg", ALEX);
    // The first person stands in the middle, the next two on the left and on the right.
    let middle = entrance.enter("impostor_2.jpg");
    entrance.run_for(s(1));
    let (customer, stranger) = (entrance.enter("person_a_2.jpg"), entrance.enter("impostor_1.jpg"));
    let mut events = entrance.run_for(s(6));
    for _ in 0..4 {
        entrance.controller.swap_places(customer, stranger);
        events.extend(entrance.run_for(s(4)));
    }
    assert_eq!(visits(&events), ["arrived 1"]);
    assert_eq!(entrance.recogniser.present_customers(), [ALEX]);
    // The stranger alone is neither greeted as the customer nor extends the visit.
    entrance.controller.swap_places(customer, stranger);
    entrance.controller.leave(customer);
    assert_eq!(visits(&entrance.run_for(s(12))), ["left 1"]);
    entrance.leave(stranger);
    entrance.leave(middle);
}

#[test]
fn on_request_mode_embeds_only_person_at_the_button() {
    let settings = Settings::builder().load().unwrap();
    let mode = instored_recognition::Mode::OnRequest;
    let mut entrance = Entrance::with(Settings { mode, ..settings });
    entrance.enrol("person_a_1.jpg", ALEX);
    let after_enrolment = entrance.recogniser.embedding_count();
    assert_eq!(after_enrolment.recognition, 0);

    let customer = entrance.enter("person_a_2.jpg");
    let stranger = entrance.enter("impostor_1.jpg");
    assert!(visits(&entrance.run_for(s(100))).is_empty());
    assert_eq!(entrance.recogniser.embedding_count(), after_enrolment, "1,000 frames");

    assert!(entrance.recogniser.open_window() && !entrance.recogniser.open_window());
    assert_eq!(visits(&entrance.run_for(s(5))), ["arrived 1"]);
    let after_request = entrance.recogniser.embedding_count();
    assert_eq!(visits(&entrance.leave(customer)), ["left 1"]);
    assert_eq!(
        entrance.recogniser.embedding_count(),
        after_request,
        "the window is closed after the recognition"
    );

    assert!(entrance.recogniser.open_window());
    let events = entrance.run_for(s(10));
    assert!(matches!(events[..], [RecognitionEvent::NotRecognised]), "{events:?}");
    entrance.leave(stranger);
}

#[test]
fn present_customer_who_requests_again_is_recognised_again() {
    let settings = Settings::builder().load().unwrap();
    let mode = instored_recognition::Mode::OnRequest;
    let mut entrance = Entrance::with(Settings { mode, ..settings });
    entrance.enrol("person_a_1.jpg", ALEX);
    let customer = entrance.enter("person_a_2.jpg");
    entrance.run_for(s(3));
    assert!(entrance.recogniser.open_window());
    assert_eq!(visits(&entrance.run_for(s(5))), ["arrived 1"]);

    // The track of the first recognition continues.
    assert!(entrance.recogniser.open_window());
    let events = entrance.run_for(s(2));
    assert!(matches!(events[..], [RecognitionEvent::RecognisedAgain(ALEX)]), "{events:?}");

    // The customer was out of view for a moment and has another track.
    let empty = Picture::filled(640, 480, [90; 3]);
    for _ in 0..2 * FPS {
        let captured_at = entrance.camera.next_frame().unwrap().captured_at;
        let frame = Frame { picture: empty.clone(), captured_at };
        assert!(entrance.recogniser.process(&frame).unwrap().is_empty());
    }
    assert!(entrance.recogniser.open_window());
    let events = entrance.run_for(s(5));
    assert!(matches!(events[..], [RecognitionEvent::RecognisedAgain(ALEX)]), "{events:?}");

    // A dismissed visit is that of another person, who may enrol.
    entrance.recogniser.dismiss(ALEX);
    assert!(entrance.recogniser.open_window());
    let events = entrance.run_for(s(2));
    assert!(matches!(events[..], [RecognitionEvent::NotRecognised]), "{events:?}");
    assert!(entrance.recogniser.open_window(), "the window is closed after the response");
    entrance.leave(customer);
}

#[test]
fn empty_gallery_causes_no_embeddings() {
    let mut entrance = Entrance::new();
    entrance.enter("impostor_2.jpg");
    assert!(visits(&entrance.run_for(s(8))).is_empty());
    let count = entrance.recogniser.embedding_count();
    assert_eq!((count.enrolment, count.recognition), (0, 0));
}

#[test]
fn only_face_that_attends_is_embedded() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_a_1.jpg", ALEX);
    let strangers =
        [("impostor_1.jpg", 112.0), ("impostor_2.jpg", 139.0), ("person_b_1.jpg", 132.0)];
    let empty = Picture::filled(640, 480, [90; 3]);
    let start = entrance.recogniser.face_count();
    // Returns the faces seen, attending and embedded since the start, after each stranger was in view.
    let mut show_strangers = |eye_distance, frames| {
        for (portrait, portrait_eye_distance) in strangers {
            let picture = portrait_frame(portrait, portrait_eye_distance, eye_distance);
            for picture in std::iter::repeat_n(&picture, frames).chain([&empty; 10]) {
                let captured_at = entrance.camera.next_frame().unwrap().captured_at;
                let frame = Frame { picture: picture.clone(), captured_at };
                let events = entrance.recogniser.process(&frame).unwrap();
                assert!(visits(&events).is_empty(), "{events:?}");
            }
        }
        let FaceCount { seen, attended, embedded } = entrance.recogniser.face_count();
        [seen - start.seen, attended - start.attended, embedded - start.embedded]
    };
    assert_eq!(show_strangers(28.0, 20), [3, 0, 0], "far away");
    assert_eq!(show_strangers(60.0, 4), [6, 0, 0], "passing by");
    assert_eq!(show_strangers(60.0, 15), [9, 3, 3], "looking at the camera");
    let embeddings = entrance.recogniser.embedding_count().recognition;
    assert!((3..=3 * 15).contains(&embeddings), "{embeddings}");
}

#[test]
fn two_people_at_the_button_fail_the_enrolment() {
    let mut entrance = Entrance::new();
    entrance.enter("person_b_1.jpg");
    entrance.enter("impostor_1.jpg");
    entrance.run_for(s(3));
    assert!(entrance.recogniser.begin_enrolment(false));
    assert!(!entrance.recogniser.begin_enrolment(false), "only one enrolment at a time");
    let failed = entrance.run_for(s(5)).into_iter().any(|event| {
        matches!(event, RecognitionEvent::EnrolmentFailed(EnrolmentFailure::SeveralFaces))
    });
    assert!(failed);
}

#[test]
fn second_enrolment_fails_and_empty_entrance_times_out() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_b_1.jpg", ALEX);
    let again = entrance.enter("person_b_2.jpg");
    entrance.run_for(s(3));
    assert!(entrance.recogniser.begin_enrolment(false));
    let reasons = |events: Vec<RecognitionEvent>| -> Vec<EnrolmentFailure> {
        let reason =
            |s| if let RecognitionEvent::EnrolmentFailed(reason) = s { Some(reason) } else { None };
        events.into_iter().filter_map(reason).collect()
    };
    assert_eq!(reasons(entrance.run_for(s(10))), [EnrolmentFailure::AlreadyEnrolled]);
    entrance.leave(again);
    assert!(entrance.recogniser.begin_enrolment(false));
    assert_eq!(reasons(entrance.run_for(s(25))), [EnrolmentFailure::TimedOut]);
}

#[test]
fn dismissed_or_deleted_customer_is_not_recognised_again() {
    let mut entrance = Entrance::new();
    let templates = entrance.enrol("person_a_1.jpg", ALEX);
    let person = entrance.enter("person_a_2.jpg");
    assert_eq!(visits(&entrance.run_for(s(8))), ["arrived 1"]);
    entrance.recogniser.dismiss(ALEX);
    assert!(entrance.recogniser.present_customers().is_empty(), "the visit is dismissed");
    let before = entrance.recogniser.embedding_count();
    assert!(entrance.run_for(s(5)).is_empty());
    assert_eq!(entrance.recogniser.embedding_count(), before);

    entrance.leave(person);
    let person = entrance.enter("person_a_2.jpg");
    assert_eq!(visits(&entrance.run_for(s(8))), ["arrived 1"]);
    entrance.recogniser.remove_customer(ALEX);
    entrance.leave(person);
    entrance.enter("person_a_2.jpg");
    assert!(visits(&entrance.run_for(s(8))).is_empty(), "the customer is deleted");
    assert_eq!(templates.len(), 5);
}

#[test]
fn detection_runs_every_five_seconds_in_empty_scene() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_b_1.jpg", ALEX);
    entrance.run_for(s(5));
    assert_eq!(entrance.detections(s(50)), 10);
    entrance.enter("impostor_1.jpg");
    entrance.run_for(s(2));
    assert_eq!(entrance.detections(s(10)), 100);
}

#[test]
fn detection_runs_in_one_of_six_frames_for_still_customer() {
    let mut entrance = Entrance::new();
    entrance.enrol("person_a_1.jpg", ALEX);
    entrance.enter("person_a_2.jpg");
    assert_eq!(visits(&entrance.run_for(s(6))), ["arrived 1"]);
    let frame = entrance.camera.next_frame().unwrap();
    let step = Duration::from_secs(1) / FPS;
    let mut captured_at = frame.captured_at;
    let mut process_copies = |recogniser: &mut Recogniser, picture: &Picture, frames: usize| {
        (0..frames)
            .flat_map(|_| {
                captured_at += step;
                let frame = Frame { picture: picture.clone(), captured_at };
                recogniser.process(&frame).unwrap()
            })
            .collect::<Vec<_>>()
    };
    let before = entrance.recogniser.detection_count();
    let events = process_copies(&mut entrance.recogniser, &frame.picture, 200);
    let detections = entrance.recogniser.detection_count() - before;
    assert!((1..=35).contains(&detections), "{detections} detections in 200 frames");
    assert!(visits(&events).is_empty(), "{events:?}");
    assert_eq!(entrance.recogniser.present_customers(), [ALEX]);
    let empty = Picture::filled(640, 480, [90; 3]);
    assert_eq!(visits(&process_copies(&mut entrance.recogniser, &empty, 60)), ["left 1"]);
}
