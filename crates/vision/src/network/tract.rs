//! Execution of a network by tract.

use std::sync::Arc;

use instored_kernels::Size;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan::{SimpleState, eval};
use zeroize::{Zeroize, Zeroizing};

/// Network that tract has optimised for pictures of one size.
pub struct TractPlan {
    shape: [usize; 4],
    plan: Arc<TypedRunnableModel>,
}

/// Tensors of a run. They are overwritten with zeros when they are dropped.
#[derive(Default)]
struct Tensors(Vec<TValue>);

impl TractPlan {
    /// Prepares an ONNX file.
    pub fn new(mut weights: &[u8], size: Size) -> Result<Self, String> {
        let proto = tract_onnx::onnx().proto_model_for_read(&mut weights);
        Self::from_proto(&proto.map_err(|e| format!("{e:#}"))?, size)
    }

    /// Prepares a parsed ONNX file.
    pub fn from_proto(proto: &ModelProto, size: Size) -> Result<Self, String> {
        let shape = [1, 3, size.height, size.width];
        let plan = tract_onnx::onnx()
            .model_for_proto_model(proto)
            .and_then(|graph| graph.with_input_fact(0, f32::fact(shape).into()))
            .and_then(|graph| graph.into_optimized())
            .and_then(|graph| graph.into_runnable())
            .map_err(|e| format!("{e:#}"))?;
        Ok(Self { shape, plan })
    }

    /// Runs the network on the three colour planes of a picture.
    ///
    /// The tensors between the operators are kept until the end of the run, and overwritten. The
    /// working memory inside an operator of tract is not.
    pub fn run(&self, planes: &[f32]) -> Result<Vec<Zeroizing<Vec<f32>>>, String> {
        let run = || -> TractResult<Vec<Zeroizing<Vec<f32>>>> {
            let input = TValue::from(Tensor::from_shape(&self.shape, planes)?);
            // Dropped after the state, which shares its tensors.
            let mut tensors = Tensors(vec![input.clone()]);
            let mut state = SimpleState::new(&self.plan)?;
            let outputs =
                state.run_plan_with_eval(tvec!(input), |context, state, node, inputs| {
                    let outputs = eval(context, state, node, inputs)?;
                    tensors.0.extend(outputs.iter().cloned());
                    TractResult::Ok(outputs)
                })?;
            let values = |o: &TValue| -> TractResult<_> {
                Ok(Zeroizing::new(o.try_as_plain_ram()?.as_slice::<f32>()?.to_vec()))
            };
            outputs.iter().map(values).collect()
        };
        run().map_err(|e| format!("{e:#}"))
    }
}

impl Drop for Tensors {
    fn drop(&mut self) {
        for value in self.0.drain(..) {
            // Weights are shared with the plan, and are no data of a picture.
            if let Ok(mut tensor) = Arc::try_unwrap(value.into_arc_tensor())
                && let Ok(mut values) = tensor.try_as_plain_ram_mut()
            {
                values.as_bytes_mut().zeroize();
            }
        }
    }
}
