//! Compilation of an ONNX graph to a plan of kernels. Activations, residual sums and parallel heads
//! are fused into convolutions.

use std::collections::{HashMap, HashSet};

use instored_kernels::{
    Convolution, Depthwise, Epilogue, INT8_INPUTS_MAX, InstructionSet, Node, Op, Output, Plan,
    Pointwise, Size, Window, padded,
};
use tract_onnx::pb::NodeProto;

use super::graph::{Constant, Graph, Values, attribute, integer, other_input, string};
use super::weights::{as_kernel_weights, dequantize, oihw_to_ohwi};

/// Result of [`compile`].
pub struct Compiled {
    pub plan: Plan,
    /// Number that the graph subtracts from every value of its input.
    pub input_offset: f32,
}

/// Compiles `graph` for pictures of `size`.
///
/// # Errors
/// Returns the operator and the name of the first node that the kernels do not support.
pub fn compile(graph: &Graph, size: Size, isa: InstructionSet) -> Result<Compiled, String> {
    let input = graph.input().ok_or("a graph with several inputs")?;
    let mut compiler = Compiler::new(graph, isa, input, size);
    for (index, node) in graph.nodes().iter().enumerate() {
        if !compiler.fused.contains(&index) {
            compiler
                .compile(node)
                .ok_or_else(|| format!("{} ({})", node.op_type, output_name(node)))?;
        }
    }
    let outputs = graph.outputs().iter().map(|name| {
        compiler.output(name).ok_or_else(|| format!("the data layout of output {name}"))
    });
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let Compiler { nodes, input_offset, .. } = compiler;
    Ok(Compiled { plan: Plan::new(isa, nodes, outputs), input_offset })
}

/// Returns the name of a node's first output.
pub(super) fn output_name(node: &NodeProto) -> &str {
    node.output.first().map_or("", String::as_str)
}

/// Value of the graph: a range of channels of a plan node's tensor.
#[derive(Clone, Copy)]
pub(super) struct Value {
    /// Index of the plan node.
    pub node: usize,
    pub first_channel: usize,
    pub size: Size,
    pub channels: usize,
    pub layout: Layout,
    pub has_sigmoid: bool,
}

/// Layout of a value in the ONNX graph. The layout in memory is always NHWC.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Layout {
    Nchw,
    /// NCHW; the value is a part of the channels of a larger tensor.
    NchwSlice,
    Nhwc,
    /// NCHW; the value is flattened to one row.
    Flattened,
}

/// `Conv` with constant weights.
pub(super) struct ConvNode<'a> {
    pub window: Window,
    pub weights: &'a Values,
    pub bias: Vec<f32>,
    /// Number of output channels.
    pub outputs: usize,
    /// Number of input channels that each output channel depends on.
    pub inputs: usize,
    /// Number of groups of channels.
    group: usize,
}

impl ConvNode<'_> {
    /// Returns true if each channel has its own kernel.
    pub fn is_depthwise(&self) -> bool {
        self.inputs == 1 && self.outputs == self.group
    }

    /// Returns true if each output pixel depends on a single input pixel.
    pub fn is_pointwise(&self) -> bool {
        self.group == 1 && self.window == Window::POINTWISE
    }
}

/// Compiler of one graph.
pub(super) struct Compiler<'a> {
    pub graph: &'a Graph,
    isa: InstructionSet,
    /// Values computed so far, by name.
    pub values: HashMap<String, Value>,
    /// Indices of the graph nodes that need no plan node, because the plan node of another graph node
    /// also computes them.
    pub fused: HashSet<usize>,
    nodes: Vec<Node>,
    input_offset: f32,
}

/// Index of the plan node that is the picture.
pub(super) const INPUT: usize = 0;

/// Smallest number of inputs for which int8 weights are used. With fewer inputs, as in the first
/// layer, quantizing the input rows takes more time than the int8 products save.
const INT8_INPUTS_MIN: usize = 64;

