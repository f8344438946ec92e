//! From an ONNX graph to a plan of kernels. Each convolution takes what follows it along: bias,
//! activation (also where PReLU was taken apart), and a sum with an earlier value.

use std::collections::{HashMap, HashSet};

use instored_kernels::{
    Convolution, Depthwise, Finish, Pointwise, Processor, Size, Weights, Window, padded,
};
use tract_onnx::pb::NodeProto;

use super::graph::{Constant, Graph, Values, attribute, integer, string};
use super::plan::{Output, Plan, Step, Work};

/// A plan, and what is to be subtracted from every value of the picture before it.
pub struct Compiled {
    pub plan: Plan,
    pub subtract: f32,
}

/// Plans `graph` for pictures of `size`.
///
/// # Errors
/// When it is made of something that the kernels do not know: its name.
pub fn plan(graph: &Graph, size: Size, processor: Processor) -> Result<Compiled, String> {
    let input = graph.input().ok_or("a graph with several inputs")?;
    let mut compiler = Compiler::new(graph, processor);
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
    let Compiler { steps, lengths, subtract, .. } = compiler;
    Ok(Compiled { plan: in_few_buffers(processor, steps, outputs, &lengths), subtract })
}

trait Named {
    fn name(&self) -> &str;
}

impl Named for NodeProto {
    fn name(&self) -> &str {
        self.output.first().map_or("", String::as_str)
    }
}

/// A value that was computed, in a buffer of its own.
#[derive(Clone, Copy)]
struct Value {
    buffer: usize,
    size: Size,
    channels: usize,
    order: Order,
    sigmoid: bool,
}

/// How ONNX counts the numbers of a value. In memory they always lie pixel by pixel.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Channels,
    Pixels,
    /// Channel by channel in one row.
    Flat,
}

/// What becomes of a convolution's sum before anything else reads it.
struct Follow {
    slope: Vec<f32>,
    output: String,
    nodes: Vec<usize>,
}

struct Compiler<'a> {
    graph: &'a Graph,
    processor: Processor,
    values: HashMap<String, Value>,
    /// Nodes that were taken along with an earlier one.
    done: HashSet<usize>,
    steps: Vec<Step>,
    /// Of each buffer.
    lengths: Vec<usize>,
    subtract: f32,
}

const PICTURE: usize = 0;

impl<'a> Compiler<'a> {
    fn new(graph: &'a Graph, processor: Processor) -> Self {
        Self {
            graph,
            processor,
            values: HashMap::new(),
            done: HashSet::new(),
            steps: Vec::new(),
            lengths: Vec::new(),
            subtract: 0.0,
        }
    }

    fn begin(&mut self, input: &str, size: Size) {
        self.lengths.push(3 * size.area());
        let order = Order::Channels;
        let picture = Value { buffer: PICTURE, size, channels: 3, order, sigmoid: false };
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

    fn value(&self, name: &str) -> Option<Value> {
        self.values.get(name).copied()
    }

    fn input(&self, node: &NodeProto) -> Option<Value> {
        self.value(node.input.first()?)
    }

    fn constant(&self, node: &NodeProto, at: usize) -> Option<&'a Constant> {
        self.graph.constant(node.input.get(at)?)
    }

    /// The only reader of a value that is no output.
    fn reader(&self, name: &str) -> Option<(usize, &'a NodeProto)> {
        match self.readers(name)[..] {
            [reader] => Some(reader),
            _ => None,
        }
    }

    fn readers(&self, name: &str) -> Vec<(usize, &'a NodeProto)> {
        if self.graph.outputs().iter().any(|output| output == name) {
            return Vec::new();
        }
        self.graph.readers(name)
    }

    /// Adds a step that makes the value `name`.
    fn step(&mut self, work: Work, from: Value, name: &str, size: Size, channels: usize) {
        let to = self.lengths.len();
        self.lengths.push(size.area() * padded(channels));
        self.steps.push(Step { work, from: from.buffer, to, size: from.size });
        let value = Value { buffer: to, size, channels, order: Order::Channels, sigmoid: false };
        self.values.insert(name.to_owned(), value);
    }

