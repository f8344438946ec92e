//! Is this track a face of flesh, or a picture that somebody holds up?
//!
//! Two signs are added up as log-odds: what the liveness model says of each view, and how the
//! landmarks move. A flat print moves as a plane: whatever way it is held, its nose stays where the
//! eyes and the corners of the mouth say that it is. The nose of a head that turns does not.

use instored_vision::LANDMARK_COUNT;

/// The signs of one track.
#[derive(Default)]
pub(super) struct PadScore {
    log_odds: f32,
    views: u32,
    first: Option<[[f32; 2]; LANDMARK_COUNT]>,
    /// The farthest that the nose left its place in the plane, in eye distances.
    parallax: f32,
    /// The strongest that the plane was seen to turn: ratio of its two scales, less 1.
    turned: f32,
}

/// One frame says no more than this: three of it against one.
const MOST_OF_A_VIEW: f32 = 4.0;
/// Views before a face can count as a picture.
const VIEWS: u32 = 3;
/// A nose that left the plane by this is no print's; landmarks waver by a third of it.
const OUT_OF_PLANE: f32 = 0.15;
/// A plane that turned by this (a third shorter one way) shows a nose, if there is one.
const PLANE_TURNED: f32 = 0.5;
/// What either sign of motion is worth, in log-odds.
const WORTH_OF_MOTION: f32 = 1.0;

impl PadScore {
    /// Adds a view: the model's probability that it is live, and its landmarks.
    pub fn add(&mut self, live: f32, landmarks: &[[f32; 2]; LANDMARK_COUNT]) {
        let live = live.clamp(1e-6, 1.0 - 1e-6);
        self.log_odds += (live / (1.0 - live)).ln().clamp(-MOST_OF_A_VIEW, MOST_OF_A_VIEW);
        self.views += 1;
        let first = *self.first.get_or_insert(*landmarks);
        if let Some((parallax, turned)) = plane_motion(&first, landmarks) {
            self.parallax = self.parallax.max(parallax);
            self.turned = self.turned.max(turned);
        }
    }

    /// Whether there were enough views to tell.
    pub fn has_seen_enough(&self) -> bool {
        self.views >= VIEWS
    }

    /// Whether it looks like a picture, on enough views. `threshold` is the probability from which a
    /// face counts as live.
    pub fn is_presented(&self, threshold: f32) -> bool {
        if !self.has_seen_enough() {
            return false;
        }
        let motion = if self.parallax > OUT_OF_PLANE {
            WORTH_OF_MOTION
        } else if self.turned > PLANE_TURNED {
            -WORTH_OF_MOTION
        } else {
            0.0
        };
        let needed = (threshold / (1.0 - threshold)).ln();
        self.log_odds / self.views as f32 + motion < needed
    }
}

