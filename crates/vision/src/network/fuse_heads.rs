//! Fusion of small parallel convolutions. The kernels take the same time for one channel and for
//! sixteen channels.

use instored_kernels::{Depthwise, Epilogue, Op, Pointwise};
use tract_onnx::pb::NodeProto;

use super::compile::{Compiler, ConvNode, INPUT, Layout, Value, output_name};
use super::fuse_activation::FusedActivation;
use super::graph::Values;
use super::weights::{as_kernel_weights, concat_rows, dequantize};

/// Head: a 1 × 1 convolution whose only reader is a depthwise convolution.
pub(super) struct Head<'a> {
    pointwise: ConvNode<'a>,
    depthwise: ConvNode<'a>,
    activation: FusedActivation,
    /// Indices of both convolutions.
    nodes: [usize; 2],
}

impl<'a> Compiler<'a> {
    /// Returns the heads that read the input of `node`. Returns `None` if there is only one, if
    /// another node reads this input, or if the windows of the heads differ.
    pub(super) fn heads(&self, node: &NodeProto) -> Option<Vec<Head<'a>>> {
        let readers = self.readers(node.input.first()?);
        let heads: Vec<_> =
            readers.iter().map(|(index, node)| self.head(*index, node)).collect::<Option<_>>()?;
        let window = heads.first()?.depthwise.window;
        let have_same_window = heads.iter().all(|head| head.depthwise.window == window);
        (heads.len() > 1 && have_same_window).then_some(heads)
    }

    fn head(&self, index: usize, node: &NodeProto) -> Option<Head<'a>> {
        let conv = |node: &NodeProto| (node.op_type == "Conv").then(|| self.conv(node))?;
        let (reader_index, reader) = self.only_reader(output_name(node))?;
        let pointwise = conv(node).filter(ConvNode::is_pointwise)?;
        let depthwise = conv(reader).filter(ConvNode::is_depthwise)?;
        let activation = self.find_activation(output_name(reader), depthwise.outputs);
        (pointwise.outputs == depthwise.outputs).then_some(Head {
            pointwise,
            depthwise,
            activation,
            nodes: [index, reader_index],
        })
    }

    /// Compiles all heads that read the input of `node` into two plan nodes.
    pub(super) fn fuse_heads(&mut self, node: &NodeProto, heads: &[Head<'a>]) -> Option<()> {
        let is_usable = |value: &Value| value.layout == Layout::Nchw && value.node != INPUT;
        let input = self.value(node.input.first()?).filter(is_usable)?;
        if heads.iter().any(|head| head.pointwise.inputs != input.channels) {
            return None;
        }
        let outputs = heads.iter().map(|head| head.depthwise.outputs).sum();

        let matrices: Vec<&Values> = heads.iter().map(|head| head.pointwise.weights).collect();
        let weights = self.choose_dtype(concat_rows(&matrices)?, input.channels)?;
        let bias: Vec<f32> = heads.iter().flat_map(|head| &head.pointwise.bias).copied().collect();
        let epilogue = Epilogue { bias: &bias, slope: &vec![1.0; outputs] };
        let pointwise = Pointwise::new(input.channels, as_kernel_weights(&weights)?, epilogue);

        let weights: Option<Vec<_>> =
            heads.iter().map(|head| dequantize(head.depthwise.weights)).collect();
        let bias: Vec<f32> = heads.iter().flat_map(|head| &head.depthwise.bias).copied().collect();
        let slope: Vec<f32> =
            heads.iter().flat_map(|head| &head.activation.slope).copied().collect();
        let epilogue = Epilogue { bias: &bias, slope: &slope };
        let window = heads.first()?.depthwise.window;
        window.output_size(input.size)?;
        let depthwise = Depthwise::new(window, &weights?.concat(), epilogue);

        let sums = self.push_unnamed(Op::Pointwise(pointwise, None), input, outputs);
        let fused = self.push_unnamed(Op::Depthwise(depthwise), sums, outputs);
        let mut first_channel = 0;
        for Head { depthwise, activation, nodes, .. } in heads {
            let channels = depthwise.outputs;
            self.fused.extend(activation.nodes.iter().chain(nodes));
            self.values.insert(
                activation.output.clone(),
                Value { first_channel, channels, layout: Layout::NchwSlice, ..fused },
            );
            first_channel += channels;
        }
        Some(())
    }
}
