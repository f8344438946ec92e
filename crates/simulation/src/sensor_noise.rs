//! Exposure and noise of a simulated sensor.

use instored_imaging::Picture;

use crate::random::{Random, hash};

/// Number of precomputed noise values; each row of a picture starts at another one.
const VALUES: usize = 1 << 16;
/// Standard deviation of the noise, in levels of 255.
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
        Self { values: (0..VALUES).map(|_| gaussian()).collect(), seed }
    }

    /// Multiplies the picture by `gain`, and adds the noise of frame number `frame`.
    pub(super) fn expose(&self, picture: &mut Picture, gain: f32, frame: u64) {
        let gain = (gain * 256.0) as i32;
        let row = picture.width() as usize * 3;
        for (y, row) in picture.rgb_mut().chunks_exact_mut(row).enumerate() {
            let start = hash(self.seed ^ hash((frame << 16) ^ y as u64)) as usize % VALUES;
            let noise = self.values[start..].iter().chain(self.values.iter().cycle());
            for (level, noise) in row.iter_mut().zip(noise) {
                *level =
                    (((i32::from(*level) * gain) >> 8) + i32::from(*noise)).clamp(0, 255) as u8;
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
    fn noise_has_the_mean_and_deviation_of_the_model() {
        let picture = exposed(1, 0);
        let noise = picture.rgb().iter().map(|level| f32::from(*level) - 100.0);
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