impl<'a> Compiler<'a> {
    fn new(graph: &'a Graph, isa: InstructionSet, input: &str, size: Size) -> Self {
        let picture = Value {
            node: INPUT,
            first_channel: 0,
            size,
            channels: 3,
            layout: Layout::Nchw,
            has_sigmoid: false,
        };
        Self {
            graph,
            isa,
            values: HashMap::from([(input.to_owned(), picture)]),
            fused: HashSet::new(),
            nodes: vec![Node { op: Op::Input(3), input: INPUT, input_size: size }],
            input_offset: 0.0,
        }
    }

    /// Compiles a node. Returns `None` if the kernels do not support it.
    fn compile(&mut self, node: &NodeProto) -> Option<()> {
        match node.op_type.as_str() {
            "Sub" => self.subtract(node),
            "Conv" => self.convolution(node),
            "MaxPool" => self.max_pool(node),
            "Resize" => self.upsample2x(node),
            "Gemm" => self.fully_connected(node),
            "Flatten" => self.flatten(node),
            "Transpose" => self.transpose(node),
            "Reshape" => self.reshape(node),
            "Sigmoid" => self.sigmoid(node),
            _ => None,
        }
    }

    /// Returns the value with this name.
    pub fn value(&self, name: &str) -> Option<Value> {
        self.values.get(name).copied()
    }

    /// Returns the first input of a node.
    pub fn input(&self, node: &NodeProto) -> Option<Value> {
        self.value(node.input.first()?)
    }

    /// Returns the first input of a node if it is a whole tensor in NCHW layout.
    fn nchw_input(&self, node: &NodeProto) -> Option<Value> {
        self.input(node).filter(|value| value.layout == Layout::Nchw)
    }

