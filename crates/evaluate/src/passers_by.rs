//! Passers-by: share of the people who walk past the camera and whose faces are compared with customers.
//!
//! Each person is a picture that moves across the frame of a box in mode `entrance` with one customer. The
//! speed on the frame follows from the width of the face: a face is 16 cm wide.

use std::time::Duration;

use instored_domain::{CustomerId, Embedding, FaceCount};
use instored_imaging::{Frame, Picture, Scaler};
use instored_recognition::Recogniser;
use instored_vision::{Face, Pose};
use serde::Serialize;
use uuid::Uuid;

use super::report::Table;
use super::{EvaluateError, Progress};

/// Size of the frame, in pixels.
const FRAME_SIZE: (u32, u32) = (640, 480);
/// Time between two frames.
const FRAME_INTERVAL: Duration = Duration::from_millis(100);
/// Width of a face, in metres: bizygomatic breadth with the width of the detector's box.
const FACE_METRES: f32 = 0.16;
/// Smallest absolute yaw of a face in profile, in eye distances: one cheek is hidden.
const PROFILE_YAW_MIN: f32 = 0.35;
/// Largest absolute yaw of a frontal face, in eye distances.
const FRONTAL_YAW_MAX: f32 = 0.12;
/// Widths of the faces on the frame, in pixels.
const FACE_WIDTHS: [u32; 5] = [30, 50, 80, 120, 200];
/// Width of the faces of those who stop, in pixels.
const STOPPED_FACE_WIDTH: u32 = 120;
/// Number of people who stop, and the time that they stay.
const STOPPED: (usize, Duration) = (10, Duration::from_secs(3));
/// Time without anybody after each person, in which the box forgets them.
const PAUSE: Duration = Duration::from_secs(3);
/// Grey of the background.
const BACKGROUND: [u8; 3] = [90; 3];

/// Direction in which a face looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// Into the camera.
    Frontal,
    /// Past the camera.
    Profile,
}

/// Movement of a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Movement {
    /// 1.4 m/s across the frame.
    Walking,
    /// 0.7 m/s across the frame.
    Strolling,
    /// In the middle of the frame for three seconds.
    Stopping,
}

/// Person of a picture.
pub struct Person {
    picture: Picture,
    /// Width of the face in the picture, in pixels.
    face_width: f32,
    /// Direction of the face.
    pub view: View,
}

/// Results of people who move in the same way.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Direction of the faces.
    pub view: View,
    /// Movement of the people.
    pub movement: Movement,
    /// Width of the faces on the frame, in pixels.
    pub face_width: u32,
    /// Number of people.
    pub people: usize,
    /// Number of frames in which somebody was in view.
    pub frames: usize,
    /// Faces that were seen, that attended, and that were compared with the customer.
    pub faces: FaceCount,
}

impl Person {
    /// Returns the person of a picture with these faces, or `None` if there is not exactly one face, or if it
    /// is neither frontal nor in profile.
    pub fn new(picture: Picture, faces: &[Face]) -> Option<Self> {
        let [face] = faces else { return None };
        let yaw = Pose::from_landmarks(&face.landmarks).yaw.abs();
        let view = match yaw {
            _ if yaw <= FRONTAL_YAW_MAX => View::Frontal,
            _ if yaw >= PROFILE_YAW_MIN => View::Profile,
            _ => return None,
        };
        Some(Self { picture, face_width: face.bounds.width, view })
    }

    /// Returns the picture, scaled to this width of the face.
    fn scaled(&self, face_width: u32) -> Picture {
        let scale = face_width as f32 / self.face_width;
        let scaled = |length: u32| ((length as f32 * scale) as u32).max(1);
        Scaler::default().resize(
            &self.picture,
            scaled(self.picture.width()),
            scaled(self.picture.height()),
        )
    }
}

impl Movement {
    /// Returns the speed on the frame, in pixels per second.
    fn speed(self, face_width: u32) -> f32 {
        let metres_per_second = match self {
            Self::Walking => 1.4,
            Self::Strolling => 0.7,
            Self::Stopping => 0.0,
        };
        metres_per_second * face_width as f32 / FACE_METRES
    }

