//! A frame goes in, and who came, who went and how an enrolment goes on comes out.

use std::collections::HashMap;
use std::time::Duration;

use instored_domain::{CustomerId, Embedding, EmbeddingCount, EnrolmentFailure, ModelId};
use instored_imaging::{Frame, Picture};
use instored_vision::{
    Calibration, Detector, Embedder, Face, Model, MotionDetector, PadModel, Quality, QualityLimits,
    Role, TrackId, TrackedFace, Tracker, VisionError, align,
};

use super::enrolment::{self, Enrolment, Step};
use super::pad_score::PadScore;
use super::presence::Presence;
use super::recognition_window::RecognitionWindow;
use super::track_decision::{self, STAGES, TrackDecision};
use super::{Gallery, Mode, PadMode, Settings};

/// What a frame brought to light.
#[derive(Debug)]
pub enum RecognitionEvent {
    /// A customer came in.
    Arrived(CustomerId),
    /// A customer that had come in is out of sight.
    Left(CustomerId),
    /// Somebody asked to be recognised, and is nobody who is enrolled.
    NotRecognised,
    /// A face may be a picture that somebody holds up.
    PresentationAttackSuspected,
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
    /// All views are there: to be stored, and then [`Recogniser::add_customer`].
    Enrolled {
        /// The views.
        embeddings: Vec<Embedding>,
        /// Where the person stands.
        track: TrackId,
        /// A customer whom they look much like: either is greeted only where there is no doubt.
        resembles: Option<CustomerId>,
    },
}

/// Everything between frames and people. One thread owns it.
pub struct Recogniser {
    detector: Detector,
    embedder: Embedder,
    liveness: Option<PadModel>,
    settings: Settings,
    calibration: Calibration,
    tracker: Tracker,
    gallery: Gallery,
    presence: Presence,
    unknown: HashMap<TrackId, Unknown>,
    enrolment: Option<Enrolment>,
    window: Option<RecognitionWindow>,
    limits: QualityLimits,
    now: Duration,
    /// Between the last two frames.
    interval: Duration,
    motion: MotionDetector,
    /// When faces were looked for, and the tracks of those that were found.
    looked: Duration,
    /// Frames in which faces were looked for so far.
    searches: u64,
    in_view: Vec<TrackId>,
}

/// A track that is nobody's yet.
#[derive(Default)]
struct Unknown {
    evidence: TrackDecision,
    pad_score: PadScore,
    /// It was told that this may be a picture.
    presented: bool,
}

/// A face that was not followed for so long is a new one: somebody else may have taken its place.
const TRACK_PATIENCE: Duration = Duration::from_millis(700);
/// For so long, with the next frame, faces are not looked for again while nothing moves; shorter than
/// [`TRACK_PATIENCE`], so that no track breaks by it.
const STILL_PATIENCE: Duration = Duration::from_millis(650);
/// As [`STILL_PATIENCE`], with nobody in view. Whatever comes, however slowly, is seen as soon as it
/// differs from the frame that was looked at last; this is for what differs too little.
const EMPTY_PATIENCE: Duration = Duration::from_secs(5);
/// Two views are of one person where a single stranger would pass for them this seldom.
const SAME_PERSON_FMR: f64 = 1e-3;

