//! Enrolment: collection of different usable views of one face.

use std::time::Duration;

use instored_domain::{CustomerId, Embedding, EnrolmentFailure, TrackId};
use instored_vision::{Pose, Purpose, Rect};

use crate::Gallery;
use crate::gallery::mean;
use crate::pad_score::PadScore;

/// Limits of an enrolment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Number of views.
    pub views: u32,
    /// Time after which the enrolment fails.
    pub timeout: Duration,
    /// Lowest cosine at which two views show the same person.
    pub same_person_threshold: f32,
    /// Lowest cosine at which a face is that of an enrolled customer.
    pub customer_threshold: f32,
    /// Width of the band below `customer_threshold` in which a face resembles a customer, as a
    /// cosine.
    pub margin: f32,
}

/// Shortest time between two views.
const VIEW_INTERVAL: Duration = Duration::from_millis(300);
/// Time after which a view in the same pose is accepted, for people who hold still.
const SAME_POSE_INTERVAL: Duration = Duration::from_millis(1200);
/// Time without a new view after which the request to look at the camera is repeated.
const PROMPT_INTERVAL: Duration = Duration::from_secs(3);
/// Longest time for which a second face may be in view.
const SECOND_FACE_TIMEOUT: Duration = Duration::from_secs(1);
/// Largest width of a face in the background, relative to the nearest face.
const BACKGROUND_WIDTH_RATIO: f32 = 0.6;
/// Number of consecutive views of another face after which the enrolment fails.
const OTHER_FACE_VIEWS: u32 = 3;

/// An enrolment in progress. Its embeddings are zeroed when it is dropped.
pub(super) struct Enrolment {
    rules: Rules,
    /// True if staff confirmed that the person is not enrolled. A similar customer is then no
    /// failure.
    is_another_person: bool,
    pad_score: PadScore,
    started_at: Duration,
    views: Vec<View>,
    /// Time of the latest request to look at the camera.
    prompted_at: Option<Duration>,
    /// Time at which a second face came into view.
    crowded_since: Option<Duration>,
    /// Number of consecutive views of another face.
    other_face_views: u32,
}

/// A captured view.
struct View {
    embedding: Embedding,
    pose: Pose,
    captured_at: Duration,
}

/// A step of the enrolment.
#[derive(Debug)]
pub(super) enum Step {
    /// The person should look at the camera.
    LookHere,
    /// One more view was captured.
    Captured { count: u32, of: u32 },
    /// The enrolment failed; nothing is kept.
    Failed(EnrolmentFailure),
    /// All views were captured.
    Complete { embeddings: Vec<Embedding>, track: TrackId, resembles: Option<CustomerId> },
}

impl Enrolment {
    /// Starts an enrolment.
    pub fn start(now: Duration, rules: Rules, is_another_person: bool) -> Self {
        Self {
            rules,
            is_another_person,
            pad_score: PadScore::default(),
            started_at: now,
            views: Vec::new(),
            prompted_at: None,
            crowded_since: None,
            other_face_views: 0,
        }
    }