    /// Returns the horizontal position of a picture with this width in each frame.
    fn positions(self, width: u32, face_width: u32) -> Vec<i32> {
        let step = self.speed(face_width) * FRAME_INTERVAL.as_secs_f32();
        if self == Self::Stopping {
            let frames = STOPPED.1.as_millis() / FRAME_INTERVAL.as_millis();
            return vec![(FRAME_SIZE.0 as i32 - width as i32) / 2; frames as usize];
        }
        let steps = ((FRAME_SIZE.0 + width) as f32 / step) as usize;
        (0..=steps).map(|i| (i as f32 * step) as i32 - width as i32).collect()
    }
}

/// Entrance whose camera shows one person at a time.
struct Entrance {
    recogniser: Recogniser,
    now: Duration,
}

impl Entrance {
    /// Creates an entrance with one customer.
    fn new(mut recogniser: Recogniser, customer: &Embedding) -> Self {
        recogniser.add_customer(CustomerId(Uuid::nil()), std::slice::from_ref(customer), None);
        Self { recogniser, now: Duration::ZERO }
    }

    fn process(&mut self, picture: Picture) -> Result<(), EvaluateError> {
        self.now += FRAME_INTERVAL;
        self.recogniser.process(&Frame { picture, captured_at: self.now })?;
        Ok(())
    }

    /// Shows a person until they have left, and then nobody. Returns the number of frames with the person.
    fn pass(
        &mut self,
        person: &Person,
        movement: Movement,
        face_width: u32,
    ) -> Result<usize, EvaluateError> {
        let picture = person.scaled(face_width);
        let positions = movement.positions(picture.width(), face_width);
        for position in &positions {
            self.process(frame_with(&picture, *position))?;
        }
        for _ in 0..PAUSE.as_millis() / FRAME_INTERVAL.as_millis() {
            self.process(empty_frame())?;
        }
        Ok(positions.len())
    }
}

fn empty_frame() -> Picture {
    Picture::filled(FRAME_SIZE.0, FRAME_SIZE.1, BACKGROUND)
}

/// Returns a frame that shows a picture at this horizontal position, in the middle of its height.
fn frame_with(picture: &Picture, x: i32) -> Picture {
    let mut frame = empty_frame();
    let top = (FRAME_SIZE.1 as i32 - picture.height() as i32) / 2;
    let (frame_width, width) = (FRAME_SIZE.0 as i32, picture.width() as i32);
    let (first, last) = (x.max(0), (x + width).min(frame_width));
    if first >= last {
        return frame;
    }
    let bytes = |from: i32, to: i32| 3 * from as usize..3 * to as usize;
    let rows = picture.rgb().chunks_exact(3 * width as usize);
    for (y, row) in (top..).zip(rows).filter(|(y, _)| (0..FRAME_SIZE.1 as i32).contains(y)) {
        let start = y * frame_width;
        frame.rgb_mut()[bytes(start + first, start + last)]
            .copy_from_slice(&row[bytes(first - x, last - x)]);
    }
    frame
}

/// Lets people pass in each view, at each size and speed, until `frames` frames have shown somebody, and lets ten
/// people stop and look. The people of a view are shown in turns. `recogniser` creates a box without customers.
///
/// # Errors
/// If a model cannot be loaded or a network fails.
pub fn measure(
    people: &[Person],
    customer: &Embedding,
    frames: usize,
    recogniser: impl Fn() -> Result<Recogniser, EvaluateError>,
) -> Result<Vec<Row>, EvaluateError> {
    let mut cases = vec![(View::Frontal, Movement::Stopping, STOPPED_FACE_WIDTH)];
    for view in [View::Frontal, View::Profile] {
        for movement in [Movement::Walking, Movement::Strolling] {
            cases.extend(FACE_WIDTHS.map(|width| (view, movement, width)));
        }
    }
    let progress = Progress::new("people passing", cases.len());
    let mut rows = Vec::new();
    for (view, movement, face_width) in cases {
        let mut entrance = Entrance::new(recogniser()?, customer);
        let mut of_view = people.iter().filter(|person| person.view == view).cycle();
        let mut row =
            Row { view, movement, face_width, people: 0, frames: 0, faces: FaceCount::default() };
        let is_complete = |row: &Row| match movement {
            Movement::Stopping => row.people >= STOPPED.0,
            _ => row.frames >= frames,
        };
        while !is_complete(&row) {
            let Some(person) = of_view.next() else { break };
            row.frames += entrance.pass(person, movement, face_width)?;
            row.people += 1;
        }
        row.faces = entrance.recogniser.face_count();
        rows.push(row);
        progress.advance();
    }
    Ok(rows)
}