/// How the face moved since `before`, if it were flat: how far the nose is from where the affine map
/// of the other four landmarks takes it, in eye distances, and by how much the map's two scales
/// differ (their ratio, less 1). `None` when the landmarks span no plane.
fn plane_motion(
    before: &[[f32; 2]; LANDMARK_COUNT],
    now: &[[f32; 2]; LANDMARK_COUNT],
) -> Option<(f32, f32)> {
    let plane = |p: &[[f32; 2]; LANDMARK_COUNT]| [p[0], p[1], p[3], p[4]];
    let mean =
        |points: [[f32; 2]; 4], axis: usize| points.iter().map(|p| p[axis]).sum::<f32>() / 4.0;
    let (from, to) = (plane(before), plane(now));
    let from_mean = [mean(from, 0), mean(from, 1)];
    let to_mean = [mean(to, 0), mean(to, 1)];
    // Least squares: to - to_mean = map (from - from_mean).
    let (mut spread, mut cross) = ([[0f32; 2]; 2], [[0f32; 2]; 2]);
    for (from, to) in from.iter().zip(&to) {
        for row in 0..2 {
            for column in 0..2 {
                let step = from[column] - from_mean[column];
                spread[row][column] += (from[row] - from_mean[row]) * step;
                cross[row][column] += (to[row] - to_mean[row]) * step;
            }
        }
    }
    let determinant = spread[0][0] * spread[1][1] - spread[0][1] * spread[1][0];
    if determinant.abs() < 1e-3 {
        return None;
    }
    let inverse = [
        [spread[1][1] / determinant, -spread[0][1] / determinant],
        [-spread[1][0] / determinant, spread[0][0] / determinant],
    ];
    let cell = |r: usize, c: usize| cross[r][0] * inverse[0][c] + cross[r][1] * inverse[1][c];
    let [a, b, c, d] = [cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1)];

    let step = [before[2][0] - from_mean[0], before[2][1] - from_mean[1]];
    let expected = [a * step[0] + b * step[1] + to_mean[0], c * step[0] + d * step[1] + to_mean[1]];
    let eyes = (now[1][0] - now[0][0]).hypot(now[1][1] - now[0][1]);
    let parallax = (now[2][0] - expected[0]).hypot(now[2][1] - expected[1]) / eyes;

    // Singular values of a 2 x 2 matrix.
    let (sum, difference) = ((a + d).hypot(c - b), (a - d).hypot(c + b));
    let (large, small) = ((sum + difference) / 2.0, (sum - difference).abs() / 2.0);
    let turned = large / small - 1.0;
    (parallax.is_finite() && turned.is_finite()).then_some((parallax, turned))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A face in space, (x, y, depth): the nose stands out.
    const HEAD: [[f32; 3]; LANDMARK_COUNT] = [
        [-30.0, -20.0, 0.0],
        [30.0, -20.0, 0.0],
        [0.0, 12.0, 30.0],
        [-22.0, 42.0, 0.0],
        [22.0, 42.0, 0.0],
    ];

    fn seen(turn: f32, nose: f32) -> [[f32; 2]; LANDMARK_COUNT] {
        HEAD.map(|[x, y, depth]| {
            let depth = if depth > 0.0 { nose } else { 0.0 };
            [200.0 + x * turn.cos() + depth * turn.sin(), 150.0 + y]
        })
    }

    fn track(live: f32, turns: &[f32], nose: f32) -> PadScore {
        let mut liveness = PadScore::default();
        for turn in turns {
            liveness.add(live, &seen(*turn, nose));
        }
        liveness
    }

    #[test]
    fn a_print_moves_as_a_plane_and_a_head_does_not() {
        for turn in [0.3f32, -0.5, 0.8] {
            let (flat, turned) = plane_motion(&seen(0.0, 0.0), &seen(turn, 0.0)).unwrap();
            assert!(
                flat < 1e-4 && (turned + 1.0 - 1.0 / turn.cos()).abs() < 1e-3,
                "{flat} {turned}"
            );
            let (head, _) = plane_motion(&seen(0.0, 0.0), &seen(turn, 30.0)).unwrap();
            assert!(head > OUT_OF_PLANE / 2.0, "{head}");
        }
        let moved = seen(0.0, 30.0).map(|[x, y]| [y * 2.0 - 40.0, 7.0 - x * 2.0]);
        let (parallax, turned) = plane_motion(&seen(0.0, 30.0), &moved).unwrap();
        assert!(parallax < 1e-4 && turned < 1e-4, "turning in the picture is no sign");
        assert!(plane_motion(&[[5.0; 2]; LANDMARK_COUNT], &seen(0.0, 0.0)).is_none());
    }

    #[test]
    fn views_that_look_printed_add_up_and_one_alone_says_nothing() {
        assert!(!track(0.01, &[0.0], 30.0).is_presented(0.5));
        assert!(track(0.1, &[0.0; 3], 30.0).is_presented(0.5));
        assert!(!track(0.9, &[0.0; 3], 30.0).is_presented(0.5));
    }

    #[test]
    fn where_the_model_is_unsure_motion_decides() {
        assert!(!track(0.4, &[0.0, 0.3, 0.6], 30.0).is_presented(0.5), "a head that turned");
        assert!(track(0.6, &[0.0, 0.5, 0.9], 0.0).is_presented(0.5), "a plane that turned");
        assert!(track(0.1, &[0.0, 0.3, 0.6], 30.0).is_presented(0.5), "but not against the model");
    }

    #[test]
    fn one_odd_view_does_not_outweigh_the_others() {
        let mut liveness = track(0.85, &[0.0; 5], 30.0);
        liveness.add(1e-9, &seen(0.0, 30.0));
        assert!(!liveness.is_presented(0.5));
    }
}
