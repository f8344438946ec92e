//! From an ONNX graph to a plan of kernels. Each convolution takes what follows it along.

use std::collections::{HashMap, HashSet};

use instored_kernels::{
    Convolution, Depthwise, Epilogue, InstructionSet, Node, Op, Output, Plan, Pointwise, Size,
    Window, padded,
};
use tract_onnx::pb::NodeProto;

use super::graph::{Constant, Graph, Values, attribute, integer, other_input, string};
use super::weights::{borrowed, by_pixel, unpacked};

/// A plan, and what is to be subtracted from every value of the picture before it.
pub struct Compiled {
    pub plan: Plan,
    pub subtract: f32,
}

/// Plans `graph` for pictures of `size`.
///
/// # Errors
/// When it is made of something that the kernels do not know: its name.
pub fn plan(graph: &Graph, size: Size, isa: InstructionSet) -> Result<Compiled, String> {
    let input = graph.input().ok_or("a graph with several inputs")?;
    let mut compiler = Compiler::new(graph, isa);
    compiler.begin(input, size);
    for (place, node) in graph.nodes().iter().enumerate() {
        if !compiler.done.contains(&place) {
            compiler.node(node).ok_or_else(|| format!("{} ({})", node.op_type, node.name()))?;
        }
    }
    let outputs = graph
        .outputs()
        .iter()
        .map(|name| compiler.output(name).ok_or_else(|| format!("the form of the output {name}")));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let Compiler { steps, subtract, .. } = compiler;
    Ok(Compiled { plan: Plan::new(isa, steps, outputs), subtract })
}

pub(super) trait Named {
    fn name(&self) -> &str;
}

impl Named for NodeProto {
    fn name(&self) -> &str {
        self.output.first().map_or("", String::as_str)
    }
}

/// A value that was computed: the channels from `first` on of what a step makes.
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub step: usize,
    pub first: usize,
    pub size: Size,
    pub channels: usize,
    pub order: Order,
    pub sigmoid: bool,
}

/// How ONNX counts the numbers of a value. In memory they always lie pixel by pixel.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Order {
    Channels,
    /// As `Channels`, of a value beside others in the same pixels.
    Part,
    Pixels,
    /// Channel by channel in one row.
    Flat,
}

/// A convolution with constant weights.
pub(super) struct Conv<'a> {
    pub window: Window,
    pub weights: &'a Values,
    pub bias: Vec<f32>,
    pub outputs: usize,
    /// Inputs of each output.
    pub inputs: usize,
    group: usize,
}

impl Conv<'_> {
    /// Whether each channel is by itself.
    pub fn is_depthwise(&self) -> bool {
        self.inputs == 1 && self.outputs == self.group
    }

    /// Whether it looks at one pixel at a time.
    pub fn is_pointwise(&self) -> bool {
        self.group == 1 && self.window == Window { side: 1, stride: 1, pad: 0 }
    }
}

pub(super) struct Compiler<'a> {
    pub graph: &'a Graph,
    isa: InstructionSet,
    pub values: HashMap<String, Value>,
    /// Nodes that were taken along with an earlier one.
    pub done: HashSet<usize>,
    steps: Vec<Node>,
    subtract: f32,
}

/// The step that makes the picture.
pub(super) const PICTURE: usize = 0;

impl<'a> Compiler<'a> {
    fn new(graph: &'a Graph, isa: InstructionSet) -> Self {
        Self {
            graph,
            isa,
            values: HashMap::new(),
            done: HashSet::new(),
            steps: Vec::new(),
            subtract: 0.0,
        }
    }

    fn begin(&mut self, input: &str, size: Size) {
        let step = PICTURE;
        self.steps.push(Node { work: Op::Picture(3), from: step, size });
        let order = Order::Channels;
        let picture = Value { step, first: 0, size, channels: 3, order, sigmoid: false };
        self.values.insert(input.to_owned(), picture);
    }

    /// `None` when the kernels cannot do what this node does.
    fn node(&mut self, node: &NodeProto) -> Option<()> {
        match node.op_type.as_str() {
            "Sub" => self.subtract(node),
            "Conv" => self.convolution(node),
            "MaxPool" => self.max_pool(node),
            "Resize" => self.doubled(node),
            "Gemm" => self.fully_connected(node),
            "Flatten" => self.flatten(node),
            "Transpose" => self.transpose(node),
            "Reshape" => self.reshape(node),
            "Sigmoid" => self.sigmoid(node),
            _ => None,
        }
    }