impl Recogniser {
    /// Loads the models. The gallery is empty until customers are added by [`add_customer`](Self::add_customer).
    ///
    /// # Errors
    /// When a model is missing, not what its card says, or cannot be run.
    pub fn new(
        models: &instored_vision::Settings,
        settings: &Settings,
    ) -> Result<Self, VisionError> {
        let detector = Detector::new(
            &Model::load(&models.detector, Role::Detector)?,
            models.detect_width,
            models.detect_height,
        )?;
        let embedder = Embedder::load(&models.embedder)?;
        let calibration =
            embedder.calibration().cloned().ok_or_else(|| VisionError::Unsupported {
                id: embedder.id().0.clone(),
                reason: "its card has no [calibration]; `instored evaluate calibrate` makes one"
                    .to_owned(),
            })?;
        let liveness = (settings.liveness != PadMode::Off)
            .then(|| PadModel::new(&Model::load(&models.liveness, Role::Pad)?))
            .transpose()?;
        Ok(Self {
            detector,
            embedder,
            liveness,
            calibration,
            tracker: Tracker::new(TRACK_PATIENCE),
            gallery: Gallery::default(),
            presence: Presence::new(Duration::from_secs_f32(settings.leave_seconds)),
            unknown: HashMap::new(),
            enrolment: None,
            window: (settings.mode == Mode::Entrance).then(RecognitionWindow::open),
            limits: QualityLimits {
                eye_distance: models.min_eye_distance,
                ..QualityLimits::default()
            },
            settings: settings.clone(),
            now: Duration::ZERO,
            interval: Duration::ZERO,
            motion: MotionDetector::default(),
            looked: Duration::ZERO,
            searches: 0,
            in_view: Vec::new(),
        })
    }

    /// Looks at a frame.
    ///
    /// # Errors
    /// When a network fails; the next frame may be looked at all the same.
    pub fn process(&mut self, frame: &Frame) -> Result<Vec<RecognitionEvent>, VisionError> {
        self.interval = frame.captured_at.saturating_sub(self.now);
        self.now = frame.captured_at;
        let mut sightings = Vec::new();
        if self.window.take_if(|window| window.is_over(frame.captured_at)).is_some() {
            sightings.push(RecognitionEvent::NotRecognised);
        }
        if self.may_look() && self.is_as_before(&frame.picture) {
            for track in &self.in_view {
                self.presence.seen(self.now, *track);
            }
        } else {
            let tracked = if self.may_look() { self.track(&frame.picture)? } else { self.rest() };
            sightings.extend(match self.enrolment.take() {
                Some(enrolment) => self.enrol(enrolment, &frame.picture, &tracked)?,
                None => self.recognise(&frame.picture, &tracked)?,
            });
        }
        sightings.extend(self.presence.overdue(self.now).into_iter().map(RecognitionEvent::Left));
        Ok(sightings)
    }

    /// Whether faces may be looked for: somebody may be recognised, enrols, or has to be seen
    /// leaving.
    fn may_look(&self) -> bool {
        self.window.is_some() || self.enrolment.is_some() || !self.presence.is_empty()
    }

    /// Whether the frame shows what the last one did that was looked at, not long ago, and nothing
    /// more is to be learnt from it: nobody was there, or only those who are known.
    fn is_as_before(&self, picture: &Picture) -> bool {
        let patience = if self.in_view.is_empty() { EMPTY_PATIENCE } else { STILL_PATIENCE };
        self.now.saturating_sub(self.looked) + self.interval <= patience
            && self.enrolment.is_none()
            && self.in_view.iter().all(|track| self.presence.is_settled(*track))
            && self.motion.is_still(picture)
    }

    /// Nobody may be looked for: nobody is in view.
    fn rest(&mut self) -> Vec<TrackedFace> {
        self.in_view.clear();
        self.motion.reset();
        Vec::new()
    }

    fn track(&mut self, picture: &Picture) -> Result<Vec<TrackedFace>, VisionError> {
        let faces = self.detector.detect(picture)?;
        let (tracked, ended) = self.tracker.update(self.now, faces);
        for track in ended {
            self.unknown.remove(&track);
        }
        for face in &tracked {
            self.presence.seen(self.now, face.track);
        }
        self.in_view = tracked.iter().map(|face| face.track).collect();
        self.looked = self.now;
        self.searches += 1;
        self.motion.set_reference(picture);
        Ok(tracked)
    }

