//! What follows a convolution and is done with it: its activation, in the forms that files have it in,
//! and a sum with an earlier value.

use instored_kernels::Size;
use tract_onnx::pb::NodeProto;

use super::compile::{Compiler, Named, Order, PICTURE};
use super::graph::other_input;

/// What becomes of a convolution's sum before anything else reads it.
pub(super) struct Follow {
    pub slope: Vec<f32>,
    pub output: String,
    pub nodes: Vec<usize>,
}

impl Compiler<'_> {
    /// The activation behind `sum`: none, ReLU, PReLU, or PReLU as `max(x, a x)` or as
    /// `max(x, 0) + a min(x, 0)`.
    pub fn follow(&self, sum: &str, channels: usize) -> Follow {
        let linear =
            || Follow { slope: vec![1.0; channels], output: sum.to_owned(), nodes: vec![] };
        self.activation(sum, channels).unwrap_or_else(linear)
    }

    fn activation(&self, sum: &str, channels: usize) -> Option<Follow> {
        let readers = self.readers(sum);
        let with = |op: &str| readers.iter().copied().find(|(_, node)| node.op_type == op);
        let follow = |slope, last: &NodeProto, nodes| {
            Some(Follow { slope, output: last.name().to_owned(), nodes })
        };
        match readers.len() {
            1 => {
                let (place, node) = readers[0];
                let slope = match node.op_type.as_str() {
                    "Relu" => vec![0.0; channels],
                    "PRelu" => self.by_channel(node.input.get(1)?, channels)?,
                    _ => return None,
                };
                follow(slope, node, vec![place])
            }
            2 => {
                if let (Some((a, mul)), Some((b, max))) = (with("Mul"), with("Max")) {
                    let slope = self.factor(mul, sum, channels)?;
                    // Only up to this slope is the larger one the activation.
                    let is_prelu = slope.iter().all(|slope| *slope <= 1.0);
                    let (place, _) = self.reader(mul.name())?;
                    return (is_prelu && place == b).then(|| follow(slope, max, vec![a, b]))?;
                }
                let ((a, relu), (b, min)) = (with("Relu")?, with("Min")?);
                let zero = other_input(min, sum).and_then(|name| self.graph.constant(name));
                let (c, mul) = self.reader(min.name()).filter(|(_, node)| node.op_type == "Mul")?;
                let (d, add) = self.reader(mul.name()).filter(|(_, node)| node.op_type == "Add")?;
                let (e, _) = self.reader(relu.name())?;
                if zero?.scalar() != Some(0.0) || d != e {
                    return None;
                }
                follow(self.factor(mul, min.name(), channels)?, add, vec![a, b, c, d])
            }
            _ => None,
        }
    }

    /// What a `Mul` multiplies `name` with.
    fn factor(&self, mul: &NodeProto, name: &str, channels: usize) -> Option<Vec<f32>> {
        self.by_channel(other_input(mul, name)?, channels)
    }

    fn by_channel(&self, name: &str, channels: usize) -> Option<Vec<f32>> {
        match self.graph.constant(name)?.floats()? {
            [value] => Some(vec![*value; channels]),
            values if values.len() == channels => Some(values.to_vec()),
            _ => None,
        }
    }

    /// An `Add` of `name` and an earlier value of the same form: its place, the earlier value's
    /// step, and the sum's name.
    pub fn residual(
        &self,
        name: &str,
        size: Size,
        channels: usize,
    ) -> Option<(usize, usize, String)> {
        let (place, add) = self.reader(name).filter(|(_, node)| node.op_type == "Add")?;
        let earlier = self.value(other_input(add, name)?)?;
        let same = earlier.size == size
            && earlier.channels == channels
            && earlier.order == Order::Channels
            && earlier.step != PICTURE;
        same.then(|| (place, earlier.step, add.name().to_owned()))
    }
}
