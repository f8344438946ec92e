//! Which face of this frame is which face of the frames before.

use std::time::Duration;

use super::{Face, Rect};

/// A face followed across frames. Never used twice while the program runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackId(u64);

/// A face of this frame with its track.
#[derive(Clone, Debug)]
pub struct TrackedFace {
    /// The track.
    pub track: TrackId,
    /// The face.
    pub face: Face,
}

struct Track {
    id: TrackId,
    bounds: Rect,
    /// Pixels a second, (x, y).
    velocity: [f32; 2],
    seen: Duration,
}

/// Follows faces by where they are: the pairs that overlap most, or are nearest, are the same face.
///
/// Where it cannot be told which of two faces is which, as when two people cross, their tracks end
/// and new ones begin: a track never carries one person's name over to another.
pub struct Tracker {
    tracks: Vec<Track>,
    next: u64,
    patience: Duration,
}

impl Tracker {
    /// A tracker that gives up a face which was not seen for `patience`.
    pub fn new(patience: Duration) -> Self {
        Self { tracks: Vec::new(), next: 0, patience }
    }

    /// Takes the faces of a frame. Returns them with their tracks, in the same order, and the
    /// tracks that have ended.
    pub fn update(
        &mut self,
        taken: Duration,
        faces: Vec<Face>,
    ) -> (Vec<TrackedFace>, Vec<TrackId>) {
        let (kept, ended): (Vec<_>, Vec<_>) = std::mem::take(&mut self.tracks)
            .into_iter()
            .partition(|t| taken.saturating_sub(t.seen) <= self.patience);
        self.tracks = kept;

        let mut pairs: Vec<Pair> = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            let expected = track.expected_at(taken);
            for (f, face) in faces.iter().enumerate() {
                if let Some(likeness) = likeness(&expected, &face.bounds) {
                    pairs.push(Pair { likeness, t, f });
                }
            }
        }
        pairs.sort_by(|a, b| b.likeness.total_cmp(&a.likeness));
        let mut track_of = vec![None; faces.len()];
        let mut taken_tracks = vec![false; self.tracks.len()];
        let mut doubtful = vec![false; self.tracks.len()];
        for (i, pair) in pairs.iter().enumerate() {
            if taken_tracks[pair.t] || track_of[pair.f].is_some() {
                continue;
            }
            taken_tracks[pair.t] = true;
            track_of[pair.f] = Some(pair.t);
            for rival in pairs[i + 1..].iter().filter(|rival| pair.is_contested_by(rival)) {
                doubtful[pair.t] = true;
                doubtful[rival.t] = true;
            }
        }

        let mut tracked = Vec::with_capacity(faces.len());
        for (face, track) in faces.into_iter().zip(track_of) {
            let id = match track.filter(|t| !doubtful[*t]) {
                Some(t) => self.tracks[t].follow(taken, face.bounds),
                None => self.begin(taken, face.bounds),
            };
            tracked.push(TrackedFace { track: id, face });
        }
        let mut ended: Vec<_> = ended.into_iter().map(|t| t.id).collect();
        // The tracks that began in this frame stand behind those that could be in doubt.
        doubtful.resize(self.tracks.len(), false);
        let mut doubtful = doubtful.into_iter();
        ended.extend(self.tracks.extract_if(.., |_| doubtful.next() == Some(true)).map(|t| t.id));
        (tracked, ended)
    }

    fn begin(&mut self, taken: Duration, bounds: Rect) -> TrackId {
        let id = TrackId(self.next);
        self.next += 1;
        self.tracks.push(Track { id, bounds, velocity: [0.0; 2], seen: taken });
        id
    }
}

/// A track and a face that may belong together.
struct Pair {
    likeness: f32,
    t: usize,
    f: usize,
}

/// How far behind the better pair another has to be, so that there is no doubt. A face that another
/// hides for a moment lies almost where that other lies; two heads side by side do not.
const CLEAR_LEAD: f32 = 0.35;

impl Pair {
    /// Whether `rival`, the less likely pair, claims the same face or the same track nearly as well.
    fn is_contested_by(&self, rival: &Self) -> bool {
        let same = (rival.t == self.t) != (rival.f == self.f);
        same && self.likeness - rival.likeness < CLEAR_LEAD
    }
}

impl Track {
    fn expected_at(&self, taken: Duration) -> Rect {
        // A velocity says little after half a second.
        let ahead = taken.saturating_sub(self.seen).as_secs_f32().min(0.5);
        let [vx, vy] = self.velocity;
        Rect { x: self.bounds.x + vx * ahead, y: self.bounds.y + vy * ahead, ..self.bounds }
    }

