//! Tracking: association of the faces of consecutive frames.

use std::time::Duration;

use instored_domain::TrackId;

use super::{Face, Rect};

/// Face of a frame with its track.
#[derive(Clone, Debug)]
pub struct TrackedFace {
    /// Track of the face.
    pub track: TrackId,
    /// Detected face.
    pub face: Face,
}

struct Track {
    id: TrackId,
    bounds: Rect,
    /// Pixels per second, (x, y).
    velocity: [f32; 2],
    updated_at: Duration,
}

/// Tracker of faces by position: a track continues with the face whose box overlaps most or is
/// nearest.
///
/// If two faces cannot be distinguished, as when two people cross, their tracks end and new ones begin.
/// A track never changes from one person to another.
pub struct Tracker {
    tracks: Vec<Track>,
    next_id: u64,
    max_gap: Duration,
}

/// Largest ratio of the side lengths of two boxes of the same face.
const SIZE_RATIO_MAX: f32 = 2.0;

/// Intersection over union above which two boxes are scored by overlap instead of distance.
const OVERLAP_MIN: f32 = 0.1;

/// Longest time for which a velocity is extrapolated.
const EXTRAPOLATION_SECONDS_MAX: f32 = 0.5;

/// Weight of the latest displacement in the velocity.
const VELOCITY_SMOOTHING: f32 = 0.5;

/// Smallest difference between two association scores that is unambiguous. The difference is
/// smaller if one face briefly hides another, and larger for two heads side by side.
const AMBIGUITY_MARGIN: f32 = 0.35;

impl Tracker {
    /// Creates a tracker that ends a track whose face has not been detected for longer than `max_gap`.
    pub fn new(max_gap: Duration) -> Self {
        Self { tracks: Vec::new(), next_id: 0, max_gap }
    }

    /// Returns the number of tracks that have begun.
    pub fn track_count(&self) -> u64 {
        self.next_id
    }

    /// Associates the faces of a frame with tracks. Returns the faces in the same order with their
    /// tracks, and the tracks that have ended.
    pub fn update(
        &mut self,
        captured_at: Duration,
        faces: Vec<Face>,
    ) -> (Vec<TrackedFace>, Vec<TrackId>) {
        let mut ended = self.end_stale(captured_at);
        let Association { track_of_face, mut is_ambiguous } = self.associate(captured_at, &faces);

        let mut tracked = Vec::with_capacity(faces.len());
        for (face, track) in faces.into_iter().zip(track_of_face) {
            let id = match track.filter(|index| !is_ambiguous[*index]) {
                Some(index) => self.tracks[index].extend(captured_at, face.bounds),
                None => self.begin(captured_at, face.bounds),
            };
            tracked.push(TrackedFace { track: id, face });
        }
        // Tracks that began in this frame are at the end of the list and are never ambiguous.
        is_ambiguous.resize(self.tracks.len(), false);
        let mut is_ambiguous = is_ambiguous.into_iter();
        let ambiguous = self.tracks.extract_if(.., |_| is_ambiguous.next() == Some(true));
        ended.extend(ambiguous.map(|track| track.id));
        (tracked, ended)
    }

    /// Ends the tracks whose face has not been detected for longer than the allowed gap. Returns them.
    pub fn end_stale(&mut self, now: Duration) -> Vec<TrackId> {
        let max_gap = self.max_gap;
        let is_stale = |track: &mut Track| now.saturating_sub(track.updated_at) > max_gap;
        self.tracks.extract_if(.., is_stale).map(|track| track.id).collect()
    }

    /// Pairs tracks and faces greedily, the highest association score first.
    fn associate(&self, now: Duration, faces: &[Face]) -> Association {
        let pairs = self.scored_pairs(now, faces);
        let mut track_of_face = vec![None; faces.len()];
        let mut is_paired = vec![false; self.tracks.len()];
        let mut is_ambiguous = vec![false; self.tracks.len()];
        for (i, pair) in pairs.iter().enumerate() {
            if is_paired[pair.track] || track_of_face[pair.face].is_some() {
                continue;
            }
            is_paired[pair.track] = true;
            track_of_face[pair.face] = Some(pair.track);
            for rival in pairs[i + 1..].iter().filter(|rival| pair.is_contested_by(rival)) {
                is_ambiguous[pair.track] = true;
                is_ambiguous[rival.track] = true;
            }
        }
        Association { track_of_face, is_ambiguous }
    }

    /// Returns all pairs of a track and a face that may belong to the same person, the highest
    /// score first.
    fn scored_pairs(&self, now: Duration, faces: &[Face]) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for (track_index, track) in self.tracks.iter().enumerate() {
            let predicted = track.predict(now);
            for (face_index, face) in faces.iter().enumerate() {
                if let Some(score) = association_score(&predicted, &face.bounds) {
                    pairs.push(Pair { score, track: track_index, face: face_index });
                }
            }
        }
        pairs.sort_by(|a, b| b.score.total_cmp(&a.score));
        pairs
    }

    fn begin(&mut self, captured_at: Duration, bounds: Rect) -> TrackId {
        let id = TrackId(self.next_id);
        self.next_id += 1;
        self.tracks.push(Track { id, bounds, velocity: [0.0; 2], updated_at: captured_at });
        id
    }
}

/// Result of the association of tracks and faces.
struct Association {
    /// Index of each face's track.
    track_of_face: Vec<Option<usize>>,
    /// For each track, true if it cannot be distinguished from another track.
    is_ambiguous: Vec<bool>,
}

/// Track and face that may belong to the same person, by their indices.
struct Pair {
    score: f32,
    track: usize,
    face: usize,
}

