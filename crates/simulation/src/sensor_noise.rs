//! Chance that repeats, and what a sensor adds to a picture.

use instored_imaging::Picture;

/// SplitMix64: turns any number into an unrelated one.
pub(super) fn hash(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Numbers that look random and follow from a seed.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to, but not, 1.
    pub(super) fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        (hash(self.0) >> 40) as f32 / (1u32 << 24) as f32
    }

    /// A number of the range.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.roll()
    }
}

/// Values in the store of noise; rows begin anywhere in it.
const STORE: usize = 1 << 16;
/// Standard deviation of the noise, in levels of 255.
const SIGMA: f32 = 2.2;

/// Exposure: the light of a moment, and Gaussian noise.
pub(super) struct Noise {
    store: Vec<i8>,
    seed: u64,
}

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut gauss = || {
            // Twelve evenly spread numbers sum up to a bell of variance 1.
            let sum: f32 = (0..12).map(|_| dice.roll()).sum();
            ((sum - 6.0) * SIGMA).round() as i8
        };
        Self { store: (0..STORE).map(|_| gauss()).collect(), seed }
    }

    /// Exposes a picture in `light`, 1 being as it is, as the frame of that number.
    pub(super) fn expose(&self, picture: &mut Picture, light: f32, frame: u64) {
        let gain = (light * 256.0) as i32;
        let row = picture.width() as usize * 3;
        for (y, row) in picture.rgb_mut().chunks_exact_mut(row).enumerate() {
            let begin = hash(self.seed ^ hash((frame << 16) ^ y as u64)) as usize % STORE;
            let mut rest = row;
            let mut noise = &self.store[begin..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at_mut(rest.len().min(noise.len()));
                for (level, noise) in now.iter_mut().zip(noise) {
                    *level =
                        (((i32::from(*level) * gain) >> 8) + i32::from(*noise)).clamp(0, 255) as u8;
                }
                rest = later;
                noise = &self.store;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(seed: u64, frame: u64) -> Picture {
        let mut picture = Picture::filled(700, 300, [100; 3]);
        Noise::new(seed).expose(&mut picture, 1.0, frame);
        picture
    }

    #[test]
    fn noise_is_gaussian_in_mean_and_spread() {
        let picture = exposed(1, 0);
        let off = picture.rgb().iter().map(|level| f32::from(*level) - 100.0);
        let count = picture.rgb().len() as f32;
        let (mean, square) =
            off.fold((0.0, 0.0), |(m, s), off| (m + off / count, s + off * off / count));
        assert!(mean.abs() < 0.1 && (square.sqrt() - SIGMA).abs() < 0.15, "{mean} {square}");
    }

    #[test]
    fn noise_follows_from_seed_and_frame() {
        assert_eq!(exposed(1, 7), exposed(1, 7));
        assert_ne!(exposed(1, 7), exposed(1, 8));
        assert_ne!(exposed(1, 7), exposed(2, 7));
    }
}
