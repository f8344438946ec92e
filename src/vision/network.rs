//! A network in tract: a picture in, tensors out. The only file that knows tract.

use std::sync::Arc;

use tract_onnx::prelude::*;

use super::model::{Colour, Input};
use super::{Model, Picture, VisionError};
use crate::domain::ModelId;

/// A network that is ready to run on pictures of one size.
pub(super) struct Network {
    id: ModelId,
    input: Input,
    width: u32,
    height: u32,
    plan: Arc<TypedRunnableModel>,
    outputs: Vec<String>,
}

impl Network {
    /// Prepares `model` for pictures of `width` x `height`.
    pub fn new(model: &Model, width: u32, height: u32) -> Result<Self, VisionError> {
        let id = model.card().id.clone();
        let unusable =
            |e: TractError| VisionError::Unusable { id: id.0.clone(), reason: format!("{e:#}") };
        let graph = tract_onnx::onnx().model_for_read(&mut model.weights()).map_err(unusable)?;
        let outputs = graph
            .outputs
            .iter()
            .map(|o| graph.outlet_label(*o).unwrap_or(&graph.node(o.node).name).to_owned())
            .collect();
        let shape = [1, 3, height as usize, width as usize];
        let plan = graph
            .with_input_fact(0, f32::fact(shape).into())
            .and_then(|g| g.into_optimized())
            .and_then(|g| g.into_runnable())
            .map_err(unusable)?;
        Ok(Self { id, input: model.card().input.clone(), width, height, plan, outputs })
    }

    /// The place of the output of that name.
    pub fn output(&self, name: &str) -> Result<usize, VisionError> {
        self.outputs.iter().position(|o| o == name).ok_or_else(|| VisionError::Unusable {
            id: self.id.0.clone(),
            reason: format!("it has no output `{name}`, only {}", self.outputs.join(", ")),
        })
    }

    /// Runs the network. The picture has the size that was prepared for.
    pub fn run(&self, picture: &Picture) -> Result<Vec<Vec<f32>>, VisionError> {
        debug_assert_eq!((picture.width(), picture.height()), (self.width, self.height));
        self.run_tensor(self.tensor(picture)).map_err(|e| self.broken(&format!("{e:#}")))
    }

    /// The error of a network that ran and made no sense.
    pub fn broken(&self, reason: &str) -> VisionError {
        VisionError::Inference { id: self.id.0.clone(), reason: reason.to_owned() }
    }

    fn run_tensor(&self, input: TractResult<Tensor>) -> TractResult<Vec<Vec<f32>>> {
        let outputs = self.plan.run(tvec!(input?.into()))?;
        outputs.iter().map(|o| Ok(o.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())).collect()
    }

    fn tensor(&self, picture: &Picture) -> TractResult<Tensor> {
        let Input { mean, scale, colour, .. } = self.input;
        let plane = self.width as usize * self.height as usize;
        let mut values = vec![0f32; 3 * plane];
        for (channel, values) in values.chunks_exact_mut(plane).enumerate() {
            let source = if colour == Colour::Rgb { channel } else { 2 - channel };
            for (value, pixel) in values.iter_mut().zip(picture.rgb().chunks_exact(3)) {
                *value = (f32::from(pixel[source]) - mean) / scale;
            }
        }
        let shape = [1, 3, self.height as usize, self.width as usize];
        Tensor::from_shape(&shape, &values)
    }
}