    fn follow(&mut self, taken: Duration, bounds: Rect) -> TrackId {
        let elapsed = taken.saturating_sub(self.seen).as_secs_f32();
        if elapsed > 0.0 {
            let (from, to) = (self.bounds.centre(), bounds.centre());
            for axis in 0..2 {
                let speed = (to[axis] - from[axis]) / elapsed;
                self.velocity[axis] = 0.5 * self.velocity[axis] + 0.5 * speed;
            }
        }
        self.bounds = bounds;
        self.seen = taken;
        self.id
    }
}

/// How much two boxes look like one face a moment apart: 1 to 2 when they overlap, below 1 when
/// they only are near, `None` when it cannot be the same face.
fn likeness(expected: &Rect, found: &Rect) -> Option<f32> {
    let sizes = expected.area().sqrt() / found.area().sqrt();
    if !(0.5..=2.0).contains(&sizes) {
        return None;
    }
    let overlap = expected.iou(found);
    if overlap > 0.1 {
        return Some(1.0 + overlap);
    }
    let ([ax, ay], [bx, by]) = (expected.centre(), found.centre());
    let apart = (ax - bx).hypot(ay - by) / found.width.max(expected.width);
    (apart < 1.0).then_some(1.0 - apart)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LANDMARK_COUNT;

    fn face(x: f32) -> Face {
        let bounds = Rect { x, y: 100.0, width: 60.0, height: 80.0 };
        Face { bounds, landmarks: [[0.0; 2]; LANDMARK_COUNT], score: 0.9 }
    }

    fn ids(tracker: &mut Tracker, ms: u64, xs: &[f32]) -> Vec<u64> {
        let faces = xs.iter().map(|x| face(*x)).collect();
        let (tracked, _) = tracker.update(Duration::from_millis(ms), faces);
        tracked.iter().map(|t| t.track.0).collect()
    }

    fn tracker() -> Tracker {
        Tracker::new(Duration::from_secs(1))
    }

    #[test]
    fn a_walking_face_keeps_its_track_and_two_faces_have_two() {
        let mut tracker = tracker();
        for step in 0..20 {
            let x = step as f32 * 15.0;
            assert_eq!(ids(&mut tracker, step * 100, &[x, 500.0 - x / 10.0]), [0, 1]);
        }
    }

    #[test]
    fn the_order_of_detections_does_not_matter() {
        let mut tracker = tracker();
        assert_eq!(ids(&mut tracker, 0, &[0.0, 300.0]), [0, 1]);
        assert_eq!(ids(&mut tracker, 100, &[302.0, 3.0]), [1, 0]);
    }

    #[test]
    fn a_short_gap_is_bridged_and_a_long_one_ends_the_track() {
        let mut tracker = tracker();
        assert_eq!(ids(&mut tracker, 0, &[100.0]), [0]);
        assert!(ids(&mut tracker, 500, &[]).is_empty());
        assert_eq!(ids(&mut tracker, 900, &[110.0]), [0]);
        let (_, ended) = tracker.update(Duration::from_millis(2000), Vec::new());
        assert_eq!(ended, [TrackId(0)]);
        assert_eq!(ids(&mut tracker, 2100, &[110.0]), [1]);
    }

    #[test]
    fn where_two_faces_cross_neither_keeps_its_track() {
        let mut tracker = tracker();
        let mut before = Vec::new();
        for step in 0..8 {
            let x = step as f32 * 20.0;
            before = ids(&mut tracker, step * 100, &[x, 300.0 - x]);
        }
        assert_eq!(before, [0, 1]);
        // The one in front hides the other.
        let front = ids(&mut tracker, 800, &[150.0]);
        let apart = ids(&mut tracker, 900, &[185.0, 115.0]);
        let all: Vec<_> = front.into_iter().chain(apart).collect();
        assert!(all.iter().all(|track| *track > 1), "{all:?}");
    }

    #[test]
    fn heads_close_together_keep_their_tracks() {
        let mut tracker = tracker();
        for step in 0..20 {
            let sway = if step % 2 == 0 { 6.0 } else { 0.0 };
            assert_eq!(ids(&mut tracker, step * 100, &[100.0 + sway, 165.0 - sway]), [0, 1]);
        }
    }

    #[test]
    fn a_face_elsewhere_is_another_one() {
        let mut tracker = tracker();
        assert_eq!(ids(&mut tracker, 0, &[0.0]), [0]);
        assert_eq!(ids(&mut tracker, 100, &[400.0]), [1]);
    }
}