    /// One number from every value of the picture.
    fn subtract(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| value.buffer == PICTURE)?;
        self.subtract += self.constant(node, 1)?.scalar()?;
        self.values.insert(node.name().to_owned(), input);
        Some(())
    }

    fn convolution(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| value.order == Order::Channels)?;
        let weights = self.constant(node, 1)?;
        let [outputs, inputs, height, width] = weights.shape[..] else { return None };
        let window = window(node, height, width)?;
        let size = window.output(input.size)?;
        let group = usize::try_from(integer(node, "group", 1)).ok()?;
        let bias = match node.input.get(2) {
            Some(_) => self.constant(node, 2)?.floats()?.to_vec(),
            None => vec![0.0; outputs],
        };
        let Follow { slope, output, nodes } = self.follow(node.name(), outputs);
        let finish = Finish { bias: &bias, slope: &slope };
        if group == input.channels && outputs == group && inputs == 1 {
            let layer = Depthwise::new(window, &unpacked(&weights.values)?, finish);
            self.done.extend(nodes);
            self.step(Work::Depthwise(layer), input, &output, size, outputs);
            return Some(());
        }
        if group != 1 || inputs != input.channels {
            return None;
        }
        let whole = Window { side: 1, stride: 1, pad: 0 };
        if window != whole || input.buffer == PICTURE {
            let pixel = if input.buffer == PICTURE { inputs } else { padded(inputs) };
            let weights = by_pixel(&weights.values, inputs, window.side * window.side, pixel)?;
            let weights = self.suited(weights, pixel * window.side * window.side)?;
            let layer = Convolution::new(window, pixel, borrowed(&weights)?, finish);
            self.done.extend(nodes);
            self.step(Work::Convolution(layer), input, &output, size, outputs);
            return Some(());
        }
        let weights = self.suited(weights.values.clone(), inputs)?;
        let layer = Pointwise::new(inputs, borrowed(&weights)?, finish);
        self.done.extend(nodes);
        let (residual, output) = match self.residual(&output, size, outputs) {
            Some((place, other, sum)) => {
                self.done.insert(place);
                (Some(other), sum)
            }
            None => (None, output),
        };
        self.step(Work::Pointwise(layer, residual), input, &output, size, outputs);
        Some(())
    }

    /// Bytes where the processor multiplies them faster, floats elsewhere. Where there is little to
    /// multiply, as in the first layer, the rounding would cost more than it saves.
    fn suited(&self, weights: Values, inputs: usize) -> Option<Values> {
        const FEWEST: usize = 64;
        if self.processor.has_byte_products() && inputs >= FEWEST {
            return Some(weights);
        }
        unpacked(&weights).map(Values::Floats)
    }

    /// The activation behind `sum`: none, ReLU, PReLU, or PReLU as `max(x, a x)` or as
    /// `max(x, 0) + a min(x, 0)`.
    fn follow(&self, sum: &str, channels: usize) -> Follow {
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
                let zero = other(min, sum).and_then(|name| self.graph.constant(name));
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
        self.by_channel(other(mul, name)?, channels)
    }

    fn by_channel(&self, name: &str, channels: usize) -> Option<Vec<f32>> {
        match self.graph.constant(name)?.floats()? {
            [value] => Some(vec![*value; channels]),
            values if values.len() == channels => Some(values.to_vec()),
            _ => None,
        }
    }

    /// An `Add` of `name` and an earlier value of the same form: its place, the earlier value's
    /// buffer, and the sum's name.
    fn residual(&self, name: &str, size: Size, channels: usize) -> Option<(usize, usize, String)> {
        let (place, add) = self.reader(name).filter(|(_, node)| node.op_type == "Add")?;
        let earlier = self.value(other(add, name)?)?;
        let same = earlier.size == size
            && earlier.channels == channels
            && earlier.order == Order::Channels
            && earlier.buffer != PICTURE;
        same.then(|| (place, earlier.buffer, add.name().to_owned()))
    }

    fn max_pool(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node).filter(|value| value.order == Order::Channels)?;
        let kernel = &attribute(node, "kernel_shape")?.ints;
        let [height, width] = kernel[..] else { return None };
        let window = window(node, usize::try_from(height).ok()?, usize::try_from(width).ok()?)?;
        if window != (Window { side: 2, stride: 2, pad: 0 })
            || integer(node, "ceil_mode", 0) != 0
            || input.buffer == PICTURE
        {
            return None;
        }
        let channels = input.channels;
        let size = window.output(input.size)?;
        self.step(Work::MaxPool { channels }, input, node.name(), size, channels);
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
        let large = self.value(other(add, node.name())?)?;
        let doubled = Size { height: small.size.height * 2, width: small.size.width * 2 };
        let channels = small.channels;
        if large.size != doubled || large.channels != channels || large.order != Order::Channels {
            return None;
        }
        self.done.insert(place);
        let work = Work::AddDoubled { small: small.buffer, channels };
        self.step(work, large, add.name(), doubled, channels);
        Some(())
    }

    /// A fully connected layer, or several of one input whose outputs are put in a row.
    fn fully_connected(&mut self, node: &NodeProto) -> Option<()> {
        let input = self.input(node)?;
        if input.order != Order::Flat || input.buffer == PICTURE {
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
        let finish = Finish { bias: &bias, slope: &vec![1.0; rows] };
        let layer = Pointwise::new(pixel * taps, borrowed(&weights)?, finish);
        let one = Size { height: 1, width: 1 };
        let row = Value { size: one, ..input };
        let output = output.to_owned();
        self.step(Work::Pointwise(layer, None), row, &output, one, rows);
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
        let input = self.input(node).filter(|value| value.order == Order::Channels)?;
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
        let Value { buffer, size, channels, order, sigmoid } = self.value(name)?;
        let in_order = order == Order::Pixels || size.area() == 1;
        (in_order && buffer != PICTURE).then_some(Output {
            buffer,
            pixels: size.area(),
            channels,
            sigmoid,
        })
    }
}

