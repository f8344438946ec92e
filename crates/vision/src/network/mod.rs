//! Neural networks that compute tensors from a picture.
//!
//! A network runs on the kernels if they support all of its operators and the processor has one of
//! their instruction sets. Otherwise it runs on tract.

pub(super) mod compile;
mod fully_connected;
mod fuse_activation;
mod fuse_heads;
mod graph;
#[cfg(test)]
mod invalid_graphs;
#[cfg(test)]
mod tests;
mod tract;
mod weights;

use instored_domain::ModelId;
use instored_imaging::Picture;
use instored_kernels::{InstructionSet, PixelLut, Plan, Size};
use zeroize::Zeroizing;

pub(super) use self::graph::Graph;
pub(super) use self::tract::TractPlan;
use super::manifest::{ColourOrder, Input};
use super::{Model, VisionError};

/// Returns the name of the instruction set that the kernels use on this processor, or `None` if all
/// networks run on tract.
pub fn instruction_set() -> Option<&'static str> {
    InstructionSet::detect().map(InstructionSet::name)
}

/// Network for pictures of one size.
pub(super) struct Network {
    id: ModelId,
    width: u32,
    height: u32,
    /// Names of the outputs.
    outputs: Vec<String>,
    pixel_lut: PixelLut,
    engine: Engine,
}

enum Engine {
    Kernels(Plan),
    Tract(TractPlan),
}

impl Network {
    /// Prepares a model for pictures of `width` × `height` pixels.
    pub fn new(model: &Model, width: u32, height: u32) -> Result<Self, VisionError> {
        Self::with_isa(model, width, height, InstructionSet::detect())
    }

    /// Prepares a model for the kernels with an instruction set, or for tract if it is `None`.
    fn with_isa(
        model: &Model,
        width: u32,
        height: u32,
        isa: Option<InstructionSet>,
    ) -> Result<Self, VisionError> {
        let manifest = model.manifest();
        let unsupported_error = |reason: String| manifest.unsupported_error(reason);
        let size = Size { height: height as usize, width: width as usize };
        let graph = Graph::read(model.weights()).map_err(unsupported_error)?;
        let mut input_offset = 0.0;
        let engine = match isa.map(|isa| compile::compile(&graph, size, isa)) {
            Some(Ok(compiled)) => {
                input_offset = compiled.input_offset;
                Engine::Kernels(compiled.plan)
            }
            not_compiled => {
                if let Some(Err(node)) = not_compiled {
                    let model = &manifest.id.0;
                    tracing::debug!(
                        %model,
                        "the network runs on tract because the kernels do not support {node}"
                    );
                }
                Engine::Tract(TractPlan::new(model.weights(), size).map_err(unsupported_error)?)
            }
        };
        let Input { colour, mean, scale, .. } = manifest.input;
        let network_input = |colour_value| (colour_value - mean) / scale - input_offset;
        let pixel_lut = PixelLut::new(network_input, colour == ColourOrder::Bgr);
        let outputs = graph.outputs().to_vec();
        Ok(Self { id: manifest.id.clone(), width, height, outputs, pixel_lut, engine })
    }

    /// Returns the index of the output with this name.
    pub fn output_index(&self, name: &str) -> Result<usize, VisionError> {
        self.outputs.iter().position(|o| o == name).ok_or_else(|| VisionError::Unsupported {
            id: self.id.0.clone(),
            reason: format!("it has no output `{name}`, only {}", self.outputs.join(", ")),
        })
    }

    /// Runs the network on a picture of the size that it was prepared for. The outputs are overwritten
    /// with zeros when they are dropped.
    pub fn run(&self, picture: &Picture) -> Result<Vec<Zeroizing<Vec<f32>>>, VisionError> {
        debug_assert_eq!((picture.width(), picture.height()), (self.width, self.height));
        let pixels = picture.rgb().as_chunks::<3>().0;
        match &self.engine {
            Engine::Kernels(plan) => Ok(plan.run(&|y, row| {
                let width = self.width as usize;
                self.pixel_lut.convert_row(&pixels[y * width..][..width], row);
            })),
            Engine::Tract(plan) => {
                let mut planes = Zeroizing::new(Vec::with_capacity(3 * pixels.len()));
                for plane in 0..3 {
                    planes.extend(pixels.iter().map(|p| self.pixel_lut.convert(*p)[plane]));
                }
                plan.run(&planes).map_err(|reason| self.inference_error(&reason))
            }
        }
    }

    /// Returns the error of a run that failed or has an invalid output.
    pub fn inference_error(&self, reason: &str) -> VisionError {
        VisionError::Inference { id: self.id.0.clone(), reason: reason.to_owned() }
    }
}