impl Pair {
    /// Returns true if `rival`, a pair with a lower score, shares either the face or the track and
    /// has almost the same score.
    fn is_contested_by(&self, rival: &Self) -> bool {
        let shares_track_or_face = (rival.track == self.track) != (rival.face == self.face);
        shares_track_or_face && self.score - rival.score < AMBIGUITY_MARGIN
    }
}

impl Track {
    /// Returns the expected box at time `now`.
    fn predict(&self, now: Duration) -> Rect {
        let ahead =
            now.saturating_sub(self.updated_at).as_secs_f32().min(EXTRAPOLATION_SECONDS_MAX);
        let [vx, vy] = self.velocity;
        Rect { x: self.bounds.x + vx * ahead, y: self.bounds.y + vy * ahead, ..self.bounds }
    }

    /// Updates position and velocity with a detected face. Returns the identifier of the track.
    fn extend(&mut self, captured_at: Duration, bounds: Rect) -> TrackId {
        let elapsed = captured_at.saturating_sub(self.updated_at).as_secs_f32();
        if elapsed > 0.0 {
            let (from, to) = (self.bounds.centre(), bounds.centre());
            for axis in 0..2 {
                let latest = (to[axis] - from[axis]) / elapsed;
                self.velocity[axis] =
                    (1.0 - VELOCITY_SMOOTHING) * self.velocity[axis] + VELOCITY_SMOOTHING * latest;
            }
        }
        self.bounds = bounds;
        self.updated_at = captured_at;
        self.id
    }
}

/// Scores the association of a predicted and a detected box: 1 to 2 if they overlap, less than 1 if
/// they are near each other, `None` if they cannot be the same face.
fn association_score(predicted: &Rect, detected: &Rect) -> Option<f32> {
    let size_ratio = predicted.area().sqrt() / detected.area().sqrt();
    if !(1.0 / SIZE_RATIO_MAX..=SIZE_RATIO_MAX).contains(&size_ratio) {
        return None;
    }
    let iou = predicted.iou(detected);
    if iou > OVERLAP_MIN {
        return Some(1.0 + iou);
    }
    let ([ax, ay], [bx, by]) = (predicted.centre(), detected.centre());
    let distance = (ax - bx).hypot(ay - by) / detected.width.max(predicted.width);
    (distance < 1.0).then_some(1.0 - distance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LANDMARK_COUNT;

    fn face(x: f32) -> Face {
        let bounds = Rect { x, y: 100.0, width: 60.0, height: 80.0 };
        Face { bounds, landmarks: [[0.0; 2]; LANDMARK_COUNT], score: 0.9 }
    }

    /// Updates the tracker with faces at the x coordinates `xs`. Returns the track numbers.
    fn update_tracks(tracker: &mut Tracker, ms: u64, xs: &[f32]) -> Vec<u64> {
        let faces = xs.iter().map(|x| face(*x)).collect();
        let (tracked, _) = tracker.update(Duration::from_millis(ms), faces);
        tracked.iter().map(|t| t.track.0).collect()
    }

    fn tracker() -> Tracker {
        Tracker::new(Duration::from_secs(1))
    }

    #[test]
    fn moving_faces_keep_their_tracks() {
        let mut tracker = tracker();
        for step in 0..20 {
            let x = step as f32 * 15.0;
            assert_eq!(update_tracks(&mut tracker, step * 100, &[x, 500.0 - x / 10.0]), [0, 1]);
        }
    }

    #[test]
    fn order_of_detections_does_not_change_tracks() {
        let mut tracker = tracker();
        assert_eq!(update_tracks(&mut tracker, 0, &[0.0, 300.0]), [0, 1]);
        assert_eq!(update_tracks(&mut tracker, 100, &[302.0, 3.0]), [1, 0]);
    }

    #[test]
    fn short_gap_keeps_track_and_long_gap_ends_it() {
        let mut tracker = tracker();
        assert_eq!(update_tracks(&mut tracker, 0, &[100.0]), [0]);
        assert!(update_tracks(&mut tracker, 500, &[]).is_empty());
        assert_eq!(update_tracks(&mut tracker, 900, &[110.0]), [0]);
        let (_, ended) = tracker.update(Duration::from_millis(2000), Vec::new());
        assert_eq!(ended, [TrackId(0)]);
        assert_eq!(update_tracks(&mut tracker, 2100, &[110.0]), [1]);
    }

    #[test]
    fn crossing_faces_lose_their_tracks() {
        let mut tracker = tracker();
        let mut before = Vec::new();
        for step in 0..8 {
            let x = step as f32 * 20.0;
            before = update_tracks(&mut tracker, step * 100, &[x, 300.0 - x]);
        }
        assert_eq!(before, [0, 1]);
        // In this frame, one face hides the other.
        let front = update_tracks(&mut tracker, 800, &[150.0]);
        let separated = update_tracks(&mut tracker, 900, &[185.0, 115.0]);
        let all: Vec<_> = front.into_iter().chain(separated).collect();
        assert!(all.iter().all(|track| *track > 1), "{all:?}");
    }

    #[test]
    fn adjacent_heads_keep_their_tracks() {
        let mut tracker = tracker();
        for step in 0..20 {
            let sway = if step % 2 == 0 { 6.0 } else { 0.0 };
            assert_eq!(
                update_tracks(&mut tracker, step * 100, &[100.0 + sway, 165.0 - sway]),
                [0, 1]
            );
        }
    }

    #[test]
    fn distant_face_begins_new_track() {
        let mut tracker = tracker();
        assert_eq!(update_tracks(&mut tracker, 0, &[0.0]), [0]);
        assert_eq!(update_tracks(&mut tracker, 100, &[400.0]), [1]);
    }
}
