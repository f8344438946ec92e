//! Fully connected layers.

use instored_kernels::{Epilogue, Op, Pointwise, Size, padded};
use tract_onnx::pb::NodeProto;

use super::compile::{Compiler, INPUT, Layout, Value, output_name};
use super::graph::{Values, attribute, integer};
use super::weights::{as_kernel_weights, concat_rows, oihw_to_ohwi};

impl<'a> Compiler<'a> {
    /// Compiles a `Gemm`, or several `Gemm` of the same input whose outputs are concatenated.
    pub fn fully_connected(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node)?;
        if input.layout != Layout::Flattened || input.node == INPUT {
            return None;
        }
        let (layers, output) =
            self.concatenated_layers(node).unwrap_or((vec![node], output_name(node)));
        let inputs = input.channels * input.size.area();
        let (mut bias, mut matrices) = (Vec::new(), Vec::new());
        for layer in layers {
            let (matrix, layer_bias) = self.gemm_weights(layer, inputs)?;
            matrices.push(matrix);
            bias.extend_from_slice(layer_bias);
        }
        let taps = input.size.area();
        let pixel_stride = padded(input.channels);
        let weights = oihw_to_ohwi(&concat_rows(&matrices)?, input.channels, taps, pixel_stride)?;
        let weights = self.choose_dtype(weights, pixel_stride * taps)?;
        let epilogue = Epilogue { bias: &bias, slope: &vec![1.0; bias.len()] };
        let layer = Pointwise::new(pixel_stride * taps, as_kernel_weights(&weights)?, epilogue);
        let row = Value { size: Size { height: 1, width: 1 }, ..input };
        let output = output.to_owned();
        let value = self.push_unnamed(Op::Pointwise(layer, None), row, bias.len());
        self.values.insert(output, Value { layout: Layout::Flattened, ..value });
        Some(())
    }

    /// Returns the matrix and the bias of a `Gemm`. Returns `None` if the node does not compute
    /// `x · Wᵀ + b`.
    fn gemm_weights(&self, node: &NodeProto, inputs: usize) -> Option<(&'a Values, &'a [f32])> {
        let is_one = |name: &&str| attribute(node, name).is_none_or(|attribute| attribute.f == 1.0);
        let is_plain = ["alpha", "beta"].iter().all(is_one)
            && integer(node, "transB", 0) == 1
            && integer(node, "transA", 0) == 0;
        let weights = self.constant(node, 1)?;
        let [outputs, columns] = weights.shape[..] else { return None };
        let bias = self.constant(node, 2)?.floats().filter(|bias| bias.len() == outputs)?;
        (is_plain && columns == inputs).then_some((&weights.values, bias))
    }

    /// Finds all `Gemm` whose outputs are concatenated with that of `first`. Returns them with the
    /// output name of the `Concat`, and marks all of these nodes as fused. Returns `None` if the
    /// inputs of the `Gemm` differ or another node reads their outputs.
    fn concatenated_layers(&mut self, first: &NodeProto) -> Option<(Vec<&'a NodeProto>, &'a str)> {
        let (concat_index, concat) = self.only_reader(output_name(first))?;
        if concat.op_type != "Concat" || integer(concat, "axis", 0) != 1 {
            return None;
        }
        let (mut layers, mut fused) = (Vec::new(), vec![concat_index]);
        for name in &concat.input {
            let computes = |(_, node): &(usize, &NodeProto)| output_name(node) == name;
            let (index, layer) = self.graph.nodes().iter().enumerate().find(computes)?;
            let is_like_first =
                layer.op_type == "Gemm" && layer.input.first() == first.input.first();
            if !is_like_first || output_name(self.only_reader(name)?.1) != output_name(concat) {
                return None;
            }
            layers.push(layer);
            fused.push(index);
        }
        self.fused.extend(fused);
        Some((layers, output_name(concat)))
    }
}