    /// Returns input number `input` of a node if it is a constant.
    pub fn constant(&self, node: &NodeProto, input: usize) -> Option<&'a Constant> {
        self.graph.constant(node.input.get(input)?)
    }

    /// Returns the node that reads a value, with its index, if it is the only reader. Returns
    /// `None` for an output of the graph.
    pub fn only_reader(&self, name: &str) -> Option<(usize, &'a NodeProto)> {
        match self.readers(name)[..] {
            [reader] => Some(reader),
            _ => None,
        }
    }

    /// Returns the nodes that read a value, with their indices. Returns an empty list for an output
    /// of the graph, which must not be fused.
    pub fn readers(&self, name: &str) -> Vec<(usize, &'a NodeProto)> {
        if self.graph.is_output(name) { Vec::new() } else { self.graph.readers(name) }
    }

    /// Adds a plan node and returns its tensor.
    pub fn push_unnamed(&mut self, op: Op, input: Value, channels: usize) -> Value {
        self.nodes.push(Node { op, input: input.node, input_size: input.size });
        let node = self.nodes.len() - 1;
        let size = self.nodes[node].output_size();
        let layout = Layout::Nchw;
        Value { node, first_channel: 0, size, channels, layout, has_sigmoid: false }
    }

    /// Adds a plan node that computes the value `name`.
    pub fn push(&mut self, op: Op, input: Value, name: &str, channels: usize) {
        let value = self.push_unnamed(op, input, channels);
        self.values.insert(name.to_owned(), value);
    }

    /// Registers `value` as the output of `node`, without a plan node.
    fn alias(&mut self, node: &NodeProto, value: Value) -> Option<()> {
        self.values.insert(output_name(node).to_owned(), value);
        Some(())
    }

    /// Compiles the subtraction of one number from every value of the picture. The offset is the same for
    /// all nodes that read the picture, so that no other node may read it without the subtraction.
    fn subtract(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| value.node == INPUT)?;
        self.only_reader(node.input.first()?)?;
        self.input_offset += self.constant(node, 1)?.scalar()?;
        self.alias(node, input)
    }

    /// Reads the weights and attributes of a `Conv`.
    pub fn conv(&self, node: &NodeProto) -> Option<ConvNode<'a>> {
        let weights = self.constant(node, 1)?;
        let [outputs, inputs, height, width] = weights.shape[..] else { return None };
        let bias = match node.input.get(2) {
            Some(_) => self.constant(node, 2)?.floats()?.to_vec(),
            None => vec![0.0; outputs],
        };
        if bias.len() != outputs {
            return None;
        }
        let window = window(node, height, width)?;
        let group = usize::try_from(integer(node, "group", 1)).ok()?;
        Some(ConvNode { window, weights: &weights.values, bias, outputs, inputs, group })
    }

    fn convolution(&mut self, node: &NodeProto) -> Option<()> {
        if let Some(heads) = self.heads(node) {
            return self.fuse_heads(node, &heads);
        }
        let input = self.nchw_input(node)?;
        let conv = self.conv(node)?;
        let ConvNode { window, weights, ref bias, outputs, inputs, group } = conv;
        let size = window.output_size(input.size)?;
        let activation = self.find_activation(output_name(node), outputs);
        let epilogue = Epilogue { bias, slope: &activation.slope };
        let mut output = activation.output.clone();
        let op = if conv.is_depthwise() && outputs == input.channels && input.node != INPUT {
            Op::Depthwise(Depthwise::new(window, &dequantize(weights)?, epilogue))
        } else if group != 1 || inputs != input.channels {
            return None;
        } else if !conv.is_pointwise() || input.node == INPUT {
            // The picture has three values per pixel, without padding.
            let pixel_stride = if input.node == INPUT { inputs } else { padded(inputs) };
            let taps = window.side * window.side;
            let weights = oihw_to_ohwi(weights, inputs, taps, pixel_stride)?;
            let weights = self.choose_dtype(weights, pixel_stride * taps)?;
            let weights = as_kernel_weights(&weights)?;
            Op::Convolution(Convolution::new(window, pixel_stride, weights, epilogue))
        } else {
            let weights = self.choose_dtype(weights.clone(), inputs)?;
            let layer = Pointwise::new(inputs, as_kernel_weights(&weights)?, epilogue);
            let mut residual = None;
            if let Some((add, earlier, sum)) = self.find_residual(&output, size, outputs) {
                self.fused.insert(add);
                (residual, output) = (Some(earlier), sum);
            }
            Op::Pointwise(layer, residual)
        };
        self.fused.extend(activation.nodes);
        self.push(op, input, &output, outputs);
        Some(())
    }

    /// Keeps int8 weights if the instruction set multiplies int8 faster and there are at least
    /// [`INT8_INPUTS_MIN`] inputs, but not too many for it. Otherwise converts them to `f32`.
    pub fn choose_dtype(&self, weights: Values, inputs: usize) -> Option<Values> {
        let has_suitable_length = inputs >= INT8_INPUTS_MIN && padded(inputs) <= INT8_INPUTS_MAX;
        if self.isa.has_int8_dot() && has_suitable_length {
            return Some(weights);
        }
        dequantize(&weights).map(Values::F32)
    }

    fn max_pool(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.nchw_input(node)?;
        let kernel = &attribute(node, "kernel_shape")?.ints;
        let [height, width] = kernel[..] else { return None };
        let window = window(node, usize::try_from(height).ok()?, usize::try_from(width).ok()?)?;
        if window != (Window { side: 2, stride: 2, pad: 0 })
            || integer(node, "ceil_mode", 0) != 0
            || input.node == INPUT
        {
            return None;
        }
        let channels = input.channels;
        window.output_size(input.size)?;
        self.push(Op::MaxPool(channels), input, output_name(node), channels);
        Some(())
    }

    /// Compiles a `Resize` to twice the size and the `Add` that reads it.
    fn upsample2x(&mut self, node: &NodeProto) -> Option<()> {
        let small = self.nchw_input(node)?;
        if !repeats_pixels(node) || self.constant(node, 2)?.floats()? != [1.0, 1.0, 2.0, 2.0] {
            return None;
        }
        let (index, add) =
            self.only_reader(output_name(node)).filter(|(_, node)| node.op_type == "Add")?;
        let large = self.value(other_input(add, output_name(node))?)?;
        let doubled = Size { height: small.size.height * 2, width: small.size.width * 2 };
        let channels = small.channels;
        let has_same_shape =
            large.size == doubled && large.channels == channels && large.layout == Layout::Nchw;
        // The picture has three values per pixel, without padding.
        if !has_same_shape || small.node == INPUT || large.node == INPUT {
            return None;
        }
        self.fused.insert(index);
        let op = Op::AddUpsample2x { small: small.node, channels };
        self.push(op, large, output_name(add), channels);
        Some(())
    }

    fn flatten(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.nchw_input(node)?;
        let is_supported = integer(node, "axis", 1) == 1 && !input.has_sigmoid;
        is_supported.then(|| self.alias(node, Value { layout: Layout::Flattened, ..input }))?
    }

    fn transpose(&mut self, node: &NodeProto) -> Option<()> {
        let is_nchw = |value: &Value| matches!(value.layout, Layout::Nchw | Layout::NchwSlice);
        let input = self.input(node).filter(is_nchw)?;
        let is_nhwc = attribute(node, "perm")?.ints == [0, 2, 3, 1];
        is_nhwc.then(|| self.alias(node, Value { layout: Layout::Nhwc, ..input }))?
    }

    /// Compiles a `Reshape` to one row of channels per pixel. The layout in memory does not change.
    fn reshape(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| value.layout == Layout::Nhwc)?;
        let shape = self.constant(node, 1)?.integers()?;
        let keeps_pixels = matches!(shape, [_, _, channels] if *channels == input.channels as i64);
        keeps_pixels.then(|| self.alias(node, input))?
    }

    /// Compiles a `Sigmoid` whose result is an output of the graph.
    fn sigmoid(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| !value.has_sigmoid)?;
        let name = output_name(node);
        let is_last = self.graph.is_output(name) && self.graph.readers(name).is_empty();
        is_last.then(|| self.alias(node, Value { has_sigmoid: true, ..input }))?
    }

    fn output(&self, name: &str) -> Option<Output> {
        let Value { node, first_channel, size, channels, layout, has_sigmoid } =
            self.value(name)?;
        let is_memory_layout = layout == Layout::Nhwc || size.area() == 1;
        let channels = first_channel..first_channel + channels;
        (is_memory_layout && node != INPUT).then_some(Output {
            tensor: node,
            channels,
            has_sigmoid,
        })
    }
}

