//! Processing of a frame: detection, recognition, enrolment and presence.

use std::collections::HashMap;
use std::time::Duration;

use instored_domain::{
    CustomerId, Embedding, EmbeddingCount, EnrolmentFailure, FaceCount, ModelId, RecognitionEvent,
    TrackId,
};
use instored_imaging::{Frame, Picture};
use instored_vision::{
    Calibration, Detector, Embedder, Face, Model, MotionDetector, PadModel, Quality, QualityLimits,
    Role, TrackedFace, Tracker, VisionError, align,
};
use zeroize::Zeroizing;

use crate::attention::{self, Attention};
use crate::enrolment::{self, Enrolment, Step};
use crate::pad_score::PadScore;
use crate::presence::Presence;
use crate::recognition_window::RecognitionWindow;
use crate::track_decision::{self, STAGES, TrackDecision};
use crate::{Gallery, Mode, PadMode, Settings};

/// Recognition pipeline from frames to events. One thread owns it.
pub struct Recogniser {
    detector: Detector,
    embedder: Embedder,
    pad_model: Option<PadModel>,
    settings: Settings,
    calibration: Calibration,
    tracker: Tracker,
    gallery: Gallery,
    presence: Presence,
    /// Evidence of strangers. Boxed, so that no copy is left in freed memory when the map grows.
    unknown_tracks: HashMap<TrackId, Box<UnknownTrack>>,
    enrolment: Option<Enrolment>,
    window: Option<RecognitionWindow>,
    quality_limits: QualityLimits,
    /// Time of the latest frame.
    now: Duration,
    /// Time between the last two frames.
    interval: Duration,
    motion: MotionDetector,
    /// Time of the latest detection.
    last_detection: Duration,
    /// Number of frames on which face detection ran.
    detection_count: u64,
    face_count: FaceCount,
    /// Tracks of the latest detection.
    in_view: Vec<TrackId>,
}

/// State of a track that does not belong to a visit yet.
#[derive(Default)]
struct UnknownTrack {
    attention: Attention,
    has_attended: bool,
    is_embedded: bool,
    decision: TrackDecision,
    pad_score: PadScore,
    /// True after a presentation attack was reported.
    is_attack_reported: bool,
}

/// Time without a detection after which a track ends. After a longer gap, another person may be at
/// the same position.
const TRACK_TIMEOUT: Duration = Duration::from_millis(700);
/// Longest time between two detections while the picture does not change and every face in view
/// belongs to a visit. It is shorter than [`TRACK_TIMEOUT`], so that no track ends.
const STILL_DETECTION_INTERVAL: Duration = Duration::from_millis(650);
/// Longest time between two detections while the picture does not change and no face is in view. A
/// visible change causes a detection at once. The interval is for changes below the limit of the
/// motion detector.
const EMPTY_DETECTION_INTERVAL: Duration = Duration::from_secs(5);
/// False match rate of the test that two views show the same person.
const SAME_PERSON_FMR: f64 = 1e-3;

