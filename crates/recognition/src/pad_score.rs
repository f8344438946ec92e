//! Presentation-attack detection (PAD, ISO/IEC 30107-3) over a track.
//!
//! The score adds log-odds of two kinds of evidence: the output of the PAD model for each view, and the
//! motion of the landmarks. A printed photograph moves as a plane: an affine map that fits the eyes and the
//! corners of the mouth also fits the nose. The nose of a turning head leaves that plane.

use instored_vision::LANDMARK_COUNT;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// PAD evidence of one track. It is overwritten with zeros when it is dropped.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub(super) struct PadScore {
    /// Sum over the views of the log-odds of a bona fide face.
    log_odds: f32,
    views: u32,
    /// Landmarks of the first view.
    first: Option<[[f32; 2]; LANDMARK_COUNT]>,
    /// Largest distance of the nose from its position in the plane, in eye distances.
    parallax: f32,
    /// Largest foreshortening of the plane, see [`plane_motion`].
    foreshortening: f32,
}

/// Largest log-odds of one view, so that a single outlier does not decide.
const VIEW_LOG_ODDS_MAX: f32 = 4.0;
/// Lowest number of views for a decision.
pub(super) const VIEWS_MIN: u32 = 3;
/// Smallest distance of the nose from the plane that proves depth, in eye distances. The noise of
/// the landmarks is a third of this distance.
const PARALLAX_MIN: f32 = 0.15;
/// Smallest foreshortening of the plane that is evidence of a flat face: one axis is shortened by a
/// third. If a real head turned that far, its nose would leave the plane.
const FORESHORTENING_MIN: f32 = 0.5;
/// Log-odds of the evidence from motion.
const MOTION_LOG_ODDS: f32 = 1.0;

impl PadScore {
    /// Adds a view: the probability of a bona fide face, and the landmarks.
    pub fn add(&mut self, bona_fide: f32, landmarks: &[[f32; 2]; LANDMARK_COUNT]) {
        let bona_fide = bona_fide.clamp(1e-6, 1.0 - 1e-6);
        let log_odds = (bona_fide / (1.0 - bona_fide)).ln();
        self.log_odds += log_odds.clamp(-VIEW_LOG_ODDS_MAX, VIEW_LOG_ODDS_MAX);
        self.views += 1;
        let first = *self.first.get_or_insert(*landmarks);
        if let Some((parallax, foreshortening)) = plane_motion(&first, landmarks) {
            self.parallax = self.parallax.max(parallax);
            self.foreshortening = self.foreshortening.max(foreshortening);
        }
    }

    /// Returns true if there are enough views for a decision.
    pub fn has_enough_views(&self) -> bool {
        self.views >= VIEWS_MIN
    }

    /// Returns true if there are enough views and they suggest a presentation attack. `threshold` is the
    /// lowest probability of a bona fide face.
    pub fn is_attack(&self, threshold: f32) -> bool {
        if !self.has_enough_views() {
            return false;
        }
        let motion = if self.parallax > PARALLAX_MIN {
            MOTION_LOG_ODDS
        } else if self.foreshortening > FORESHORTENING_MIN {
            -MOTION_LOG_ODDS
        } else {
            0.0
        };
        let required_log_odds = (threshold / (1.0 - threshold)).ln();
        self.log_odds / self.views as f32 + motion < required_log_odds
    }
}

