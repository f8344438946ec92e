//! From a press to a customer: look here, N good and differing views of one face, done.

use std::time::Duration;

use super::Gallery;
use super::gallery::mean;
use crate::domain::{Embedding, EnrolmentFailure};
use crate::vision::{Pose, Purpose, Rect, TrackId};

/// What makes an enrolment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Views needed.
    pub views: u32,
    /// When it is given up.
    pub timeout: Duration,
    /// Cosine from which two faces are one person's.
    pub same_person: f32,
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
    Complete { embeddings: Vec<Embedding>, track: TrackId },
}

impl Enrolment {
    pub fn begin(now: Duration, rules: Rules) -> Self {
        Self {
            rules,
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

    /// Takes a good view of the face of `track`.
    pub fn offer(
        &mut self,
        now: Duration,
        track: TrackId,
        pose: Pose,
        embedding: Embedding,
        gallery: &Gallery,
    ) -> Option<Step> {
        if let Some(so_far) = mean(self.views.iter().map(|v| &v.embedding)) {
            if so_far.cosine(&embedding) < self.rules.same_person {
                self.strange_views += 1;
                return (self.strange_views >= STRANGE_VIEWS)
                    .then_some(Step::Failed(EnrolmentFailure::FaceChanged));
            }
        }
        self.strange_views = 0;
        self.views.push(View { embedding, pose, taken: now });

        let count = u32::try_from(self.views.len()).unwrap_or(u32::MAX);
        let enough_to_tell = count >= self.rules.views.min(2);
        if enough_to_tell && self.is_customer(gallery) {
            return Some(Step::Failed(EnrolmentFailure::AlreadyEnrolled));
        }
        if count < self.rules.views {
            return Some(Step::Captured { count, of: self.rules.views });
        }
        let embeddings = self.views.drain(..).map(|v| v.embedding).collect();
        Some(Step::Complete { embeddings, track })
    }

    fn is_customer(&self, gallery: &Gallery) -> bool {
        mean(self.views.iter().map(|v| &v.embedding))
            .and_then(|face| gallery.rank(&face).first)
            .is_some_and(|(_, cosine)| cosine >= self.rules.same_person)
    }
}
