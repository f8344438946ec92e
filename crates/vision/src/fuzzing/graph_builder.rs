//! ONNX graphs from the bytes of a fuzz input: chains of the nodes that the kernels support, with
//! constants whose shapes match, except where a byte selects a flaw.

use instored_kernels::Size;
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as TypeValue};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, tensor_shape_proto,
};

/// Version of the ONNX operators.
const OPERATOR_SET: i64 = 13;
/// Maximum number of nodes that the bytes select.
const NODES_MAX: usize = 24;
/// Name of the input of the graph.
const INPUT: &str = "input";

const FLOAT: i32 = 1;
const INT8: i32 = 3;

/// Builder of a graph.
pub(super) struct GraphBuilder<'a> {
    bytes: &'a [u8],
    graph: GraphProto,
    /// Values that a node may read, with their numbers of channels.
    values: Vec<(String, usize)>,
    outputs: Vec<String>,
}

impl<'a> GraphBuilder<'a> {
    /// Builds a model for pictures of `size`.
    pub fn build(bytes: &'a [u8], size: Size) -> ModelProto {
        let mut builder = Self {
            bytes,
            graph: GraphProto { name: "graph".to_owned(), ..GraphProto::default() },
            values: vec![(INPUT.to_owned(), 3)],
            outputs: Vec::new(),
        };
        builder.graph.input.push(picture_type(size));
        for _ in 0..NODES_MAX {
            if builder.bytes.is_empty() {
                break;
            }
            builder.add_node();
        }
        if builder.outputs.is_empty() {
            let (last, _) = builder.last();
            builder.add_output(&last);
        }
        let outputs = std::mem::take(&mut builder.outputs);
        builder.graph.output = outputs.into_iter().map(untyped).collect();
        ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { version: OPERATOR_SET, ..Default::default() }],
            graph: Some(builder.graph),
            ..ModelProto::default()
        }
    }

    /// Returns the next byte, or 0 at the end.
    fn byte(&mut self) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        usize::from(*first)
    }

    fn last(&self) -> (String, usize) {
        self.values.last().cloned().expect("the input is a value")
    }

    /// Returns the last value or one of the values before it.
    fn choose_value(&mut self) -> (String, usize) {
        let back = self.byte() % 8;
        // Most nodes read the last value.
        let back = back.saturating_sub(4).min(self.values.len() - 1);
        self.values[self.values.len() - 1 - back].clone()
    }

    fn add_node(&mut self) {
        let selector = self.byte();
        let (value, channels) = self.choose_value();
        match selector % 16 {
            kind @ 0..=2 => drop(self.add_convolution(&value, channels, kind)),
            3 => self.add_unary("Relu", &value, channels),
            4 => {
                let slope = self.channel_constant(channels);
                self.add("PRelu", &[&value, &slope], channels, vec![]);
            }
            5 => {
                let (other, _) = self.choose_value();
                self.add("Add", &[&value, &other], channels, vec![]);
            }
            6 => {
                let window = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
                self.add("MaxPool", &[&value], channels, window);
            }
            7 => self.add_upsampled(&value, channels),
            8 => {
                let number = self.number() * 4.0;
                let number = self.floats(&[1], vec![number]);
                self.add("Sub", &[&value, &number], channels, vec![]);
            }
            9 => self.add_max(&value, channels),
            10 => self.add_relu_sum(&value, channels),
            11 => self.add_fully_connected(&value, channels),
            12 => self.add_heads(&value, channels),
            13 => self.add_output(&value),
            14 => self.add_unary("Sigmoid", &value, channels),
            _ => self.add_flattened_output(&value),
        }
    }

    fn add_unary(&mut self, op: &str, value: &str, channels: usize) {
        self.add(op, &[value], channels, vec![]);
    }

    /// Adds a node and returns the name of its output.
    fn add(
        &mut self,
        op: &str,
        inputs: &[&str],
        channels: usize,
        attribute: Vec<AttributeProto>,
    ) -> String {
        let output = format!("value{}", self.graph.node.len());
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.clone()],
            name: output.clone(),
            op_type: op.to_owned(),
            attribute,
            ..NodeProto::default()
        });
        self.values.push((output.clone(), channels));
        output
    }

    /// Adds a dense (0), depthwise (1) or pointwise (2) convolution.
    fn add_convolution(&mut self, value: &str, channels: usize, kind: usize) -> String {
        let (shape, stride, flaw) = (self.byte(), self.byte(), self.byte());
        let outputs = if kind == 1 { channels } else { 1 + shape % 40 };
        let side = if kind == 2 { 1 } else { [1, 3, 5, 2][shape / 64] };
        let (group, inputs) = if kind == 1 { (channels, 1) } else { (1, channels) };
        let inputs = if flaw == 1 { inputs + 1 } else { inputs };
        let group = if flaw == 2 { 0 } else { group };
        let outputs_of_weights = if flaw == 3 { 0 } else { outputs };
        let dims = [outputs_of_weights, inputs, side, side];
        let weights = if stride & 64 == 0 {
            let count = dims.iter().product();
            let values = self.numbers(count);
            self.floats(&dims, values)
        } else {
            self.quantized(&dims)
        };
        let biases = if flaw == 4 { outputs + 1 } else { outputs };
        let bias = self.numbers(biases);
        let bias = self.floats(&[biases], bias);
        let stride_pixels = if flaw == 5 { 0 } else { 1 + stride as i64 % 3 };
        let pad = (stride as i64 / 4 % 3).min(side as i64 - 1);
        let attributes = vec![
            ints("kernel_shape", &[side as i64; 2]),
            ints("strides", &[stride_pixels; 2]),
            ints("pads", &[pad; 4]),
            int("group", group as i64),
        ];
        let inputs: &[&str] =
            if stride & 128 == 0 { &[value, &weights, &bias] } else { &[value, &weights] };
        self.add("Conv", inputs, outputs, attributes)
    }

    /// Adds two heads, each a pointwise and a depthwise convolution.
    fn add_heads(&mut self, value: &str, channels: usize) {
        for _ in 0..2 {
            let sums = self.add_convolution(value, channels, 2);
            let (_, outputs) = self.last();
            let head = self.add_convolution(&sums, outputs, 1);
            self.add_output(&head);
        }
    }

    fn add_upsampled(&mut self, value: &str, channels: usize) {
        let (larger, _) = self.choose_value();
        let roi = self.floats(&[0], vec![]);
        let scales = self.floats(&[4], vec![1.0, 1.0, 2.0, 2.0]);
        let attributes = vec![
            string("mode", "nearest"),
            string("coordinate_transformation_mode", "asymmetric"),
            string("nearest_mode", "floor"),
        ];
        let doubled = self.add("Resize", &[value, &roi, &scales], channels, attributes);
        self.add("Add", &[&doubled, &larger], channels, vec![]);
    }

    /// Adds `max(x, a·x)`.
    fn add_max(&mut self, value: &str, channels: usize) {
        let slope = self.channel_constant(channels);
        let product = self.add("Mul", &[value, &slope], channels, vec![]);
        self.add("Max", &[value, &product], channels, vec![]);
    }

    /// Adds `max(x, 0) + a·min(x, 0)`.
    fn add_relu_sum(&mut self, value: &str, channels: usize) {
        let slope = self.channel_constant(channels);
        let zero = self.floats(&[1], vec![0.0]);
        let positive = self.add("Relu", &[value], channels, vec![]);
        let negative = self.add("Min", &[value, &zero], channels, vec![]);
        let product = self.add("Mul", &[&negative, &slope], channels, vec![]);
        self.add("Add", &[&positive, &product], channels, vec![]);
    }

    /// Adds one or two fully connected layers, whose outputs are concatenated.
    fn add_fully_connected(&mut self, value: &str, channels: usize) {
        let (pixels, outputs) = (1 + self.byte() % 16, 1 + self.byte() % 16);
        let flat = self.add("Flatten", &[value], channels, vec![int("axis", 1)]);
        let count = 1 + outputs % 2;
        let layers: Vec<_> = (0..count)
            .map(|_| {
                let dims = [outputs, channels * pixels];
                let weights = if self.byte() % 2 == 0 {
                    let values = self.numbers(dims.iter().product());
                    self.floats(&dims, values)
                } else {
                    self.quantized(&dims)
                };
                let bias = self.numbers(outputs);
                let bias = self.floats(&[outputs], bias);
                let transposed = vec![int("transB", 1)];
                self.add("Gemm", &[&flat, &weights, &bias], outputs, transposed)
            })
            .collect();
        let output = match &layers[..] {
            [first, second] => {
                self.add("Concat", &[first, second], 2 * outputs, vec![int("axis", 1)])
            }
            _ => layers[0].clone(),
        };
        self.outputs.push(output);
    }

    /// Makes a value an output, in the layout NHWC.
    fn add_output(&mut self, value: &str) {
        let perm = vec![ints("perm", &[0, 2, 3, 1])];
        let (last, channels) = self.last();
        let transposed = self.add("Transpose", &[value], channels, perm);
        // Later nodes read the value, not its transposition.
        self.values.push((last, channels));
        self.outputs.push(transposed);
    }

    /// Makes a value an output, without a change of its layout.
    fn add_flattened_output(&mut self, value: &str) {
        self.outputs.push(value.to_owned());
    }

    /// Adds a constant with one value, or one for each channel.
    fn channel_constant(&mut self, channels: usize) -> String {
        let selector = self.byte();
        let count = match selector % 8 {
            0 => 1,
            1 => channels + 1,
            _ => channels,
        };
        let values = self.numbers(count);
        self.floats(&[count, 1, 1], values)
    }

    /// Returns a number from -0.5 to 0.5.
    fn number(&mut self) -> f32 {
        self.byte() as f32 / 255.0 - 0.5
    }

    /// Returns numbers from -0.25 to 0.25 that depend on one byte.
    fn numbers(&mut self, count: usize) -> Vec<f32> {
        let seed = self.byte() + 1;
        (0..count).map(|i| ((i * 29 + seed) * seed % 127) as f32 / 254.0 - 0.25).collect()
    }

    fn floats(&mut self, dims: &[usize], float_data: Vec<f32>) -> String {
        self.add_constant(TensorProto { data_type: FLOAT, float_data, ..dimensions(dims) })
    }

    /// Adds int8 weights with a scale for each index of the first dimension.
    fn quantized(&mut self, dims: &[usize]) -> String {
        let seed = self.byte() + 1;
        let count = dims.iter().product();
        let raw_data = (0..count).map(|i| ((i * 29 + seed) * seed) as u8).collect();
        let values =
            self.add_constant(TensorProto { data_type: INT8, raw_data, ..dimensions(dims) });
        let scales = self.floats(&dims[..1], vec![0.002; dims[0]]);
        let zeros =
            TensorProto { data_type: INT8, raw_data: vec![0; dims[0]], ..dimensions(&dims[..1]) };
        let zeros = self.add_constant(zeros);
        let (value, channels) = self.last();
        let inputs = [values.as_str(), &scales, &zeros];
        let weights = self.add("DequantizeLinear", &inputs, channels, vec![int("axis", 0)]);
        // Weights are read by their name only.
        self.values.push((value, channels));
        weights
    }

    fn add_constant(&mut self, tensor: TensorProto) -> String {
        let name = format!("constant{}", self.graph.initializer.len());
        self.graph.initializer.push(TensorProto { name: name.clone(), ..tensor });
        name
    }
}

fn dimensions(dims: &[usize]) -> TensorProto {
    TensorProto { dims: dims.iter().map(|side| *side as i64).collect(), ..TensorProto::default() }
}

fn picture_type(size: Size) -> ValueInfoProto {
    let dimension = |side: usize| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(side as i64)),
        ..Default::default()
    };
    let dim = [1, 3, size.height, size.width].map(dimension).to_vec();
    let tensor = TensorType { elem_type: FLOAT, shape: Some(TensorShapeProto { dim }) };
    let value = Some(TypeValue::TensorType(tensor));
    let r#type = Some(TypeProto { value, ..TypeProto::default() });
    ValueInfoProto { r#type, ..untyped(INPUT.to_owned()) }
}

fn untyped(name: String) -> ValueInfoProto {
    ValueInfoProto { name, ..ValueInfoProto::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, attribute_proto::AttributeType::Int) }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.to_vec(), ..attribute(name, attribute_proto::AttributeType::Ints) }
}

fn string(name: &str, text: &str) -> AttributeProto {
    AttributeProto {
        s: text.as_bytes().to_vec(),
        ..attribute(name, attribute_proto::AttributeType::String)
    }
}

fn attribute(name: &str, kind: attribute_proto::AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..AttributeProto::default() }
}