    pub fn value(&self, name: &str) -> Option<Value> {
        self.values.get(name).copied()
    }

    pub fn input(&self, node: &NodeProto) -> Option<Value> {
        self.value(node.input.first()?)
    }

    pub fn constant(&self, node: &NodeProto, at: usize) -> Option<&'a Constant> {
        self.graph.constant(node.input.get(at)?)
    }

    /// The only reader of a value that is no output.
    pub fn reader(&self, name: &str) -> Option<(usize, &'a NodeProto)> {
        match self.readers(name)[..] {
            [reader] => Some(reader),
            _ => None,
        }
    }

    pub fn readers(&self, name: &str) -> Vec<(usize, &'a NodeProto)> {
        if self.graph.outputs().iter().any(|output| output == name) {
            return Vec::new();
        }
        self.graph.readers(name)
    }

    /// Adds a step.
    pub fn step(&mut self, work: Op, from: Value, channels: usize) -> Value {
        self.steps.push(Node { work, from: from.step, size: from.size });
        let step = self.steps.len() - 1;
        let size = self.steps[step].output();
        Value { step, first: 0, size, channels, order: Order::Channels, sigmoid: false }
    }

    /// Adds a step that makes the value `name`.
    pub fn make(&mut self, work: Op, from: Value, name: &str, channels: usize) {
        let value = self.step(work, from, channels);
        self.values.insert(name.to_owned(), value);
    }

    /// One number from every value of the picture.
    fn subtract(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| value.step == PICTURE)?;
        self.subtract += self.constant(node, 1)?.scalar()?;
        self.values.insert(node.name().to_owned(), input);
        Some(())
    }

    /// A `Conv` in terms of the kernels.
    pub fn conv(&self, node: &NodeProto) -> Option<Conv<'a>> {
        let weights = self.constant(node, 1)?;
        let [outputs, inputs, height, width] = weights.shape[..] else { return None };
        let bias = match node.input.get(2) {
            Some(_) => self.constant(node, 2)?.floats()?.to_vec(),
            None => vec![0.0; outputs],
        };
        let window = window(node, height, width)?;
        let group = usize::try_from(integer(node, "group", 1)).ok()?;
        Some(Conv { window, weights: &weights.values, bias, outputs, inputs, group })
    }

    fn convolution(&mut self, node: &NodeProto) -> Option<()> {
        if let Some(heads) = self.heads(node) {
            return self.in_one(node, &heads);
        }
        let input = self.input(node).filter(|value| value.order == Order::Channels)?;
        let conv = self.conv(node)?;
        let Conv { window, weights, ref bias, outputs, inputs, group } = conv;
        let size = window.output(input.size)?;
        let follow = self.follow(node.name(), outputs);
        let finish = Epilogue { bias, slope: &follow.slope };
        if conv.is_depthwise() && outputs == input.channels {
            let layer = Depthwise::new(window, &unpacked(weights)?, finish);
            self.done.extend(follow.nodes);
            self.make(Op::Depthwise(layer), input, &follow.output, outputs);
            return Some(());
        }
        if group != 1 || inputs != input.channels {
            return None;
        }
        if !conv.is_pointwise() || input.step == PICTURE {
            let pixel = if input.step == PICTURE { inputs } else { padded(inputs) };
            let taps = window.side * window.side;
            let weights = self.suited(by_pixel(weights, inputs, taps, pixel)?, pixel * taps)?;
            let layer = Convolution::new(window, pixel, borrowed(&weights)?, finish);
            self.done.extend(follow.nodes);
            self.make(Op::Convolution(layer), input, &follow.output, outputs);
            return Some(());
        }
        let weights = self.suited(weights.clone(), inputs)?;
        let layer = Pointwise::new(inputs, borrowed(&weights)?, finish);
        self.done.extend(follow.nodes);
        let (residual, output) = match self.residual(&follow.output, size, outputs) {
            Some((place, other, sum)) => {
                self.done.insert(place);
                (Some(other), sum)
            }
            None => (None, follow.output),
        };
        self.make(Op::Pointwise(layer, residual), input, &output, outputs);
        Some(())
    }

    /// Bytes where the isa multiplies them faster, floats elsewhere. Where there is little to
    /// multiply, as in the first layer, the rounding would cost more than it saves.
    pub fn suited(&self, weights: Values, inputs: usize) -> Option<Values> {
        const FEWEST: usize = 64;
        if self.isa.has_int8_dot() && inputs >= FEWEST {
            return Some(weights);
        }
        unpacked(&weights).map(Values::Floats)
    }

    fn max_pool(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| value.order == Order::Channels)?;
        let kernel = &attribute(node, "kernel_shape")?.ints;
        let [height, width] = kernel[..] else { return None };
        let window = window(node, usize::try_from(height).ok()?, usize::try_from(width).ok()?)?;
        if window != (Window { side: 2, stride: 2, pad: 0 })
            || integer(node, "ceil_mode", 0) != 0
            || input.step == PICTURE
        {
            return None;
        }
        let channels = input.channels;
        window.output(input.size)?;
        self.make(Op::MaxPool(channels), input, node.name(), channels);
        Some(())
    }

    /// A `Resize` to double the size, and the `Add` behind it.
    fn doubled(&mut self, node: &NodeProto) -> Option<()> {
        let small = self.input(node).filter(|value| value.order == Order::Channels)?;
        let grid = string(node, "coordinate_transformation_mode", "half_pixel");
        let nearest = string(node, "nearest_mode", "round_prefer_floor");
        // In these ways each pixel becomes four.
        let each_becomes_four = string(node, "mode", "nearest") == "nearest"
            && matches!(
                (grid, nearest),
                ("asymmetric", "floor") | ("asymmetric" | "half_pixel", "round_prefer_floor")
            );
        if !each_becomes_four || self.constant(node, 2)?.floats()? != [1.0, 1.0, 2.0, 2.0] {
            return None;
        }
        let (place, add) = self.reader(node.name()).filter(|(_, node)| node.op_type == "Add")?;
        let large = self.value(other_input(add, node.name())?)?;
        let doubled = Size { height: small.size.height * 2, width: small.size.width * 2 };
        let channels = small.channels;
        if large.size != doubled || large.channels != channels || large.order != Order::Channels {
            return None;
        }
        self.done.insert(place);
        let work = Op::AddUpsample2x { small: small.step, channels };
        self.make(work, large, add.name(), channels);
        Some(())
    }

    fn renamed(&mut self, node: &NodeProto, value: Value) -> Option<()> {
        self.values.insert(node.name().to_owned(), value);
        Some(())
    }

    fn flatten(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| value.order == Order::Channels)?;
        let plain = integer(node, "axis", 1) == 1 && !input.sigmoid;
        plain.then(|| self.renamed(node, Value { order: Order::Flat, ..input }))?
    }

    fn transpose(&mut self, node: &NodeProto) -> Option<()> {
        let in_channels = |order| matches!(order, Order::Channels | Order::Part);
        let input = self.input(node).filter(|value| in_channels(value.order))?;
        let pixels_first = attribute(node, "perm")?.ints == [0, 2, 3, 1];
        pixels_first.then(|| self.renamed(node, Value { order: Order::Pixels, ..input }))?
    }

    /// A row for each pixel, as it lies in memory.
    fn reshape(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| value.order == Order::Pixels)?;
        let shape = self.constant(node, 1)?.integers()?;
        let rows = matches!(shape, [_, _, channels] if *channels == input.channels as i64);
        rows.then(|| self.renamed(node, input))?
    }

    fn sigmoid(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| !value.sigmoid)?;
        let last = self.graph.outputs().iter().any(|output| output == node.name())
            && self.graph.readers(node.name()).is_empty();
        last.then(|| self.renamed(node, Value { sigmoid: true, ..input }))?
    }

    fn output(&self, name: &str) -> Option<Output> {
        let Value { step, first, size, channels, order, sigmoid } = self.value(name)?;
        let in_order = order == Order::Pixels || size.area() == 1;
        let channels = first..first + channels;
        (in_order && step != PICTURE).then_some(Output { value: step, channels, sigmoid })
    }
}

/// A window that is the same both ways and leaves no pixels out; `None` for any other.
fn window(node: &NodeProto, height: usize, width: usize) -> Option<Window> {
    let same = |name: &str, default: i64| {
        let Some(attribute) = attribute(node, name) else { return usize::try_from(default).ok() };
        let (first, rest) = attribute.ints.split_first()?;
        rest.iter().all(|value| value == first).then(|| usize::try_from(*first).ok())?
    };
    let (stride, pad) = (same("strides", 1)?, same("pads", 0)?);
    let plain = height == width
        && stride > 0
        && pad < height
        && same("dilations", 1)? == 1
        && string(node, "auto_pad", "NOTSET") == "NOTSET";
    plain.then_some(Window { side: height, stride, pad })
}