    /// Returns the purpose of the embeddings that this enrolment permits.
    pub fn purpose(&self) -> Purpose<'_> {
        Purpose::enrolment(self)
    }

    /// Returns the track of the face that may be captured in this frame, if any.
    ///
    /// If the frame causes a step, such as a timeout, the step is returned as the error.
    pub fn select_face(
        &mut self,
        now: Duration,
        faces: &[(TrackId, Rect)],
    ) -> Result<Option<TrackId>, Step> {
        if now.saturating_sub(self.started_at) > self.rules.timeout {
            return Err(Step::Failed(EnrolmentFailure::TimedOut));
        }
        let nearest = faces.iter().max_by(|a, b| a.1.width.total_cmp(&b.1.width));
        let foreground_faces = nearest.map_or(0, |(_, nearest)| {
            let min_width = nearest.width * BACKGROUND_WIDTH_RATIO;
            faces.iter().filter(|(_, face)| face.width >= min_width).count()
        });
        if foreground_faces > 1 {
            let crowded_since = *self.crowded_since.get_or_insert(now);
            if now.saturating_sub(crowded_since) > SECOND_FACE_TIMEOUT {
                return Err(Step::Failed(EnrolmentFailure::SeveralFaces));
            }
            return Ok(None);
        }
        self.crowded_since = None;
        let last_view = self.views.last().map_or(self.started_at, |view| view.captured_at);
        let last_progress = last_view.max(self.prompted_at.unwrap_or_default());
        if self.prompted_at.is_none() || now.saturating_sub(last_progress) > PROMPT_INTERVAL {
            self.prompted_at = Some(now);
            return Err(Step::LookHere);
        }
        let is_due = self.views.is_empty() || now.saturating_sub(last_view) >= VIEW_INTERVAL;
        Ok(nearest.map(|(track, _)| *track).filter(|_| is_due))
    }

    /// Returns true if the pose differs enough from those of all captured views, or if no view was
    /// captured for [`SAME_POSE_INTERVAL`].
    pub fn needs_pose(&self, now: Duration, pose: &Pose) -> bool {
        let is_new = self.views.iter().all(|view| view.pose.differs_from(pose));
        is_new
            || self
                .views
                .last()
                .is_none_or(|last| now.saturating_sub(last.captured_at) >= SAME_POSE_INTERVAL)
    }

    /// Returns the PAD evidence, for adding a view.
    pub fn pad_score(&mut self) -> &mut PadScore {
        &mut self.pad_score
    }

    /// Adds a usable view of the face of `track`. Returns `None` if the view shows another face and
    /// is ignored.
    pub fn add_view(
        &mut self,
        now: Duration,
        track: TrackId,
        pose: Pose,
        embedding: Embedding,
        gallery: &Gallery,
    ) -> Option<Step> {
        let mean_view = mean(self.views.iter().map(|view| &view.embedding));
        let is_another_face = mean_view
            .is_some_and(|mean| mean.cosine(&embedding) < self.rules.same_person_threshold);
        if is_another_face {
            self.other_face_views += 1;
            return (self.other_face_views >= OTHER_FACE_VIEWS)
                .then_some(Step::Failed(EnrolmentFailure::FaceChanged));
        }
        self.other_face_views = 0;
        self.views.push(View { embedding, pose, captured_at: now });

        let count = u32::try_from(self.views.len()).unwrap_or(u32::MAX);
        let most_similar = mean(self.views.iter().map(|view| &view.embedding))
            .and_then(|mean_view| gallery.rank(&mean_view).first);
        let customer_above = |threshold| {
            most_similar.filter(|(_, cosine)| *cosine >= threshold).map(|(customer, _)| customer)
        };
        let has_enough_views = count >= 2;
        if has_enough_views
            && !self.is_another_person
            && customer_above(self.rules.customer_threshold).is_some()
        {
            return Some(Step::Failed(EnrolmentFailure::AlreadyEnrolled));
        }
        if count < self.rules.views {
            return Some(Step::Captured { count, of: self.rules.views });
        }
        let resembles = customer_above(self.rules.customer_threshold - self.rules.margin);
        let embeddings = self.views.drain(..).map(|view| view.embedding).collect();
        Some(Step::Complete { embeddings, track, resembles })
    }
}

#[cfg(test)]
mod tests {
    use instored_domain::CustomerId;
    use instored_vision::{Face, LANDMARK_COUNT, Tracker};

    use super::*;

    const RULES: Rules = Rules {
        views: 3,
        timeout: Duration::from_secs(20),
        same_person_threshold: 0.5,
        customer_threshold: 0.5,
        margin: 0.1,
    };

    /// Returns a unit vector in the plane, at an angle to the x axis.
    fn at(degrees: f32) -> Embedding {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Embedding::normalised(vec![cos, sin]).unwrap()
    }

