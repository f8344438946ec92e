//! Several small convolutions side by side as one: the kernels take as long for one channel as for
//! sixteen.

use instored_kernels::{Depthwise, Epilogue, Op, Pointwise};
use tract_onnx::pb::NodeProto;

use super::compile::{Compiler, Conv, Named, Order, PICTURE, Value};
use super::fuse_activation::Follow;
use super::weights::{borrowed, joined, unpacked};

/// A 1 × 1 convolution with a depthwise one behind it that nothing else reads.
pub(super) struct Head<'a> {
    pointwise: Conv<'a>,
    depthwise: Conv<'a>,
    follow: Follow,
    /// The nodes of both.
    nodes: [usize; 2],
}

impl<'a> Compiler<'a> {
    /// All readers of what `node` reads, if they are several heads that differ in their weights only.
    pub(super) fn heads(&self, node: &NodeProto) -> Option<Vec<Head<'a>>> {
        let readers = self.readers(node.input.first()?);
        let heads: Vec<_> =
            readers.iter().map(|(place, node)| self.head(*place, node)).collect::<Option<_>>()?;
        let window = heads.first()?.depthwise.window;
        let alike = heads.iter().all(|head| head.depthwise.window == window);
        (heads.len() > 1 && alike).then_some(heads)
    }

    fn head(&self, place: usize, node: &NodeProto) -> Option<Head<'a>> {
        let conv = |node: &NodeProto| (node.op_type == "Conv").then(|| self.conv(node))?;
        let (next, reader) = self.reader(node.name())?;
        let pointwise = conv(node).filter(Conv::is_pointwise)?;
        let depthwise = conv(reader).filter(Conv::is_depthwise)?;
        let follow = self.follow(reader.name(), depthwise.outputs);
        (pointwise.outputs == depthwise.outputs).then_some(Head {
            pointwise,
            depthwise,
            follow,
            nodes: [place, next],
        })
    }

    /// Makes all heads of the value that `node` reads in two steps.
    pub(super) fn in_one(&mut self, node: &NodeProto, heads: &[Head<'a>]) -> Option<()> {
        let channels = |value: &Value| value.order == Order::Channels && value.step != PICTURE;
        let input = self.value(node.input.first()?).filter(channels)?;
        if heads.iter().any(|head| head.pointwise.inputs != input.channels) {
            return None;
        }
        let outputs = heads.iter().map(|head| head.depthwise.outputs).sum();

        let matrices: Vec<_> = heads.iter().map(|head| head.pointwise.weights).collect();
        let weights = self.suited(joined(&matrices)?, input.channels)?;
        let bias: Vec<f32> = heads.iter().flat_map(|head| &head.pointwise.bias).copied().collect();
        let finish = Epilogue { bias: &bias, slope: &vec![1.0; outputs] };
        let pointwise = Pointwise::new(input.channels, borrowed(&weights)?, finish);

        let matrices: Option<Vec<_>> =
            heads.iter().map(|head| unpacked(head.depthwise.weights)).collect();
        let bias: Vec<f32> = heads.iter().flat_map(|head| &head.depthwise.bias).copied().collect();
        let slope: Vec<f32> = heads.iter().flat_map(|head| &head.follow.slope).copied().collect();
        let finish = Epilogue { bias: &bias, slope: &slope };
        let window = heads.first()?.depthwise.window;
        let depthwise = Depthwise::new(window, &matrices?.concat(), finish);

        let first = self.step(Op::Pointwise(pointwise, None), input, outputs);
        let whole = self.step(Op::Depthwise(depthwise), first, outputs);
        let mut channel = 0;
        for Head { depthwise, follow, nodes, .. } in heads {
            let (first, channels) = (channel, depthwise.outputs);
            channel += channels;
            self.done.extend(follow.nodes.iter().chain(nodes));
            self.values.insert(
                follow.output.clone(),
                Value { first, channels, order: Order::Part, ..whole },
            );
        }
        Some(())
    }
}
