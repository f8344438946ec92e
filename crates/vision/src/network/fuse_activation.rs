//! Fusion of a convolution with the activation and the residual sum that follow it.

use instored_kernels::Size;
use tract_onnx::pb::NodeProto;

use super::compile::{Compiler, INPUT, Layout, output_name};
use super::graph::other_input;

/// Activation that is fused into a convolution.
pub(super) struct FusedActivation {
    /// Slope of each channel for negative sums.
    pub slope: Vec<f32>,
    /// Name of the value after the activation.
    pub output: String,
    /// Indices of the fused nodes.
    pub nodes: Vec<usize>,
}

impl Compiler<'_> {
    /// Finds the activation that reads `sum`: none, ReLU or PReLU. PReLU is also recognised in the
    /// forms `max(x, a·x)` and `max(x, 0) + a·min(x, 0)`.
    pub fn find_activation(&self, sum: &str, channels: usize) -> FusedActivation {
        self.activation(sum, channels).unwrap_or_else(|| FusedActivation {
            slope: vec![1.0; channels],
            output: sum.to_owned(),
            nodes: Vec::new(),
        })
    }

    fn activation(&self, sum: &str, channels: usize) -> Option<FusedActivation> {
        match self.readers(sum)[..] {
            [(index, node)] => {
                let slope = match node.op_type.as_str() {
                    "Relu" => vec![0.0; channels],
                    "PRelu" => self.per_channel(node.input.get(1)?, channels)?,
                    _ => return None,
                };
                Some(fused(slope, node, vec![index]))
            }
            [a, b] => self
                .prelu_as_max(sum, channels, a, b)
                .or_else(|| self.prelu_as_sum(sum, channels, a, b)),
            _ => None,
        }
    }

    /// Recognises `max(x, a·x)` with slopes of at most 1.
    fn prelu_as_max(
        &self,
        sum: &str,
        channels: usize,
        first: (usize, &NodeProto),
        second: (usize, &NodeProto),
    ) -> Option<FusedActivation> {
        let [(mul_index, mul), (max_index, max)] = by_op([first, second], ["Mul", "Max"])?;
        let slope = self.factor(mul, sum, channels)?;
        // For a slope above 1, `max(x, a·x)` differs from PReLU.
        let is_prelu = slope.iter().all(|slope| *slope <= 1.0);
        let (reader, _) = self.only_reader(output_name(mul))?;
        (is_prelu && reader == max_index).then(|| fused(slope, max, vec![mul_index, max_index]))
    }

    /// Recognises `max(x, 0) + a·min(x, 0)`.
    fn prelu_as_sum(
        &self,
        sum: &str,
        channels: usize,
        first: (usize, &NodeProto),
        second: (usize, &NodeProto),
    ) -> Option<FusedActivation> {
        let [(relu_index, relu), (min_index, min)] = by_op([first, second], ["Relu", "Min"])?;
        let zero = other_input(min, sum).and_then(|name| self.graph.constant(name))?;
        let (mul_index, mul) =
            self.only_reader(output_name(min)).filter(|(_, node)| node.op_type == "Mul")?;
        let (add_index, add) =
            self.only_reader(output_name(mul)).filter(|(_, node)| node.op_type == "Add")?;
        let (relu_reader, _) = self.only_reader(output_name(relu))?;
        if zero.scalar() != Some(0.0) || relu_reader != add_index {
            return None;
        }
        let slope = self.factor(mul, output_name(min), channels)?;
        Some(fused(slope, add, vec![relu_index, min_index, mul_index, add_index]))
    }

    /// Returns the constant by which a `Mul` multiplies `name`, with one value for each channel.
    fn factor(&self, mul: &NodeProto, name: &str, channels: usize) -> Option<Vec<f32>> {
        self.per_channel(other_input(mul, name)?, channels)
    }

    /// Returns the constant `name` with one value for each channel.
    fn per_channel(&self, name: &str, channels: usize) -> Option<Vec<f32>> {
        match self.graph.constant(name)?.floats()? {
            [value] => Some(vec![*value; channels]),
            values if values.len() == channels => Some(values.to_vec()),
            _ => None,
        }
    }

    /// Finds the `Add` of `name` and an earlier value of the same shape. Returns the index of the
    /// `Add`, the plan node of the earlier value, and the name of the sum.
    pub fn find_residual(
        &self,
        name: &str,
        size: Size,
        channels: usize,
    ) -> Option<(usize, usize, String)> {
        let (index, add) = self.only_reader(name).filter(|(_, node)| node.op_type == "Add")?;
        let earlier = self.value(other_input(add, name)?)?;
        let has_same_shape = earlier.size == size
            && earlier.channels == channels
            && earlier.layout == Layout::Nchw
            && earlier.node != INPUT;
        has_same_shape.then(|| (index, earlier.node, output_name(add).to_owned()))
    }
}

fn fused(slope: Vec<f32>, last: &NodeProto, nodes: Vec<usize>) -> FusedActivation {
    FusedActivation { slope, output: output_name(last).to_owned(), nodes }
}

/// Returns two nodes in the order of the operators `ops`. Returns `None` if they have other
/// operators.
fn by_op<'a>(
    nodes: [(usize, &'a NodeProto); 2],
    ops: [&str; 2],
) -> Option<[(usize, &'a NodeProto); 2]> {
    let [a, b] = nodes;
    [[a, b], [b, a]].into_iter().find(|[a, b]| [&a.1.op_type, &b.1.op_type] == ops)
}
