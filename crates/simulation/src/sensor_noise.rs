//! Exposure and noise of a simulated sensor.

use instored_imaging::Picture;

use crate::random::{Random, hash};

/// Number of precomputed noise values. Each row of a frame uses the values from a pseudo-random
/// position on.
const VALUE_COUNT: usize = 1 << 16;
/// Standard deviation of the noise, on a scale of 0 to 255.
const SIGMA: f32 = 2.2;

/// Gaussian noise of a sensor.
pub(super) struct SensorNoise {
    values: Vec<i8>,
    seed: u64,
}

impl SensorNoise {
    /// Precomputes the noise of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut gaussian = || {
            // The sum of twelve uniform numbers has a variance of 1 and is nearly Gaussian.
            let sum: f32 = (0..12).map(|_| random.uniform()).sum();
            ((sum - 6.0) * SIGMA).round() as i8
        };
        Self { values: (0..VALUE_COUNT).map(|_| gaussian()).collect(), seed }
    }

    /// Multiplies the picture by `gain`, and adds the noise of frame number `frame`.
    pub(super) fn expose(&self, picture: &mut Picture, gain: f32, frame: u64) {
        let gain = (gain * 256.0) as i32;
        let row_length = picture.width() as usize * 3;
        for (y, row) in picture.rgb_mut().chunks_exact_mut(row_length).enumerate() {
            let start = hash(self.seed ^ hash((frame << 16) ^ y as u64)) as usize % VALUE_COUNT;
            let noise = self.values[start..].iter().chain(self.values.iter().cycle());
            for (value, noise) in row.iter_mut().zip(noise) {
                *value =
                    (((i32::from(*value) * gain) >> 8) + i32::from(*noise)).clamp(0, 255) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(seed: u64, frame: u64) -> Picture {
        let mut picture = Picture::filled(700, 300, [100; 3]);
        SensorNoise::new(seed).expose(&mut picture, 1.0, frame);
        picture
    }

    #[test]
    fn noise_has_mean_and_deviation_of_model() {
        let picture = exposed(1, 0);
        let noise = picture.rgb().iter().map(|value| f32::from(*value) - 100.0);
        let count = picture.rgb().len() as f32;
        let (mean, square) =
            noise.fold((0.0, 0.0), |(m, s), value| (m + value / count, s + value * value / count));
        assert!(mean.abs() < 0.1 && (square.sqrt() - SIGMA).abs() < 0.15, "{mean} {square}");
    }

    #[test]
    fn noise_depends_on_seed_and_frame_only() {
        assert_eq!(exposed(1, 7), exposed(1, 7));
        assert_ne!(exposed(1, 7), exposed(1, 8));
        assert_ne!(exposed(1, 7), exposed(2, 7));
    }
}
