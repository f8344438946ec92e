//! Fully connected layers.

use instored_kernels::{Epilogue, Op, Pointwise, Size, padded};
use tract_onnx::pb::NodeProto;

use super::compile::{Compiler, Named, Order, PICTURE, Value};
use super::graph::{attribute, integer};
use super::weights::{borrowed, by_pixel, joined};

impl<'a> Compiler<'a> {
    /// A fully connected layer, or several of one input whose outputs are put in a row.
    pub fn fully_connected(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node)?;
        if input.order != Order::Flat || input.step == PICTURE {
            return None;
        }
        let (layers, output) = self.side_by_side(node).unwrap_or((vec![node], node.name()));
        let (mut bias, mut rows, mut matrices) = (Vec::new(), 0, Vec::new());
        for layer in layers {
            let plain = ["alpha", "beta"]
                .iter()
                .all(|name| attribute(layer, name).is_none_or(|attribute| attribute.f == 1.0));
            let weights = self.constant(layer, 1)?;
            if !plain || integer(layer, "transB", 0) != 1 || integer(layer, "transA", 0) != 0 {
                return None;
            }
            let [outputs, inputs] = weights.shape[..] else { return None };
            if inputs != input.channels * input.size.area() {
                return None;
            }
            rows += outputs;
            bias.extend_from_slice(
                self.constant(layer, 2)?.floats().filter(|b| b.len() == outputs)?,
            );
            matrices.push(&weights.values);
        }
        let taps = input.size.area();
        let pixel = padded(input.channels);
        let weights = by_pixel(&joined(&matrices)?, input.channels, taps, pixel)?;
        let weights = self.suited(weights, pixel * taps)?;
        let finish = Epilogue { bias: &bias, slope: &vec![1.0; rows] };
        let layer = Pointwise::new(pixel * taps, borrowed(&weights)?, finish);
        let one = Size { height: 1, width: 1 };
        let row = Value { size: one, ..input };
        let output = output.to_owned();
        self.make(Op::Pointwise(layer, None), row, &output, rows);
        Some(())
    }

    /// The fully connected layers of the same input as `first`, if a `Concat` reads them and nothing
    /// else, and its name. They and it are done with the first.
    fn side_by_side(&mut self, first: &NodeProto) -> Option<(Vec<&'a NodeProto>, &'a str)> {
        let (place, concat) = self.reader(first.name())?;
        if concat.op_type != "Concat" || integer(concat, "axis", 0) != 1 {
            return None;
        }
        let (mut layers, mut places) = (Vec::new(), vec![place]);
        for name in &concat.input {
            let made = |(_, node): &(usize, &NodeProto)| node.name() == name;
            let (place, layer) = self.graph.nodes().iter().enumerate().find(made)?;
            let alike = layer.op_type == "Gemm" && layer.input.first() == first.input.first();
            if !alike || self.reader(name)?.1.name() != concat.name() {
                return None;
            }
            layers.push(layer);
            places.push(place);
        }
        self.done.extend(places);
        Some((layers, concat.name()))
    }
}