    fn pose(yaw: f32) -> Pose {
        Pose { yaw, pitch: 0.55, roll: 0.0 }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Returns faces of these widths, side by side, each with a track.
    fn faces(widths: &[f32]) -> Vec<(TrackId, Rect)> {
        let face = |(i, width): (usize, &f32)| Face {
            bounds: Rect { x: 200.0 * i as f32, y: 0.0, width: *width, height: 100.0 },
            landmarks: [[0.0; 2]; LANDMARK_COUNT],
            score: 0.9,
        };
        let faces = widths.iter().enumerate().map(face).collect();
        let (tracked, _) = Tracker::new(ms(0)).update(ms(0), faces);
        tracked.into_iter().map(|t| (t.track, t.face.bounds)).collect()
    }

    /// Returns an enrolment after its first request to look at the camera.
    fn started() -> Enrolment {
        let mut enrolment = Enrolment::start(ms(0), RULES, false);
        assert!(matches!(enrolment.select_face(ms(0), &[]), Err(Step::LookHere)));
        enrolment
    }

    fn add_view(
        enrolment: &mut Enrolment,
        now: u64,
        degrees: f32,
        gallery: &Gallery,
    ) -> Option<Step> {
        let (track, _) = faces(&[100.0])[0];
        enrolment.add_view(ms(now), track, pose(degrees / 100.0), at(degrees), gallery)
    }

    #[test]
    fn different_views_of_one_face_complete_enrolment() {
        let (mut enrolment, empty_gallery) = (started(), Gallery::default());
        let step = add_view(&mut enrolment, 100, 0.0, &empty_gallery);
        assert!(matches!(step, Some(Step::Captured { count: 1, of: 3 })), "{step:?}");
        assert!(!enrolment.needs_pose(ms(500), &pose(0.01)), "the same pose");
        assert!(enrolment.needs_pose(ms(500), &pose(0.10)));
        assert!(
            enrolment.needs_pose(ms(1400), &pose(0.01)),
            "the same pose is captured after a while"
        );
        add_view(&mut enrolment, 500, 10.0, &empty_gallery);
        let Some(Step::Complete { embeddings, .. }) =
            add_view(&mut enrolment, 900, 20.0, &empty_gallery)
        else {
            panic!("not complete");
        };
        assert_eq!(embeddings.len(), 3);
    }

    #[test]
    fn views_have_a_minimum_interval() {
        let mut enrolment = started();
        let in_view = faces(&[100.0]);
        assert!(enrolment.select_face(ms(100), &in_view).unwrap().is_some());
        add_view(&mut enrolment, 100, 0.0, &Gallery::default());
        assert!(enrolment.select_face(ms(300), &in_view).unwrap().is_none());
        assert!(enrolment.select_face(ms(400), &in_view).unwrap().is_some());
    }

    #[test]
    fn enrolment_times_out() {
        let mut enrolment = started();
        assert!(matches!(
            enrolment.select_face(ms(20_001), &faces(&[100.0])),
            Err(Step::Failed(EnrolmentFailure::TimedOut))
        ));
    }

    #[test]
    fn second_face_fails_enrolment_except_in_background() {
        let mut enrolment = started();
        for now in [100, 600, 1100] {
            assert!(enrolment.select_face(ms(now), &faces(&[100.0, 80.0])).unwrap().is_none());
        }
        assert!(matches!(
            enrolment.select_face(ms(1200), &faces(&[100.0, 80.0])),
            Err(Step::Failed(EnrolmentFailure::SeveralFaces))
        ));
        let mut enrolment = started();
        for now in (100..2900).step_by(100) {
            let in_view = faces(&[40.0, 100.0]);
            assert_eq!(enrolment.select_face(ms(now), &in_view).unwrap(), Some(in_view[1].0));
        }
    }

    #[test]
    fn prompt_is_repeated_while_nobody_is_in_view() {
        let mut enrolment = started();
        assert!(enrolment.select_face(ms(2900), &[]).is_ok());
        assert!(matches!(enrolment.select_face(ms(3100), &[]), Err(Step::LookHere)));
        assert!(enrolment.select_face(ms(3200), &[]).is_ok());
    }

    #[test]
    fn enrolled_face_is_rejected() {
        let mut gallery = Gallery::default();
        gallery.insert(CustomerId(uuid::Uuid::from_u128(1)), [&at(5.0)]);
        let mut enrolment = started();
        assert!(matches!(
            add_view(&mut enrolment, 100, 0.0, &gallery),
            Some(Step::Captured { .. })
        ));
        assert!(matches!(
            add_view(&mut enrolment, 500, 10.0, &gallery),
            Some(Step::Failed(EnrolmentFailure::AlreadyEnrolled))
        ));
    }

    #[test]
    fn similar_face_is_enrolled_and_resemblance_is_reported() {
        let mut gallery = Gallery::default();
        let twin = CustomerId(uuid::Uuid::from_u128(1));
        for (degrees, is_another_person, is_enrolled, resembles) in [
            (5.0, true, true, Some(twin)),
            (5.0, false, false, None),
            (64.0, false, true, Some(twin)),
            (80.0, false, true, None),
        ] {
            gallery.insert(twin, [&at(degrees + 10.0)]);
            let mut enrolment = Enrolment::start(ms(0), RULES, is_another_person);
            let steps: Vec<_> = [(100, 0.0), (500, 10.0), (900, 20.0)]
                .into_iter()
                .filter_map(|(now, view)| add_view(&mut enrolment, now, view, &gallery))
                .collect();
            let reported = steps.iter().find_map(|step| match step {
                Step::Complete { resembles, .. } => Some(*resembles),
                _ => None,
            });
            assert_eq!(reported, is_enrolled.then_some(resembles), "{degrees} {is_another_person}");
        }
    }

    #[test]
    fn enrolment_fails_after_three_views_of_another_face() {
        let (mut enrolment, empty_gallery) = (started(), Gallery::default());
        add_view(&mut enrolment, 100, 0.0, &empty_gallery);
        assert!(add_view(&mut enrolment, 500, 120.0, &empty_gallery).is_none());
        assert!(
            add_view(&mut enrolment, 900, 10.0, &empty_gallery).is_some(),
            "the first face again"
        );
        assert!(add_view(&mut enrolment, 1300, 120.0, &empty_gallery).is_none());
        assert!(add_view(&mut enrolment, 1700, 120.0, &empty_gallery).is_none());
        assert!(matches!(
            add_view(&mut enrolment, 2100, 120.0, &empty_gallery),
            Some(Step::Failed(EnrolmentFailure::FaceChanged))
        ));
    }
}
