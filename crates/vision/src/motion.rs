//! Whether anything in view has changed since a frame was looked at: then looking again says nothing
//! new.

use instored_imaging::Picture;

/// Remembers how the frame was that was looked at last, as the means of small squares: nothing in
/// it can be recognised.
#[derive(Default)]
pub struct MotionDetector {
    seen: Vec<f32>,
}

/// Pixels a side of a square, and from one that counts to the next.
const SQUARE: usize = 16;
const STEP: usize = 4;

/// How much the mean of a square may change without anybody having moved, of 255. Sensors' noise of
/// 3 levels a pixel changes it by more in one square of a million.
const NOISE: f32 = 5.0;

impl MotionDetector {
    /// Takes the frame that is looked at now.
    pub fn set_reference(&mut self, picture: &Picture) {
        self.seen = squares(picture);
    }

    /// Forgets what was seen.
    pub fn reset(&mut self) {
        self.seen.clear();
    }

    /// Whether the picture shows what was looked at last. Light that changes everywhere alike, as
    /// that of lamps does, is no change.
    pub fn is_still(&self, picture: &Picture) -> bool {
        let now = squares(picture);
        if now.len() != self.seen.len() {
            return false;
        }
        let changes = || now.iter().zip(&self.seen).map(|(now, before)| now - before);
        let everywhere = changes().sum::<f32>() / now.len() as f32;
        changes().all(|change| (change - everywhere).abs() <= NOISE)
    }
}

/// The mean brightness of every square.
fn squares(picture: &Picture) -> Vec<f32> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let across = width.div_ceil(SQUARE);
    let mut sums = vec![(0f32, 0f32); across * height.div_ceil(SQUARE)];
    let mut levels = Vec::with_capacity(width.div_ceil(STEP));
    for y in (0..height).step_by(STEP) {
        picture.sample_luma(y, STEP, &mut levels);
        let sums = &mut sums[y / SQUARE * across..][..across];
        for (sums, levels) in sums.iter_mut().zip(levels.chunks(SQUARE / STEP)) {
            for level in levels {
                sums.0 += f32::from(*level);
                sums.1 += 1.0;
            }
        }
    }
    sums.into_iter().map(|(sum, count)| sum / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: [u8; 3] = [120; 3];

    fn noisy(mut picture: Picture, seed: u32) -> Picture {
        let mut state = seed;
        for value in picture.rgb_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *value = value.saturating_add((state >> 24) as u8 % 9).saturating_sub(4);
        }
        picture
    }

    fn with_square(x: usize, y: usize, side: usize, colour: [u8; 3]) -> Picture {
        let mut picture = Picture::filled(640, 480, GREY);
        for row in picture.rgb_mut().chunks_exact_mut(3 * 640).skip(y).take(side) {
            row[3 * x..][..3 * side].as_chunks_mut::<3>().0.fill(colour);
        }
        picture
    }

    fn motion(seen: &Picture) -> MotionDetector {
        let mut motion = MotionDetector::default();
        motion.set_reference(seen);
        motion
    }

    #[test]
    fn noise_and_flickering_lamps_are_no_motion() {
        let motion = motion(&noisy(Picture::filled(640, 480, GREY), 1));
        for seed in 2..30 {
            assert!(motion.is_still(&noisy(Picture::filled(640, 480, GREY), seed)));
            assert!(motion.is_still(&noisy(Picture::filled(640, 480, [135; 3]), seed)));
        }
    }

    #[test]
    fn the_smallest_face_that_is_looked_at_is_motion_wherever_it_is() {
        let motion = motion(&Picture::filled(640, 480, GREY));
        for (x, y) in [(0, 0), (7, 9), (300, 211), (592, 432)] {
            assert!(!motion.is_still(&with_square(x, y, 48, [105, 110, 100])), "{x}, {y}");
        }
    }

    #[test]
    fn before_the_first_look_after_another_size_or_when_forgotten_nothing_is_still() {
        let picture = Picture::filled(64, 48, GREY);
        assert!(!MotionDetector::default().is_still(&picture));
        let mut motion = motion(&Picture::filled(64, 80, GREY));
        assert!(!motion.is_still(&picture));
        motion.set_reference(&picture);
        assert!(motion.is_still(&picture));
        motion.reset();
        assert!(!motion.is_still(&picture));
    }
}
