//! Presentation-attack detection (PAD) on single frames, by MiniFASNetV2 (Minivision AI,
//! "Silent-Face-Anti-Spoofing", 2020).

use instored_imaging::{Picture, Scaler};
use zeroize::Zeroizing;

use super::network::Network;
use super::{Model, Rect, VisionError};

/// Classifier of bona fide presentations and presentation attacks.
pub struct PadModel {
    network: Network,
    side: u32,
    box_scale: f32,
    bona_fide_class: usize,
    threshold: f32,
    scaler: Scaler,
}

impl PadModel {
    /// Prepares a PAD model.
    ///
    /// # Errors
    /// If the manifest lacks a required field, or the network cannot be run.
    pub fn new(model: &Model) -> Result<Self, VisionError> {
        let manifest = model.manifest();
        let (input, output) = (&manifest.input, &manifest.output);
        let (Some(side), Some(height), Some(box_scale), Some(bona_fide_class)) =
            (input.width, input.height, input.box_scale, output.live_class)
        else {
            let reason = "its manifest lacks the input size, box_scale or live_class";
            return Err(manifest.unsupported_error(reason));
        };
        if side != height {
            return Err(manifest.unsupported_error("its input must be square"));
        }
        Ok(Self {
            network: Network::new(model, side, side)?,
            side,
            box_scale,
            bona_fide_class,
            threshold: model.threshold()?,
            scaler: Scaler::default(),
        })
    }

    /// Returns the probability, 0 to 1, that the face at `bounds` is a bona fide presentation.
    ///
    /// # Errors
    /// If the network fails.
    pub fn bona_fide_probability(
        &mut self,
        picture: &Picture,
        bounds: &Rect,
    ) -> Result<f32, VisionError> {
        let crop = Zeroizing::new(self.crop(picture, bounds));
        let logits = self.network.run(&crop)?.swap_remove(0);
        // Softmax; subtracting the maximum avoids overflow.
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|logit| (logit - max).exp()).sum();
        let probability = logits.get(self.bona_fide_class).map(|logit| (logit - max).exp() / sum);
        probability
            .filter(|probability| probability.is_finite())
            .ok_or_else(|| self.network.inference_error("its output has no value for `live_class`"))
    }

    /// Returns the lowest probability at which a face counts as bona fide.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Cuts out the enlarged box, clipped to the picture, and resizes it without antialiasing.
    ///
    /// In measurements, boxes that were shifted into the picture, padded or antialiased raised the
    /// BPCER.
    fn crop(&mut self, picture: &Picture, bounds: &Rect) -> Picture {
        let [x, y] = bounds.centre();
        let side = |centre: f32, length: f32, limit: u32| {
            let (limit, half) = (limit as f32, length * self.box_scale / 2.0);
            let from = (centre - half).round().clamp(0.0, limit - 1.0);
            (from, (centre + half).round().clamp(from + 1.0, limit) - from)
        };
        let (left, width) = side(x, bounds.width, picture.width());
        let (top, height) = side(y, bounds.height, picture.height());
        self.scaler.crop_and_resize(picture, [left, top, width, height], self.side, self.side)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn input_that_is_not_square_is_rejected() {
        let manifest = include_str!("../../../models/minifasnet.toml");
        let weights = include_bytes!("../../../models/minifasnet.onnx").as_slice();
        let manifest = manifest.replace("height = 80", "height = 96");
        let model = Model::verified(Path::new("pad.toml"), &manifest, weights.into()).unwrap();
        let error = PadModel::new(&model).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("must be square"), "{error}");
    }
}
