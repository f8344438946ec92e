//! Execution of a network by tract.

use std::sync::Arc;

use instored_kernels::Size;
use tract_onnx::prelude::*;

/// Network that tract has optimised for pictures of one size.
pub struct TractPlan {
    shape: [usize; 4],
    plan: Arc<TypedRunnableModel>,
}

impl TractPlan {
    /// Prepares an ONNX file.
    pub fn new(mut weights: &[u8], size: Size) -> Result<Self, String> {
        let shape = [1, 3, size.height, size.width];
        let plan = tract_onnx::onnx()
            .model_for_read(&mut weights)
            .and_then(|graph| graph.with_input_fact(0, f32::fact(shape).into()))
            .and_then(|graph| graph.into_optimized())
            .and_then(|graph| graph.into_runnable())
            .map_err(|e| format!("{e:#}"))?;
        Ok(Self { shape, plan })
    }

    /// Runs the network on the three colour planes of a picture.
    pub fn run(&self, planes: Vec<f32>) -> Result<Vec<Vec<f32>>, String> {
        let run = || -> TractResult<Vec<Vec<f32>>> {
            let input = Tensor::from_shape(&self.shape, &planes)?;
            let outputs = self.plan.run(tvec!(input.into()))?;
            outputs.iter().map(|o| Ok(o.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())).collect()
        };
        run().map_err(|e| format!("{e:#}"))
    }
}