/// The other one of a node's two inputs.
fn other<'a>(node: &'a NodeProto, name: &str) -> Option<&'a str> {
    match &node.input[..] {
        [a, b] if a == name => Some(b),
        [a, b] if b == name => Some(a),
        _ => None,
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
        && same("dilations", 1)? == 1
        && string(node, "auto_pad", "NOTSET") == "NOTSET";
    plain.then_some(Window { side: height, stride, pad })
}

/// From channel by channel to tap by tap, each with the channels of a pixel of `pixel` values.
fn by_pixel(weights: &Values, channels: usize, taps: usize, pixel: usize) -> Option<Values> {
    fn moved<T: Copy + Default>(from: &[T], channels: usize, taps: usize, pixel: usize) -> Vec<T> {
        let mut to = vec![T::default(); from.len() / channels * pixel];
        for (row, to) in from.chunks_exact(channels * taps).zip(to.chunks_exact_mut(pixel * taps)) {
            for (i, weight) in row.iter().enumerate() {
                to[i % taps * pixel + i / taps] = *weight;
            }
        }
        to
    }
    Some(match weights {
        Values::Floats(values) => Values::Floats(moved(values, channels, taps, pixel)),
        Values::Bytes { codes, scales } => {
            Values::Bytes { codes: moved(codes, channels, taps, pixel), scales: scales.clone() }
        }
        Values::Integers(_) => return None,
    })
}

/// One matrix above the other.
fn joined(matrices: &[&Values]) -> Option<Values> {
    if let [Values::Bytes { .. }, ..] = matrices {
        let (mut all_codes, mut all_scales) = (Vec::new(), Vec::new());
        for matrix in matrices {
            let Values::Bytes { codes, scales } = matrix else { return None };
            all_codes.extend_from_slice(codes);
            all_scales.extend_from_slice(scales);
        }
        return Some(Values::Bytes { codes: all_codes, scales: all_scales });
    }
    let floats: Option<Vec<_>> = matrices.iter().map(|matrix| unpacked(matrix)).collect();
    Some(Values::Floats(floats?.concat()))
}

fn unpacked(weights: &Values) -> Option<Vec<f32>> {
    match weights {
        Values::Floats(values) => Some(values.clone()),
        Values::Bytes { codes, scales } => {
            let row = codes.len() / scales.len();
            let rows = codes.chunks_exact(row).zip(scales);
            let unpack = |(codes, scale): (&[i8], &f32)| -> Vec<f32> {
                codes.iter().map(|code| f32::from(*code) * scale).collect()
            };
            Some(rows.flat_map(unpack).collect())
        }
        Values::Integers(_) => None,
    }
}

fn borrowed(weights: &Values) -> Option<Weights<'_>> {
    match weights {
        Values::Floats(values) => Some(Weights::Floats(values)),
        Values::Bytes { codes, scales } => Some(Weights::Bytes { codes, scales }),
        Values::Integers(_) => None,
    }
}

/// Lets values whose readers are done make room for later ones.
fn in_few_buffers(
    processor: Processor,
    mut steps: Vec<Step>,
    mut outputs: Vec<Output>,
    lengths: &[usize],
) -> Plan {
    let mut last_read = vec![0; lengths.len()];
    for (i, step) in steps.iter().enumerate() {
        step.reads().into_iter().flatten().for_each(|value| last_read[value] = i);
    }
    outputs.iter().for_each(|output| last_read[output.buffer] = usize::MAX);

    let mut buffers = vec![lengths[PICTURE]];
    let mut place = vec![PICTURE; lengths.len()];
    let mut free = Vec::new();
    for (i, step) in steps.iter_mut().enumerate() {
        let value = step.to;
        let buffer = free.pop().unwrap_or_else(|| {
            buffers.push(0);
            buffers.len() - 1
        });
        buffers[buffer] = buffers[buffer].max(lengths[value]);
        place[value] = buffer;
        let mut read: Vec<_> = step.reads().into_iter().flatten().collect();
        read.dedup();
        free.extend(read.into_iter().filter(|v| last_read[*v] == i).map(|v| place[v]));
        step.relocate(&place);
    }
    outputs.iter_mut().for_each(|output| output.buffer = place[output.buffer]);
    Plan::new(processor, steps, outputs, buffers)
}
