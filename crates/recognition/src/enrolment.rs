//! From a press to a customer: look here, N good and differing views of one face, done.

use std::time::Duration;

use instored_domain::{CustomerId, Embedding, EnrolmentFailure};
use instored_vision::{Pose, Purpose, Rect, TrackId};

use super::Gallery;
use super::gallery::mean;
use super::pad_score::PadScore;

/// What makes an enrolment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Views needed.
    pub views: u32,
    /// When it is given up.
    pub timeout: Duration,
    /// Cosine from which two views are one person's.
    pub same_person: f32,
    /// Cosine from which a face is a customer's already.
    pub customer: f32,
    /// From so much below `customer` on, a face resembles a customer.
    pub margin: f32,
}

/// At least so long between two views, so that they are not one moment twice.
const SPACING: Duration = Duration::from_millis(300);
/// Who holds still for so long gets a view that is like the one before.
const HOLDS_STILL: Duration = Duration::from_millis(1200);
/// Without a good view for so long the customer is asked again to look.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// A second face may pass for so long.
const MAY_PASS: Duration = Duration::from_secs(1);
/// A face this much narrower than the nearest one stands behind.
const STANDS_BEHIND: f32 = 0.6;
/// So many views in a row of somebody else end it.
const STRANGE_VIEWS: u32 = 3;

/// An enrolment under way. Dropping it zeroes what was captured.
pub(super) struct Enrolment {
    rules: Rules,
    /// Somebody vouches that this is nobody who is enrolled, however alike they look.
    another_person: bool,
    pad_score: PadScore,
    began: Duration,
    views: Vec<View>,
    asked: Option<Duration>,
    crowded_since: Option<Duration>,
    strange_views: u32,
}

struct View {
    embedding: Embedding,
    pose: Pose,
    taken: Duration,
}

/// What a frame brought.
#[derive(Debug)]
pub(super) enum Step {
    /// The customer should look at the camera.
    LookHere,
    /// One more good view.
    Captured { count: u32, of: u32 },
    /// It is over, nothing is kept.
    Failed(EnrolmentFailure),
    /// All views are there.
    Complete { embeddings: Vec<Embedding>, track: TrackId, resembles: Option<CustomerId> },
}

impl Enrolment {
    pub fn begin(now: Duration, rules: Rules, another_person: bool) -> Self {
        Self {
            rules,
            another_person,
            pad_score: PadScore::default(),
            began: now,
            views: Vec::new(),
            asked: None,
            crowded_since: None,
            strange_views: 0,
        }
    }

