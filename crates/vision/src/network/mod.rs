//! A network: a picture in, numbers out. It is run by the kernels where they know all that it is
//! made of, and by tract where they do not, or have none for this isa.

mod compile;
mod fully_connected;
mod fuse_activation;
mod fuse_heads;
mod graph;
#[cfg(test)]
mod tests;
mod tract;
mod weights;

use instored_domain::ModelId;
use instored_imaging::Picture;
use instored_kernels::{InstructionSet, PixelLut, Plan, Size};

use self::graph::Graph;
use self::tract::TractPlan;
use super::model::{Colour, Input};
use super::{Model, VisionError};

/// The instruction set that the kernels run with on this isa; `None`: tract runs everything.
pub fn instruction_set() -> Option<&'static str> {
    InstructionSet::detect().map(InstructionSet::name)
}

/// A network that is ready to run on pictures of one size.
pub(super) struct Network {
    id: ModelId,
    width: u32,
    height: u32,
    outputs: Vec<String>,
    levels: PixelLut,
    engine: Engine,
}

enum Engine {
    Kernels(Plan),
    Tract(TractPlan),
}

impl Network {
    /// Prepares `model` for pictures of `width` x `height`.
    pub fn new(model: &Model, width: u32, height: u32) -> Result<Self, VisionError> {
        Self::with(model, width, height, InstructionSet::detect())
    }

    /// As [`new`](Self::new), by the kernels for `isa`, or by tract alone.
    fn with(
        model: &Model,
        width: u32,
        height: u32,
        isa: Option<InstructionSet>,
    ) -> Result<Self, VisionError> {
        let id = model.manifest().id.clone();
        let unusable = |reason: String| VisionError::Unusable { id: id.0.clone(), reason };
        let size = Size { height: height as usize, width: width as usize };
        let graph = Graph::read(model.weights()).map_err(unusable)?;
        let outputs = graph.outputs().to_vec();
        let Input { colour, mean, scale, .. } = model.manifest().input;
        let compiled = isa.map(|isa| compile::plan(&graph, size, isa));
        let mut subtract = 0.0;
        let engine = match compiled {
            Some(Ok(compiled)) => {
                subtract = compiled.subtract;
                Engine::Kernels(compiled.plan)
            }
            Some(Err(unknown)) => {
                tracing::debug!(model = %id.0, "run by tract: the kernels do not know {unknown}");
                Engine::Tract(TractPlan::new(model.weights(), size).map_err(unusable)?)
            }
            None => Engine::Tract(TractPlan::new(model.weights(), size).map_err(unusable)?),
        };
        let number = |level| (level - mean) / scale - subtract;
        let levels = PixelLut::new(number, colour == Colour::Bgr);
        Ok(Self { id, width, height, outputs, levels, engine })
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
        let pixels = picture.rgb().as_chunks::<3>().0;
        match &self.engine {
            Engine::Kernels(plan) => Ok(plan.run(&|y, row| {
                let width = self.width as usize;
                self.levels.fill(&pixels[y * width..][..width], row);
            })),
            Engine::Tract(plan) => {
                let planes = (0..3).flat_map(|plane| {
                    pixels.iter().map(move |pixel| self.levels.of(*pixel)[plane])
                });
                plan.run(planes.collect()).map_err(|reason| self.broken(&reason))
            }
        }
    }

    /// The error of a network that ran and made no sense.
    pub fn broken(&self, reason: &str) -> VisionError {
        VisionError::Inference { id: self.id.0.clone(), reason: reason.to_owned() }
    }
}