/// Returns true if a `Resize` to twice the size repeats each pixel four times.
fn repeats_pixels(resize: &NodeProto) -> bool {
    let grid = string(resize, "coordinate_transformation_mode", "half_pixel");
    let rounding = string(resize, "nearest_mode", "round_prefer_floor");
    string(resize, "mode", "nearest") == "nearest"
        && matches!(
            (grid, rounding),
            ("asymmetric", "floor") | ("asymmetric" | "half_pixel", "round_prefer_floor")
        )
}

/// Returns the window of a node. Returns `None` if the window is not square, has a dilation, or has
/// a different stride or padding in the two directions.
fn window(node: &NodeProto, height: usize, width: usize) -> Option<Window> {
    let uniform = |name: &str, default: i64| {
        let Some(attribute) = attribute(node, name) else { return usize::try_from(default).ok() };
        let (first, rest) = attribute.ints.split_first()?;
        rest.iter().all(|value| value == first).then(|| usize::try_from(*first).ok())?
    };
    let (stride, pad) = (uniform("strides", 1)?, uniform("pads", 0)?);
    let is_supported = height == width
        && stride > 0
        && pad < height
        && uniform("dilations", 1)? == 1
        && string(node, "auto_pad", "NOTSET") == "NOTSET";
    is_supported.then_some(Window { side: height, stride, pad })
}