/// Returns the parallax and the foreshortening since `before`. Both are relative to the affine map that
/// fits the eyes and the corners of the mouth. The parallax is the distance of the nose from its
/// mapped position, in eye distances. The foreshortening is the larger scale of the map (its larger
/// singular value) divided by the smaller one, minus 1; it grows as the plane turns away from the
/// camera. Returns `None` if the landmarks span no plane.
fn plane_motion(
    before: &[[f32; 2]; LANDMARK_COUNT],
    now: &[[f32; 2]; LANDMARK_COUNT],
) -> Option<(f32, f32)> {
    let without_nose = |p: &[[f32; 2]; LANDMARK_COUNT]| [p[0], p[1], p[3], p[4]];
    let mean =
        |points: [[f32; 2]; 4], axis: usize| points.iter().map(|p| p[axis]).sum::<f32>() / 4.0;
    let (from, to) = (without_nose(before), without_nose(now));
    let from_mean = [mean(from, 0), mean(from, 1)];
    let to_mean = [mean(to, 0), mean(to, 1)];
    // Least squares: to - to_mean = map (from - from_mean).
    let (mut scatter, mut cross_scatter) = ([[0f32; 2]; 2], [[0f32; 2]; 2]);
    for (from, to) in from.iter().zip(&to) {
        for row in 0..2 {
            for column in 0..2 {
                let deviation = from[column] - from_mean[column];
                scatter[row][column] += (from[row] - from_mean[row]) * deviation;
                cross_scatter[row][column] += (to[row] - to_mean[row]) * deviation;
            }
        }
    }
    let determinant = scatter[0][0] * scatter[1][1] - scatter[0][1] * scatter[1][0];
    if determinant.abs() < 1e-3 {
        return None;
    }
    let inverse = [
        [scatter[1][1] / determinant, -scatter[0][1] / determinant],
        [-scatter[1][0] / determinant, scatter[0][0] / determinant],
    ];
    let cell = |r: usize, c: usize| {
        cross_scatter[r][0] * inverse[0][c] + cross_scatter[r][1] * inverse[1][c]
    };
    let [a, b, c, d] = [cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1)];

    let nose = [before[2][0] - from_mean[0], before[2][1] - from_mean[1]];
    let expected = [a * nose[0] + b * nose[1] + to_mean[0], c * nose[0] + d * nose[1] + to_mean[1]];
    let eye_distance = (now[1][0] - now[0][0]).hypot(now[1][1] - now[0][1]);
    let parallax = (now[2][0] - expected[0]).hypot(now[2][1] - expected[1]) / eye_distance;

    // Singular values of a 2 x 2 matrix.
    let (sum, difference) = ((a + d).hypot(c - b), (a - d).hypot(c + b));
    let (large, small) = ((sum + difference) / 2.0, (sum - difference).abs() / 2.0);
    let foreshortening = large / small - 1.0;
    (parallax.is_finite() && foreshortening.is_finite()).then_some((parallax, foreshortening))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Landmarks of a head in space: x, y, depth.
    const HEAD: [[f32; 3]; LANDMARK_COUNT] = [
        [-30.0, -20.0, 0.0],
        [30.0, -20.0, 0.0],
        [0.0, 12.0, 30.0],
        [-22.0, 42.0, 0.0],
        [22.0, 42.0, 0.0],
    ];

    /// Projects the head after a turn in radians.
    fn project_head(turn: f32, nose_depth: f32) -> [[f32; 2]; LANDMARK_COUNT] {
        HEAD.map(|[x, y, depth]| {
            let depth = if depth > 0.0 { nose_depth } else { 0.0 };
            [200.0 + x * turn.cos() + depth * turn.sin(), 150.0 + y]
        })
    }

    /// Returns the score of views of a head at these turns.
    fn score_views(bona_fide: f32, turns: &[f32], nose_depth: f32) -> PadScore {
        let mut score = PadScore::default();
        for turn in turns {
            score.add(bona_fide, &project_head(*turn, nose_depth));
        }
        score
    }

    #[test]
    fn printed_face_moves_as_plane_and_head_does_not() {
        for turn in [0.3f32, -0.5, 0.8] {
            let (parallax, foreshortening) =
                plane_motion(&project_head(0.0, 0.0), &project_head(turn, 0.0)).unwrap();
            assert!(
                parallax < 1e-4 && (foreshortening + 1.0 - 1.0 / turn.cos()).abs() < 1e-3,
                "{parallax} {foreshortening}"
            );
            let (head, _) =
                plane_motion(&project_head(0.0, 0.0), &project_head(turn, 30.0)).unwrap();
            assert!(head > PARALLAX_MIN / 2.0, "{head}");
        }
        let moved = project_head(0.0, 30.0).map(|[x, y]| [y * 2.0 - 40.0, 7.0 - x * 2.0]);
        let (parallax, foreshortening) = plane_motion(&project_head(0.0, 30.0), &moved).unwrap();
        assert!(
            parallax < 1e-4 && foreshortening < 1e-4,
            "a rotation in the picture plane is no evidence"
        );
        assert!(plane_motion(&[[5.0; 2]; LANDMARK_COUNT], &project_head(0.0, 0.0)).is_none());
    }

    #[test]
    fn three_printed_views_are_attack_and_one_is_not() {
        assert!(!score_views(0.01, &[0.0], 30.0).is_attack(0.5));
        assert!(score_views(0.1, &[0.0; 3], 30.0).is_attack(0.5));
        assert!(!score_views(0.9, &[0.0; 3], 30.0).is_attack(0.5));
    }

    #[test]
    fn motion_decides_if_the_model_is_uncertain() {
        assert!(!score_views(0.4, &[0.0, 0.3, 0.6], 30.0).is_attack(0.5), "a head that turned");
        assert!(score_views(0.6, &[0.0, 0.5, 0.9], 0.0).is_attack(0.5), "a plane that turned");
        assert!(
            score_views(0.1, &[0.0, 0.3, 0.6], 30.0).is_attack(0.5),
            "motion does not outweigh the model"
        );
    }

    #[test]
    fn single_outlier_does_not_decide() {
        let mut score = score_views(0.85, &[0.0; 5], 30.0);
        score.add(1e-9, &project_head(0.0, 30.0));
        assert!(!score.is_attack(0.5));
    }
}