    /// The reason to make embeddings as long as this enrolment lasts.
    pub fn purpose(&self) -> Purpose<'_> {
        Purpose::enrolment(self)
    }

    /// Looks at where the faces of a frame are. `Ok` names the one whose view may be taken.
    pub fn choose(
        &mut self,
        now: Duration,
        faces: &[(TrackId, Rect)],
    ) -> Result<Option<TrackId>, Step> {
        if now.saturating_sub(self.began) > self.rules.timeout {
            return Err(Step::Failed(EnrolmentFailure::TimedOut));
        }
        let nearest = faces.iter().max_by(|a, b| a.1.width.total_cmp(&b.1.width));
        let crowd = nearest.map_or(0, |(_, nearest)| {
            faces.iter().filter(|(_, f)| f.width >= nearest.width * STANDS_BEHIND).count()
        });
        if crowd > 1 {
            let since = *self.crowded_since.get_or_insert(now);
            if now.saturating_sub(since) > MAY_PASS {
                return Err(Step::Failed(EnrolmentFailure::SeveralFaces));
            }
            return Ok(None);
        }
        self.crowded_since = None;
        let latest = self.views.last().map_or(self.began, |v| v.taken);
        let quiet_since = latest.max(self.asked.unwrap_or_default());
        if self.asked.is_none() || now.saturating_sub(quiet_since) > ASK_AGAIN {
            self.asked = Some(now);
            return Err(Step::LookHere);
        }
        let spaced = self.views.is_empty() || now.saturating_sub(latest) >= SPACING;
        Ok(nearest.map(|(track, _)| *track).filter(|_| spaced))
    }

    /// Whether a view in this pose would teach anything.
    pub fn wants(&self, now: Duration, pose: &Pose) -> bool {
        self.views.last().is_none_or(|last| now.saturating_sub(last.taken) >= HOLDS_STILL)
            || self.views.iter().all(|v| v.pose.differs_from(pose))
    }

    /// The signs of life of the views.
    pub fn pad_score(&mut self) -> &mut PadScore {
        &mut self.pad_score
    }

    /// Takes a good view of the face of `track`.
    pub fn offer(
        &mut self,
        now: Duration,
        track: TrackId,
        pose: Pose,
        embedding: Embedding,
        gallery: &Gallery,
    ) -> Option<Step> {
        let so_far = mean(self.views.iter().map(|v| &v.embedding));
        if so_far.is_some_and(|face| face.cosine(&embedding) < self.rules.same_person) {
            self.strange_views += 1;
            return (self.strange_views >= STRANGE_VIEWS)
                .then_some(Step::Failed(EnrolmentFailure::FaceChanged));
        }
        self.strange_views = 0;
        self.views.push(View { embedding, pose, taken: now });

        let count = u32::try_from(self.views.len()).unwrap_or(u32::MAX);
        let nearest = mean(self.views.iter().map(|v| &v.embedding))
            .and_then(|face| gallery.rank(&face).first);
        let at_least = |cosine| nearest.filter(|(_, found)| *found >= cosine).map(|(who, _)| who);
        let enough_to_tell = count >= self.rules.views.min(2);
        if enough_to_tell && !self.another_person && at_least(self.rules.customer).is_some() {
            return Some(Step::Failed(EnrolmentFailure::AlreadyEnrolled));
        }
        if count < self.rules.views {
            return Some(Step::Captured { count, of: self.rules.views });
        }
        let resembles = at_least(self.rules.customer - self.rules.margin);
        let embeddings = self.views.drain(..).map(|v| v.embedding).collect();
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
        same_person: 0.5,
        customer: 0.5,
        margin: 0.1,
    };

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

    /// Faces of these widths, side by side, with tracks of their own.
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

    fn begun() -> Enrolment {
        let mut enrolment = Enrolment::begin(ms(0), RULES, false);
        assert!(matches!(enrolment.choose(ms(0), &[]), Err(Step::LookHere)));
        enrolment
    }

    fn offer(enrolment: &mut Enrolment, now: u64, degrees: f32, gallery: &Gallery) -> Option<Step> {
        let (track, _) = faces(&[100.0])[0];
        enrolment.offer(ms(now), track, pose(degrees / 100.0), at(degrees), gallery)
    }

    #[test]
    fn good_and_differing_views_of_one_face_complete_it() {
        let (mut enrolment, nobody) = (begun(), Gallery::default());
        let step = offer(&mut enrolment, 100, 0.0, &nobody);
        assert!(matches!(step, Some(Step::Captured { count: 1, of: 3 })), "{step:?}");
        assert!(!enrolment.wants(ms(500), &pose(0.01)), "the same view again");
        assert!(enrolment.wants(ms(500), &pose(0.10)));
        assert!(enrolment.wants(ms(1400), &pose(0.01)), "who holds still gets on, too");
        offer(&mut enrolment, 500, 10.0, &nobody);
        let Some(Step::Complete { embeddings, .. }) = offer(&mut enrolment, 900, 20.0, &nobody)
        else {
            panic!("not complete");
        };
        assert_eq!(embeddings.len(), 3);
    }

    #[test]
    fn views_are_a_moment_apart() {
        let mut enrolment = begun();
        let here = faces(&[100.0]);
        assert!(enrolment.choose(ms(100), &here).unwrap().is_some());
        offer(&mut enrolment, 100, 0.0, &Gallery::default());
        assert!(enrolment.choose(ms(300), &here).unwrap().is_none());
        assert!(enrolment.choose(ms(400), &here).unwrap().is_some());
    }

    #[test]
    fn it_times_out() {
        let mut enrolment = begun();
        assert!(matches!(
            enrolment.choose(ms(20_001), &faces(&[100.0])),
            Err(Step::Failed(EnrolmentFailure::TimedOut))
        ));
    }

    #[test]
    fn two_faces_side_by_side_are_refused_but_one_behind_is_not() {
        let mut enrolment = begun();
        for now in [100, 600, 1100] {
            assert!(enrolment.choose(ms(now), &faces(&[100.0, 80.0])).unwrap().is_none());
        }
        assert!(matches!(
            enrolment.choose(ms(1200), &faces(&[100.0, 80.0])),
            Err(Step::Failed(EnrolmentFailure::SeveralFaces))
        ));
        let mut enrolment = begun();
        for now in (100..2900).step_by(100) {
            let here = faces(&[40.0, 100.0]);
            assert_eq!(enrolment.choose(ms(now), &here).unwrap(), Some(here[1].0));
        }
    }

    #[test]
    fn nobody_there_is_asked_again_to_look() {
        let mut enrolment = begun();
        assert!(enrolment.choose(ms(2900), &[]).is_ok());
        assert!(matches!(enrolment.choose(ms(3100), &[]), Err(Step::LookHere)));
        assert!(enrolment.choose(ms(3200), &[]).is_ok());
    }

    #[test]
    fn a_face_that_is_a_customer_already_is_refused() {
        let mut gallery = Gallery::default();
        gallery.insert(CustomerId(uuid::Uuid::from_u128(1)), [&at(5.0)]);
        let mut enrolment = begun();
        assert!(matches!(offer(&mut enrolment, 100, 0.0, &gallery), Some(Step::Captured { .. })));
        assert!(matches!(
            offer(&mut enrolment, 500, 10.0, &gallery),
            Some(Step::Failed(EnrolmentFailure::AlreadyEnrolled))
        ));
    }

    #[test]
    fn who_only_looks_like_a_customer_can_enrol_all_the_same_and_is_told() {
        let mut gallery = Gallery::default();
        let twin = CustomerId(uuid::Uuid::from_u128(1));
        for (degrees, another_person, enrols, resembles) in [
            (5.0, true, true, Some(twin)),
            (5.0, false, false, None),
            (64.0, false, true, Some(twin)),
            (80.0, false, true, None),
        ] {
            gallery.insert(twin, [&at(degrees + 10.0)]);
            let mut enrolment = Enrolment::begin(ms(0), RULES, another_person);
            let steps: Vec<_> = [(100, 0.0), (500, 10.0), (900, 20.0)]
                .into_iter()
                .filter_map(|(now, view)| offer(&mut enrolment, now, view, &gallery))
                .collect();
            let told = steps.iter().find_map(|step| match step {
                Step::Complete { resembles, .. } => Some(*resembles),
                _ => None,
            });
            assert_eq!(told, enrols.then_some(resembles), "{degrees} {another_person}");
        }
    }

    #[test]
    fn somebody_else_stepping_in_ends_it_and_one_odd_view_does_not() {
        let (mut enrolment, nobody) = (begun(), Gallery::default());
        offer(&mut enrolment, 100, 0.0, &nobody);
        assert!(offer(&mut enrolment, 500, 120.0, &nobody).is_none());
        assert!(offer(&mut enrolment, 900, 10.0, &nobody).is_some(), "the first face again");
        assert!(offer(&mut enrolment, 1300, 120.0, &nobody).is_none());
        assert!(offer(&mut enrolment, 1700, 120.0, &nobody).is_none());
        assert!(matches!(
            offer(&mut enrolment, 2100, 120.0, &nobody),
            Some(Step::Failed(EnrolmentFailure::FaceChanged))
        ));
    }
}