    fn recognise(
        &mut self,
        picture: &Picture,
        tracked: &[TrackedFace],
    ) -> Result<Vec<RecognitionEvent>, VisionError> {
        let mut sightings = Vec::new();
        let Some(window) = &self.window else { return Ok(sightings) };
        // With nobody to recognise, nobody's embedding is made.
        if self.gallery.is_empty() {
            return Ok(sightings);
        }
        let rules = self.evidence_rules();
        let mut answered = false;
        for TrackedFace { track, face } in before_the_camera(window, tracked) {
            if self.presence.is_settled(*track) {
                continue;
            }
            let unknown = self.unknown.entry(*track).or_default();
            if !unknown.evidence.wants_view(self.now) {
                continue;
            }
            let Some((aligned, _)) = good_view(face, picture, &self.limits) else { continue };
            let Some(probe) = self.embedder.embed(&aligned, &window.purpose())? else { continue };
            let settled = unknown.evidence.add(self.now, &probe, &self.gallery, &rules);
            let presented = match &mut self.liveness {
                Some(model) => {
                    unknown
                        .pad_score
                        .add(model.bona_fide_probability(picture, &face.bounds)?, &face.landmarks);
                    unknown.pad_score.is_presented(model.threshold())
                }
                None => false,
            };
            if presented && !unknown.presented {
                unknown.presented = true;
                sightings.push(RecognitionEvent::PresentationAttackSuspected);
            }
            // Views that are too few to be called a picture are too few to rule one out.
            let enforced = self.settings.liveness == PadMode::Enforce;
            let Some(customer) = settled else { continue };
            if enforced && (presented || !unknown.pad_score.has_seen_enough()) {
                continue;
            }
            self.unknown.remove(track);
            if self.presence.recognised(self.now, *track, customer) {
                sightings.push(RecognitionEvent::Arrived(customer));
            }
            answered = true;
        }
        if answered {
            self.window.take_if(|window| window.was_asked_for());
        }
        Ok(sightings)
    }