/// Returns the results as a table.
pub fn table(rows: &[Row]) -> Table {
    let header = ["people", "face", "passed", "frames", "seen", "attended", "embedded", "share"];
    let cells = |row: &Row| {
        let (view, movement) = (format!("{:?}", row.view), format!("{:?}", row.movement));
        let share = 100.0 * row.faces.embedded as f64 / row.people.max(1) as f64;
        vec![
            format!("{}, {}", view.to_lowercase(), movement.to_lowercase()),
            format!("{} px", row.face_width),
            row.people.to_string(),
            row.frames.to_string(),
            row.faces.seen.to_string(),
            row.faces.attended.to_string(),
            row.faces.embedded.to_string(),
            format!("{share:.1} %"),
        ]
    };
    Table { header: header.map(str::to_owned).to_vec(), rows: rows.iter().map(cells).collect() }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use confique::Config;
    use instored_imaging::read_picture;
    use instored_vision::{Detector, Model, Role};

    use super::*;
    use crate::Extractor;

    /// Portraits of the repository, all frontal.
    const PORTRAITS: [&str; 5] =
        ["person_a_1.jpg", "person_b_1.jpg", "impostor_1.jpg", "impostor_2.jpg", "astronaut.png"];

    fn portrait(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulation/portraits").join(name)
    }

    fn people() -> Vec<Person> {
        let settings = instored_vision::Settings::builder().load().unwrap();
        let model = Model::load(&settings.detector, Role::Detector).unwrap();
        let mut detector = Detector::new(&model, 320, 320).unwrap();
        let person = |name| {
            let picture = read_picture(&portrait(name)).unwrap();
            let face = detector.detect(&picture).unwrap().remove(0);
            Person { face_width: face.bounds.width, picture, view: View::Frontal }
        };
        PORTRAITS.map(person).into_iter().collect()
    }

    #[test]
    fn near_people_who_stop_are_embedded_and_distant_ones_are_not() {
        let models = instored_vision::Settings::builder().load().unwrap();
        let rules = instored_recognition::Settings::builder().load().unwrap();
        let recogniser = || Recogniser::new(&models, &rules).unwrap();
        let customer = Extractor::load(&models).unwrap().template(&portrait("person_a_2.jpg"));
        let customer = customer.unwrap().unwrap();
        for (movement, face_width, embedded) in [
            (Movement::Stopping, STOPPED_FACE_WIDTH, PORTRAITS.len()),
            (Movement::Stopping, 50, 0),
            (Movement::Walking, 50, 0),
            (Movement::Walking, 200, 0),
        ] {
            let mut entrance = Entrance::new(recogniser(), &customer);
            for person in people() {
                entrance.pass(&person, movement, face_width).unwrap();
            }
            let faces = entrance.recogniser.face_count();
            assert_eq!(faces.embedded, embedded as u64, "{movement:?} {face_width} px: {faces:?}");
            assert!(faces.seen >= 4, "{movement:?} {face_width} px: {faces:?}");
        }
    }

    #[test]
    fn picture_is_cut_at_the_edges_of_the_frame() {
        let picture = Picture::filled(100, 600, [255; 3]);
        for (x, columns) in [(-100, 0), (-60, 40), (0, 100), (600, 40), (640, 0)] {
            let frame = frame_with(&picture, x);
            let white = frame.rgb().chunks_exact(3).filter(|pixel| **pixel == [255; 3]).count();
            assert_eq!(white, columns * FRAME_SIZE.1 as usize, "{x}");
        }
    }
}
