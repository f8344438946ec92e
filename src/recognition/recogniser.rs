//! A frame goes in, and who came, who went and how an enrolment goes on comes out.

use std::collections::HashMap;
use std::time::Duration;

use super::enrolment::{self, Enrolment, Step};
use super::evidence::{self, Evidence};
use super::presence::Presence;
use super::{Gallery, Settings};
use crate::domain::{CustomerId, Embedding, EnrolmentFailure, ModelId};
use crate::vision::{
    self, Detector, Embedder, EmbeddingCount, Face, Frame, Model, Picture, Purpose, Quality,
    QualityLimits, Role, TrackId, Tracked, Tracker, VisionError, align,
};

/// What a frame brought to light.
#[derive(Debug)]
pub enum Sighting {
    /// A customer came in.
    Arrived(CustomerId),
    /// A customer that had come in is out of sight.
    Left(CustomerId),
    /// The person who is enrolling should look at the camera.
    LookHere,
    /// One more good view of the person who is enrolling.
    Captured {
        /// Good views so far.
        count: u32,
        /// Good views needed.
        of: u32,
    },
    /// The enrolment is over, nothing is kept.
    EnrolmentFailed(EnrolmentFailure),
    /// All views are there: to be stored, and then [`Recogniser::admit`]ted.
    Enrolled {
        /// The views.
        embeddings: Vec<Embedding>,
        /// Where the person stands.
        track: TrackId,
    },
}

/// Everything between frames and people. One thread owns it.
pub struct Recogniser {
    detector: Detector,
    embedder: Embedder,
    tracker: Tracker,
    gallery: Gallery,
    presence: Presence,
    unknown: HashMap<TrackId, Unknown>,
    enrolment: Option<Enrolment>,
    window: Window,
    limits: QualityLimits,
    evidence_rules: evidence::Rules,
    enrolment_rules: enrolment::Rules,
    now: Duration,
    looking: bool,
}

/// A track that is nobody's yet.
#[derive(Default)]
struct Unknown {
    evidence: Evidence,
    /// Somebody said that this is not who we thought, or withdrew: not looked at again.
    left_alone: bool,
}

/// While it exists, whoever comes in is recognised if they opted in.
struct Window;

impl Window {
    fn purpose(&self) -> Purpose<'_> {
        Purpose::recognition(self)
    }
}

/// A face that was not followed for so long is a new one.
const TRACK_PATIENCE: Duration = Duration::from_millis(1500);

impl Recogniser {
    /// Loads the models. The gallery is empty until customers are [`admit`](Self::admit)ted.
    ///
    /// # Errors
    /// When a model is missing, not what its card says, or of no use to tract.
    pub fn new(models: &vision::Settings, settings: &Settings) -> Result<Self, VisionError> {
        let detector = Detector::new(
            &Model::load(&models.detector, Role::Detector)?,
            models.detect_width,
            models.detect_height,
        )?;
        let embedder = Embedder::new(&Model::load(&models.embedder, Role::Embedder)?)?;
        Ok(Self {
            tracker: Tracker::new(TRACK_PATIENCE),
            gallery: Gallery::default(),
            presence: Presence::new(Duration::from_secs_f32(settings.leave_seconds)),
            unknown: HashMap::new(),
            enrolment: None,
            window: Window,
            limits: QualityLimits {
                eye_distance: models.min_eye_distance,
                ..QualityLimits::default()
            },
            evidence_rules: evidence::Rules {
                threshold: settings.threshold.unwrap_or(embedder.threshold()),
                margin: settings.margin,
                views: settings.views,
            },
            enrolment_rules: enrolment::Rules {
                views: settings.enrolment_views,
                timeout: Duration::from_secs_f32(settings.enrolment_seconds),
                same_person: embedder.threshold(),
            },
            now: Duration::ZERO,
            looking: false,
            detector,
            embedder,
        })
    }

    /// Looks at a frame.
    ///
    /// # Errors
    /// When a network fails; the next frame may be looked at all the same.
    pub fn see(&mut self, frame: &Frame) -> Result<Vec<Sighting>, VisionError> {
        self.now = frame.taken;
        let faces = self.detector.detect(&frame.picture)?;
        let (tracked, ended) = self.tracker.update(self.now, faces);
        self.looking = !tracked.is_empty();
        for track in ended {
            self.unknown.remove(&track);
        }
        for face in &tracked {
            self.presence.seen(self.now, face.track);
        }
        let mut sightings = match self.enrolment.take() {
            Some(enrolment) => self.enrol(enrolment, &frame.picture, &tracked)?,
            None => self.recognise(&frame.picture, &tracked)?,
        };
        sightings.extend(self.presence.overdue(self.now).into_iter().map(Sighting::Left));
        Ok(sightings)
    }