impl Recogniser {
    /// Loads the models. The gallery is empty until customers are added by
    /// [`add_customer`](Self::add_customer).
    ///
    /// # Errors
    /// If a model is missing, differs from its manifest, or cannot be run.
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
        let calibration = embedder.calibration().cloned().ok_or_else(|| {
            VisionError::Unsupported {
            id: embedder.id().0.clone(),
            reason:
                "its manifest has no [calibration]; create one with `instored evaluate calibrate`"
                    .to_owned(),
        }
        })?;
        let pad_model = (settings.liveness != PadMode::Off)
            .then(|| PadModel::new(&Model::load(&models.liveness, Role::Pad)?))
            .transpose()?;
        Ok(Self {
            detector,
            embedder,
            pad_model,
            calibration,
            tracker: Tracker::new(TRACK_TIMEOUT),
            gallery: Gallery::default(),
            presence: Presence::new(Duration::from_secs_f32(settings.leave_seconds)),
            unknown_tracks: HashMap::new(),
            enrolment: None,
            window: (settings.mode == Mode::Entrance).then(RecognitionWindow::permanent),
            quality_limits: QualityLimits {
                eye_distance: models.min_eye_distance,
                ..QualityLimits::default()
            },
            settings: settings.clone(),
            now: Duration::ZERO,
            interval: Duration::ZERO,
            motion: MotionDetector::default(),
            last_detection: Duration::ZERO,
            detection_count: 0,
            face_count: FaceCount::default(),
            in_view: Vec::new(),
        })
    }

    /// Processes a frame and returns its events.
    ///
    /// # Errors
    /// If a network fails. The next frame can still be processed.
    pub fn process(&mut self, frame: &Frame) -> Result<Vec<RecognitionEvent>, VisionError> {
        self.interval = frame.captured_at.saturating_sub(self.now);
        self.now = frame.captured_at;
        let mut events = Vec::new();
        if self.window.as_ref().is_some_and(|window| window.is_expired(frame.captured_at)) {
            self.close_window();
            events.push(RecognitionEvent::NotRecognised);
        }
        if self.is_detection_permitted() && self.can_skip_detection(&frame.picture) {
            for track in &self.in_view {
                self.presence.update(self.now, *track);
            }
            for track in self.tracker.end_stale(self.now) {
                self.unknown_tracks.remove(&track);
            }
        } else {
            let faces = if self.is_detection_permitted() {
                self.detect(&frame.picture)?
            } else {
                self.set_idle();
                Vec::new()
            };
            events.extend(match self.enrolment.take() {
                Some(enrolment) => self.enrol(enrolment, &frame.picture, &faces)?,
                None => self.recognise(&frame.picture, &faces)?,
            });
        }
        events.extend(self.presence.end_overdue(self.now).into_iter().map(RecognitionEvent::Left));
        Ok(events)
    }

    /// Returns true if faces may be detected: for recognition, for an enrolment, or to find the end
    /// of a visit.
    fn is_detection_permitted(&self) -> bool {
        self.window.is_some() || self.enrolment.is_some() || !self.presence.is_empty()
    }

    /// Returns true if the frame needs no detection: the last detection is recent, the picture has
    /// not changed, and every face in view belongs to a visit.
    fn can_skip_detection(&self, picture: &Picture) -> bool {
        let max_interval = if self.in_view.is_empty() {
            EMPTY_DETECTION_INTERVAL
        } else {
            STILL_DETECTION_INTERVAL
        };
        // Without a detection in this frame, the next frame must still be within the interval.
        self.now.saturating_sub(self.last_detection) + self.interval <= max_interval
            && self.enrolment.is_none()
            && self.in_view.iter().all(|track| self.presence.is_resolved(*track))
            && self.motion.is_still(picture)
    }

    /// Discards the faces in view and the evidence of strangers, because nobody may be searched for: the
    /// recognition window is closed, or the camera is lost.
    pub fn set_idle(&mut self) {
        self.unknown_tracks.clear();
        self.in_view.clear();
        self.motion.reset();
    }

    /// Closes the recognition window and discards the evidence of strangers.
    fn close_window(&mut self) {
        self.window = None;
        self.unknown_tracks.clear();
    }

    /// Detects and tracks the faces of a picture.
    fn detect(&mut self, picture: &Picture) -> Result<Vec<TrackedFace>, VisionError> {
        let faces = self.detector.detect(picture)?;
        let (tracked, ended) = self.tracker.update(self.now, faces);
        for track in ended {
            self.unknown_tracks.remove(&track);
        }
        for face in &tracked {
            self.presence.update(self.now, face.track);
        }
        self.in_view = tracked.iter().map(|face| face.track).collect();
        self.last_detection = self.now;
        self.detection_count += 1;
        self.face_count.seen = self.tracker.track_count();
        self.motion.set_reference(picture);
        Ok(tracked)
    }

    /// Recognises the faces that do not belong to a visit yet.
    fn recognise(
        &mut self,
        picture: &Picture,
        faces: &[TrackedFace],
    ) -> Result<Vec<RecognitionEvent>, VisionError> {
        let mut events = Vec::new();
        let Some(window) = &self.window else { return Ok(events) };
        let rules = self.decision_rules();
        let attention_rules = self.attention_rules(picture);
        // Track whose result ends the request for recognition.
        let mut resolved = None;
        let mut has_arrived = false;
        for TrackedFace { track, face } in eligible_faces(window, faces) {
            if self.presence.is_resolved(*track) {
                resolved = window.is_requested().then_some(*track);
                continue;
            }
            let unknown = self.unknown_tracks.entry(*track).or_default();
            // A person who requested recognition need not show attention.
            if !window.is_requested() {
                if !unknown.attention.update(self.now, face, &attention_rules) {
                    continue;
                }
                if !std::mem::replace(&mut unknown.has_attended, true) {
                    self.face_count.attended += 1;
                }
            }
            // Without customers nobody can be recognised, so no embedding is computed.
            if self.gallery.is_empty() {
                continue;
            }
            if !unknown.decision.is_view_due(self.now) {
                continue;
            }
            let Some((aligned, _)) = usable_view(face, picture, &self.quality_limits) else {
                continue;
            };
            if !std::mem::replace(&mut unknown.is_embedded, true) {
                self.face_count.embedded += 1;
            }
            let Some(probe) = self.embedder.embed(&aligned, &window.purpose())? else { continue };
            let decided = unknown.decision.add(self.now, &probe, &self.gallery, &rules);
            let is_attack = match &mut self.pad_model {
                Some(model) => {
                    let bona_fide = model.bona_fide_probability(picture, &face.bounds)?;
                    unknown.pad_score.add(bona_fide, &face.landmarks);
                    unknown.pad_score.is_attack(model.threshold())
                }
                None => false,
            };
            if is_attack && !unknown.is_attack_reported {
                unknown.is_attack_reported = true;
                events.push(RecognitionEvent::PresentationAttackSuspected);
            }
            let Some(customer) = decided else { continue };
            // With too few views, an attack cannot be ruled out.
            let is_enforced = self.settings.liveness == PadMode::Enforce;
            if is_enforced && (is_attack || !unknown.pad_score.has_enough_views()) {
                continue;
            }
            self.unknown_tracks.remove(track);
            if self.presence.add_recognised(self.now, *track, customer) {
                events.push(RecognitionEvent::Arrived(customer));
                has_arrived = true;
            }
            resolved = window.is_requested().then_some(*track);
        }
        if let Some(track) = resolved {
            self.close_window();
            if !has_arrived {
                events.push(match self.presence.customer(track) {
                    Some(customer) => RecognitionEvent::RecognisedAgain(customer),
                    None => RecognitionEvent::NotRecognised,
                });
            }
        }
        Ok(events)
    }

    /// Advances an enrolment, and keeps it unless it has ended.
    fn enrol(
        &mut self,
        mut enrolment: Enrolment,
        picture: &Picture,
        faces: &[TrackedFace],
    ) -> Result<Vec<RecognitionEvent>, VisionError> {
        let bounds: Vec<_> = faces.iter().map(|face| (face.track, face.face.bounds)).collect();
        let step = match enrolment.select_face(self.now, &bounds) {
            Err(step) => Ok(Some(step)),
            Ok(selected) => faces
                .iter()
                .find(|face| Some(face.track) == selected)
                .map_or(Ok(None), |face| self.capture(&mut enrolment, picture, face)),
        };
        let events = match step {
            Ok(Some(Step::Failed(reason))) => {
                return Ok(vec![RecognitionEvent::EnrolmentFailed(reason)]);
            }
            Ok(Some(Step::Complete { embeddings, track, resembles })) => {
                let views = self.settings.enrolment_views;
                return Ok(vec![
                    RecognitionEvent::Captured { count: views, of: views },
                    RecognitionEvent::Enrolled { embeddings, track, resembles },
                ]);
            }
            Ok(Some(Step::LookHere)) => Ok(vec![RecognitionEvent::LookHere]),
            Ok(Some(Step::Captured { count, of })) => {
                Ok(vec![RecognitionEvent::Captured { count, of }])
            }
            Ok(None) => Ok(vec![]),
            Err(error) => Err(error),
        };
        self.enrolment = Some(enrolment);
        events
    }

    /// Captures a view for an enrolment, if the view is usable and its pose is needed.
    fn capture(
        &mut self,
        enrolment: &mut Enrolment,
        picture: &Picture,
        TrackedFace { track, face }: &TrackedFace,
    ) -> Result<Option<Step>, VisionError> {
        let Some((aligned, quality)) = usable_view(face, picture, &self.quality_limits) else {
            return Ok(None);
        };
        if !enrolment.needs_pose(self.now, &quality.pose) {
            return Ok(None);
        }
        if let Some(model) = &mut self.pad_model {
            let bona_fide = model.bona_fide_probability(picture, &face.bounds)?;
            let pad_score = enrolment.pad_score();
            pad_score.add(bona_fide, &face.landmarks);
            let is_attack = pad_score.is_attack(model.threshold());
            if is_attack && self.settings.liveness == PadMode::Enforce {
                return Ok(Some(Step::Failed(EnrolmentFailure::PresentationAttackSuspected)));
            }
        }
        let Some(embedding) = self.embedder.embed(&aligned, &enrolment.purpose())? else {
            return Ok(None);
        };
        Ok(enrolment.add_view(self.now, *track, quality.pose, embedding, &self.gallery))
    }

    /// Returns the cosine threshold for a share of the target FPIR.
    fn threshold(&self, share: f64) -> f32 {
        self.settings.threshold.unwrap_or_else(|| {
            self.calibration.gallery_threshold(self.settings.fpir * share, self.gallery.len())
        })
    }

    /// Returns the limits of a decision over a track.
    fn decision_rules(&self) -> track_decision::Rules {
        let Settings { margin, views, .. } = self.settings;
        let thresholds = STAGES.map(|(_, share)| self.threshold(share));
        track_decision::Rules { thresholds, margin, views }
    }

    /// Returns the limits of attention in a picture.
    fn attention_rules(&self, picture: &Picture) -> attention::Rules {
        attention::Rules {
            eye_distance: self.settings.attention_distance * picture.width() as f32,
            duration: Duration::from_millis(self.settings.attention_ms.into()),
        }
    }

    /// Returns the limits of an enrolment.
    fn enrolment_rules(&self) -> enrolment::Rules {
        enrolment::Rules {
            views: self.settings.enrolment_views,
            timeout: Duration::from_secs_f32(self.settings.enrolment_seconds),
            same_person_threshold: self.calibration.threshold(SAME_PERSON_FMR, 1),
            customer_threshold: self.threshold(1.0),
            margin: self.settings.margin,
        }
    }

    /// Opens the recognition window for a person who requested recognition. Returns false if a
    /// window is open already. Exactly one of [`RecognitionEvent::Arrived`],
    /// [`RecognitionEvent::RecognisedAgain`] and [`RecognitionEvent::NotRecognised`] follows, unless an
    /// enrolment starts.
    pub fn open_window(&mut self) -> bool {
        let is_closed = self.window.is_none();
        if is_closed {
            let duration = Duration::from_secs_f32(self.settings.request_seconds);
            self.window = Some(RecognitionWindow::requested(self.now + duration));
        }
        is_closed
    }

    /// Starts an enrolment. Returns false if an enrolment is in progress already.
    /// `is_another_person` is true if staff confirmed that the person is not enrolled, although a
    /// customer is similar.
    pub fn begin_enrolment(&mut self, is_another_person: bool) -> bool {
        let can_start = self.enrolment.is_none();
        if can_start {
            self.window.take_if(|window| window.is_requested());
            self.unknown_tracks.clear();
            let rules = self.enrolment_rules();
            self.enrolment = Some(Enrolment::start(self.now, rules, is_another_person));
        }
        can_start
    }

    /// Cancels an enrolment in progress; its embeddings are zeroed.
    pub fn cancel_enrolment(&mut self) {
        self.enrolment = None;
    }

    /// Adds a customer to the gallery. `track` is the track of a person who has just enrolled.
    /// Their visit starts without [`RecognitionEvent::Arrived`].
    pub fn add_customer(
        &mut self,
        customer: CustomerId,
        templates: &[Embedding],
        track: Option<TrackId>,
    ) {
        self.gallery.insert(customer, templates);
        if let Some(track) = track {
            self.unknown_tracks.remove(&track);
            self.presence.add_enrolled(self.now, track, customer);
        }
    }

    /// Removes a customer from the gallery and dismisses the visit in progress.
    pub fn remove_customer(&mut self, customer: CustomerId) {
        self.gallery.remove(customer);
        if self.gallery.is_empty() {
            self.unknown_tracks.clear();
        }
        self.dismiss(customer);
    }

    /// Dismisses the visit of a customer, because the person is somebody else. No
    /// [`RecognitionEvent::Left`] follows, and the face is not recognised again during the visit.
    pub fn dismiss(&mut self, customer: CustomerId) {
        self.presence.dismiss(customer);
    }

    /// Returns true if the latest frame showed a face.
    pub fn has_face_in_view(&self) -> bool {
        !self.in_view.is_empty()
    }

    /// Returns the number of frames on which face detection ran. Unchanged frames are skipped.
    pub fn detection_count(&self) -> u64 {
        self.detection_count
    }

    /// Returns the customers in view.
    pub fn present_customers(&self) -> Vec<CustomerId> {
        self.presence.customers()
    }

    /// Returns the id of the embedding model. Templates must be of this model.
    pub fn model(&self) -> &ModelId {
        self.embedder.id()
    }

    /// Returns the number of faces seen, attending and embedded for recognition so far.
    pub fn face_count(&self) -> FaceCount {
        self.face_count
    }

    /// Returns the number of embeddings computed so far, for each purpose.
    pub fn embedding_count(&self) -> EmbeddingCount {
        self.embedder.count()
    }
}

/// Returns the faces that may be recognised: all faces in a permanent window, only the nearest face
/// in a requested window.
fn eligible_faces<'a>(
    window: &RecognitionWindow,
    faces: &'a [TrackedFace],
) -> impl Iterator<Item = &'a TrackedFace> {
    let nearest = faces
        .iter()
        .max_by(|a, b| a.face.bounds.width.total_cmp(&b.face.bounds.width))
        .map(|face| face.track);
    let is_any_eligible = !window.is_requested();
    faces.iter().filter(move |face| is_any_eligible || Some(face.track) == nearest)
}

/// Returns the aligned face and its quality, if the view is usable.
fn usable_view(
    face: &Face,
    picture: &Picture,
    limits: &QualityLimits,
) -> Option<(Zeroizing<Picture>, Quality)> {
    let aligned = align(picture, &face.landmarks)?;
    let quality = Quality::measure(face, picture, &aligned);
    quality.issue(limits).is_none().then_some((aligned, quality))
}
