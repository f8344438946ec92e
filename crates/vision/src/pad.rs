//! Does this look like a face of flesh, or like a printed one? By MiniFASNetV2 (Minivision AI,
//! "Silent-Face-Anti-Spoofing", 2020), one frame at a time.

use instored_imaging::{Picture, Scaler};

use super::network::Network;
use super::{Model, Rect, VisionError};

/// Tells live faces from presented ones.
pub struct PadModel {
    network: Network,
    side: u32,
    box_scale: f32,
    live_class: usize,
    threshold: f32,
    scaler: Scaler,
}

impl PadModel {
    /// Prepares a liveness model.
    ///
    /// # Errors
    /// When its card lacks what it needs, or it cannot be run.
    pub fn new(model: &Model) -> Result<Self, VisionError> {
        let card = model.manifest();
        let (Some(side), Some(height), Some(box_scale), Some(live_class)) =
            (card.input.width, card.input.height, card.input.box_scale, card.output.live_class)
        else {
            let reason = "its card names no input size, box_scale or live_class".to_owned();
            return Err(VisionError::Unusable { id: card.id.0.clone(), reason });
        };
        Ok(Self {
            network: Network::new(model, side, height)?,
            side,
            box_scale,
            live_class,
            threshold: model.threshold()?,
            scaler: Scaler::default(),
        })
    }

    /// The probability, 0 to 1, that the face at `bounds` is live.
    ///
    /// # Errors
    /// When the network fails.
    pub fn bona_fide_probability(
        &mut self,
        picture: &Picture,
        bounds: &Rect,
    ) -> Result<f32, VisionError> {
        let crop = self.crop(picture, bounds);
        let logits = self.network.run(&crop)?.swap_remove(0);
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
        let live = logits.get(self.live_class).map(|logit| (logit - highest).exp() / sum);
        live.filter(|live| live.is_finite())
            .ok_or_else(|| self.network.broken("its output has no live class"))
    }

    /// Probability from which a face counts as live, as the model's card says.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The grown box as far as it lies in the picture, not smoothed while it is scaled. Measured: boxes
    /// that are moved into the picture, filled up or smoothed make live faces look printed.
    fn crop(&mut self, picture: &Picture, bounds: &Rect) -> Picture {
        let [x, y] = bounds.centre();
        let side = |middle: f32, length: f32, limit: u32| {
            let (limit, half) = (limit as f32, length * self.box_scale / 2.0);
            let from = (middle - half).round().clamp(0.0, limit - 1.0);
            (from, (middle + half).round().clamp(from + 1.0, limit) - from)
        };
        let (left, across) = side(x, bounds.width, picture.width());
        let (top, down) = side(y, bounds.height, picture.height());

        self.scaler.crop_and_resize(picture, [left, top, across, down], self.side, self.side)
    }
}