    fn enrol(
        &mut self,
        mut enrolment: Enrolment,
        picture: &Picture,
        tracked: &[TrackedFace],
    ) -> Result<Vec<RecognitionEvent>, VisionError> {
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
            Ok(Some(Step::Failed(reason))) => {
                return Ok(vec![RecognitionEvent::EnrolmentFailed(reason)]);
            }
            Ok(Some(Step::Complete { embeddings, track, resembles })) => {
                let of = self.settings.enrolment_views;
                let all = RecognitionEvent::Captured { count: of, of };
                return Ok(vec![all, RecognitionEvent::Enrolled { embeddings, track, resembles }]);
            }
            Ok(Some(Step::LookHere)) => Ok(vec![RecognitionEvent::LookHere]),
            Ok(Some(Step::Captured { count, of })) => {
                Ok(vec![RecognitionEvent::Captured { count, of }])
            }
            Ok(None) => Ok(vec![]),
            Err(error) => Err(error),
        };
        self.enrolment = Some(enrolment);
        sightings
    }

    fn capture(
        &mut self,
        enrolment: &mut Enrolment,
        picture: &Picture,
        TrackedFace { track, face }: &TrackedFace,
    ) -> Result<Option<Step>, VisionError> {
        let Some((aligned, quality)) = good_view(face, picture, &self.limits) else {
            return Ok(None);
        };
        if !enrolment.wants(self.now, &quality.pose) {
            return Ok(None);
        }
        if let Some(model) = &mut self.liveness {
            let live = model.bona_fide_probability(picture, &face.bounds)?;
            let pad_score = enrolment.pad_score();
            pad_score.add(live, &face.landmarks);
            let presented = pad_score.is_presented(model.threshold());
            if presented && self.settings.liveness == PadMode::Enforce {
                return Ok(Some(Step::Failed(EnrolmentFailure::PresentationAttackSuspected)));
            }
        }
        let Some(embedding) = self.embedder.embed(&aligned, &enrolment.purpose())? else {
            return Ok(None);
        };
        Ok(enrolment.offer(self.now, *track, quality.pose, embedding, &self.gallery))
    }

    /// The threshold for a share of the wanted rate of strangers greeted.
    fn threshold(&self, share: f64) -> f32 {
        self.settings.threshold.unwrap_or_else(|| {
            self.calibration.gallery_threshold(self.settings.fpir * share, self.gallery.len())
        })
    }

    fn evidence_rules(&self) -> track_decision::Rules {
        let Settings { margin, views, .. } = self.settings;
        let thresholds = STAGES.map(|(_, share)| self.threshold(share));
        track_decision::Rules { thresholds, margin, views }
    }

    fn enrolment_rules(&self) -> enrolment::Rules {
        enrolment::Rules {
            views: self.settings.enrolment_views,
            timeout: Duration::from_secs_f32(self.settings.enrolment_seconds),
            same_person: self.calibration.threshold(SAME_PERSON_FMR, 1),
            customer: self.threshold(1.0),
            margin: self.settings.margin,
        }
    }

    /// Opens the recognition window for who has just asked for it. False when it is open already.
    /// [`RecognitionEvent::NotRecognised`] tells when it closes without an answer.
    pub fn open_window(&mut self) -> bool {
        let closed = self.window.is_none();
        if closed {
            let lasts = Duration::from_secs_f32(self.settings.request_seconds);
            self.window = Some(RecognitionWindow::until(self.now + lasts));
        }
        closed
    }

    /// Begins an enrolment. False when one is under way. `another_person`: somebody vouches that
    /// whoever enrols is not enrolled, however much they look like a customer.
    pub fn begin_enrolment(&mut self, another_person: bool) -> bool {
        let free = self.enrolment.is_none();
        if free {
            self.window.take_if(|window| window.was_asked_for());
            let rules = self.enrolment_rules();
            self.enrolment = Some(Enrolment::begin(self.now, rules, another_person));
        }
        free
    }

    /// Gives up an enrolment under way, if there is one; what it captured is zeroed.
    pub fn cancel_enrolment(&mut self) {
        self.enrolment = None;
    }

    /// Puts a customer into the gallery. `track` is where they stand if they have just enrolled:
    /// they are here, without having arrived.
    pub fn add_customer(
        &mut self,
        customer: CustomerId,
        templates: &[Embedding],
        track: Option<TrackId>,
    ) {
        self.gallery.insert(customer, templates);
        if let Some(track) = track {
            self.unknown.remove(&track);
            self.presence.enrolled(self.now, track, customer);
        }
    }

    /// Takes a customer out of the gallery, and does not look again at the face that stands there.
    pub fn remove_customer(&mut self, customer: CustomerId) {
        self.gallery.remove(customer);
        self.dismiss(customer);
    }

    /// Ends a customer's presence, without a [`RecognitionEvent::Left`]: the face that stands there is not
    /// theirs, and is not looked at again.
    pub fn dismiss(&mut self, customer: CustomerId) {
        self.presence.dismiss(customer);
    }

    /// Whether the latest frame showed a face.
    pub fn has_face_in_view(&self) -> bool {
        !self.in_view.is_empty()
    }

    /// Frames in which faces were looked for so far: not those that showed nothing new.
    pub fn detection_count(&self) -> u64 {
        self.searches
    }

    /// The customers in sight.
    pub fn present_customers(&self) -> Vec<CustomerId> {
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

/// The faces that may be recognised: where somebody asked for it, only the nearest, which is theirs.
fn before_the_camera<'a>(
    window: &RecognitionWindow,
    tracked: &'a [TrackedFace],
) -> impl Iterator<Item = &'a TrackedFace> {
    let nearest = tracked
        .iter()
        .max_by(|a, b| a.face.bounds.width.total_cmp(&b.face.bounds.width))
        .map(|t| t.track);
    let all = !window.was_asked_for();
    tracked.iter().filter(move |t| all || Some(t.track) == nearest)
}

/// The face cut out, if the view is good enough to say anything.
fn good_view(face: &Face, picture: &Picture, limits: &QualityLimits) -> Option<(Picture, Quality)> {
    let aligned = align(picture, &face.landmarks)?;
    let quality = Quality::measure(face, picture, &aligned);
    quality.issue(limits).is_none().then_some((aligned, quality))
}
