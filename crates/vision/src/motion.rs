//! Motion detection. A frame without changes needs no face detection.

use instored_imaging::Picture;

/// Detector of changes since a reference frame.
///
/// The reference is stored as the mean luma of small blocks, from which no face can be recognised.
#[derive(Default)]
pub struct MotionDetector {
    reference: Vec<f32>,
}

/// Side of a block, in pixels.
const BLOCK_SIDE: usize = 16;

/// Distance between two sampled pixels in both directions, in pixels.
const SAMPLE_STEP: usize = 4;

/// Largest change of a block's mean luma (0 to 255) without motion. Sensor noise with a standard
/// deviation of 3 per pixel exceeds this limit in one of a million blocks.
const NOISE_MAX: f32 = 5.0;

impl MotionDetector {
    /// Sets the reference frame.
    pub fn set_reference(&mut self, picture: &Picture) {
        self.reference = block_means(picture);
    }

    /// Deletes the reference frame.
    pub fn reset(&mut self) {
        self.reference.clear();
    }

    /// Returns true if the picture shows no motion since the reference frame. Uniform changes of
    /// brightness, such as flicker of lamps, are ignored.
    pub fn is_still(&self, picture: &Picture) -> bool {
        let means = block_means(picture);
        if means.len() != self.reference.len() {
            return false;
        }
        let changes = || means.iter().zip(&self.reference).map(|(now, before)| now - before);
        let mean_change = changes().sum::<f32>() / means.len() as f32;
        changes().all(|change| (change - mean_change).abs() <= NOISE_MAX)
    }
}

/// Returns the mean luma of every block.
fn block_means(picture: &Picture) -> Vec<f32> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let columns = width.div_ceil(BLOCK_SIDE);
    let mut sums = vec![(0f32, 0f32); columns * height.div_ceil(BLOCK_SIDE)];
    let mut luma = Vec::with_capacity(width.div_ceil(SAMPLE_STEP));
    for y in (0..height).step_by(SAMPLE_STEP) {
        picture.sample_luma(y, SAMPLE_STEP, &mut luma);
        let sums = &mut sums[y / BLOCK_SIDE * columns..][..columns];
        for (sum, luma) in sums.iter_mut().zip(luma.chunks(BLOCK_SIDE / SAMPLE_STEP)) {
            for value in luma {
                sum.0 += f32::from(*value);
                sum.1 += 1.0;
            }
        }
    }
    sums.into_iter().map(|(sum, count)| sum / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: [u8; 3] = [120; 3];

    fn noisy(mut picture: Picture, seed: u64) -> Picture {
        let mut random = fastrand::Rng::with_seed(seed);
        for value in picture.rgb_mut() {
            *value = value.saturating_add(random.u8(0..9)).saturating_sub(4);
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

    fn detector(reference: &Picture) -> MotionDetector {
        let mut motion = MotionDetector::default();
        motion.set_reference(reference);
        motion
    }

    #[test]
    fn noise_and_flicker_are_no_motion() {
        let motion = detector(&noisy(Picture::filled(640, 480, GREY), 1));
        for seed in 2..30 {
            assert!(motion.is_still(&noisy(Picture::filled(640, 480, GREY), seed)));
            assert!(motion.is_still(&noisy(Picture::filled(640, 480, [135; 3]), seed)));
        }
    }

    #[test]
    fn smallest_detected_face_is_motion_at_any_position() {
        let motion = detector(&Picture::filled(640, 480, GREY));
        for (x, y) in [(0, 0), (7, 9), (300, 211), (592, 432)] {
            assert!(!motion.is_still(&with_square(x, y, 48, [105, 110, 100])), "{x}, {y}");
        }
    }

    #[test]
    fn missing_reference_or_other_size_is_motion() {
        let picture = Picture::filled(64, 48, GREY);
        assert!(!MotionDetector::default().is_still(&picture));
        let mut motion = detector(&Picture::filled(64, 80, GREY));
        assert!(!motion.is_still(&picture));
        motion.set_reference(&picture);
        assert!(motion.is_still(&picture));
        motion.reset();
        assert!(!motion.is_still(&picture));
    }
}