    fn recognise(
        &mut self,
        picture: &Picture,
        tracked: &[Tracked],
    ) -> Result<Vec<Sighting>, VisionError> {
        let mut sightings = Vec::new();
        // With nobody to recognise, nobody's embedding is made.
        if self.gallery.is_empty() {
            return Ok(sightings);
        }
        for Tracked { track, face } in tracked {
            if self.presence.customer_of(*track).is_some() {
                continue;
            }
            let unknown = self.unknown.entry(*track).or_default();
            if unknown.left_alone || !unknown.evidence.wants_view(self.now) {
                continue;
            }
            let Some((aligned, _)) = good_view(face, picture, &self.limits) else { continue };
            let probe = self.embedder.embed(&aligned, &self.window.purpose())?;
            let settled =
                unknown.evidence.add(self.now, probe, &self.gallery, &self.evidence_rules);
            if let Some(customer) = settled {
                self.unknown.remove(track);
                if self.presence.recognised(self.now, *track, customer) {
                    sightings.push(Sighting::Arrived(customer));
                }
            }
        }
        Ok(sightings)
    }

    fn enrol(
        &mut self,
        mut enrolment: Enrolment,
        picture: &Picture,
        tracked: &[Tracked],
    ) -> Result<Vec<Sighting>, VisionError> {
        let places: Vec<_> = tracked.iter().map(|t| (t.track, t.face.bounds)).collect();
        let chosen = enrolment.choose(self.now, &places);
        let step = match chosen {
            Err(step) => Ok(Some(step)),
            Ok(chosen) => tracked
                .iter()
                .find(|t| Some(t.track) == chosen)
                .map_or(Ok(None), |t| self.capture(&mut enrolment, picture, t)),
        };
        let sightings = match step {
            Ok(Some(Step::Failed(reason))) => return Ok(vec![Sighting::EnrolmentFailed(reason)]),
            Ok(Some(Step::Complete { embeddings, track })) => {
                let of = self.enrolment_rules.views;
                let all = Sighting::Captured { count: of, of };
                return Ok(vec![all, Sighting::Enrolled { embeddings, track }]);
            }
            Ok(Some(Step::LookHere)) => Ok(vec![Sighting::LookHere]),
            Ok(Some(Step::Captured { count, of })) => Ok(vec![Sighting::Captured { count, of }]),
            Ok(None) => Ok(vec![]),
            Err(error) => Err(error),
        };
        self.enrolment = Some(enrolment);
        sightings
    }

    fn capture(
        &self,
        enrolment: &mut Enrolment,
        picture: &Picture,
        Tracked { track, face }: &Tracked,
    ) -> Result<Option<Step>, VisionError> {
        let Some((aligned, quality)) = good_view(face, picture, &self.limits) else {
            return Ok(None);
        };
        if !enrolment.wants(self.now, &quality.pose) {
            return Ok(None);
        }
        let embedding = self.embedder.embed(&aligned, &enrolment.purpose())?;
        Ok(enrolment.offer(self.now, *track, quality.pose, embedding, &self.gallery))
    }

    /// Begins an enrolment. False when one is under way.
    pub fn begin_enrolment(&mut self) -> bool {
        let free = self.enrolment.is_none();
        if free {
            self.enrolment = Some(Enrolment::begin(self.now, self.enrolment_rules));
        }
        free
    }

    /// Gives up an enrolment under way, if there is one; what it captured is zeroed.
    pub fn cancel_enrolment(&mut self) {
        self.enrolment = None;
    }

    /// Puts a customer into the gallery. `track` is where they stand if they have just enrolled:
    /// they are here, without having arrived.
    pub fn admit(&mut self, customer: CustomerId, templates: &[Embedding], track: Option<TrackId>) {
        self.gallery.admit(customer, templates);
        if let Some(track) = track {
            self.unknown.remove(&track);
            self.presence.enrolled(self.now, track, customer);
        }
    }

    /// Takes a customer out of the gallery, and does not look again at the face that stands there.
    pub fn forget(&mut self, customer: CustomerId) {
        self.gallery.remove(customer);
        self.dismiss(customer);
    }

    /// Ends a customer's presence, without a [`Sighting::Left`]: the face that stands there is not
    /// theirs, and is not looked at again.
    pub fn dismiss(&mut self, customer: CustomerId) {
        for track in self.presence.tracks_of(customer) {
            self.unknown.insert(track, Unknown { evidence: Evidence::default(), left_alone: true });
        }
        self.presence.remove(customer);
    }

    /// Whether the latest frame showed a face.
    pub fn is_looking(&self) -> bool {
        self.looking
    }

    /// The customers in sight.
    pub fn present(&self) -> Vec<CustomerId> {
        self.presence.customers()
    }

    /// The embedder's id, which templates have to bear.
    pub fn model(&self) -> &ModelId {
        self.embedder.id()
    }

    /// Embeddings made so far, by purpose.
    pub fn embedding_count(&self) -> EmbeddingCount {
        self.embedder.count()
    }
}

/// The face cut out, if the view is good enough to say anything.
fn good_view(face: &Face, picture: &Picture, limits: &QualityLimits) -> Option<(Picture, Quality)> {
    let aligned = align(picture, &face.landmarks)?;
    let quality = Quality::of(face, picture, &aligned);
    quality.shortcoming(limits).is_none().then_some((aligned, quality))
}
