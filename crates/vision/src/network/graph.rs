//! ONNX files: nodes in execution order, and constants by name.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};
use tract_onnx::prelude::*;

/// Graph of an ONNX file.
pub struct Graph {
    nodes: Vec<NodeProto>,
    constants: HashMap<String, Constant>,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

/// Constant tensor.
#[derive(Clone)]
pub struct Constant {
    pub shape: Vec<usize>,
    pub values: Values,
}

/// Values of a constant tensor.
#[derive(Clone)]
pub enum Values {
    F32(Vec<f32>),
    Int64(Vec<i64>),
    /// Quantized values, with a scale for each index of the first dimension.
    Int8 {
        values: Vec<i8>,
        scales: Vec<f32>,
    },
}

/// Codes of the data types in ONNX (`TensorProto.DataType`).
const FLOAT: i32 = 1;
const INT8: i32 = 3;
const INT64: i32 = 7;

impl Graph {
    /// Reads an ONNX file.
    pub fn read(mut file: &[u8]) -> Result<Self, String> {
        let proto = tract_onnx::onnx()
            .proto_model_for_read(&mut file)
            .map_err(|e| format!("{e:#}"))?
            .graph
            .ok_or("the file has no graph")?;
        if proto.output.is_empty() {
            return Err("the graph has no output".to_owned());
        }
        Ok(Self::new(proto))
    }

    /// Separates nodes and constants. Empty constants, and constants other than `f32`, `i64` and
    /// `DequantizeLinear` of `i8`, are ignored.
    pub fn new(proto: GraphProto) -> Self {
        let tensors: HashMap<_, _> =
            proto.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let mut constants: HashMap<_, _> = tensors
            .iter()
            .filter_map(|(name, tensor)| Some(((*name).to_owned(), constant(tensor)?)))
            .collect();
        let mut nodes = Vec::new();
        for node in proto.node {
            match quantized_constant(&node, &tensors) {
                Some((name, constant)) => drop(constants.insert(name, constant)),
                None => nodes.push(node),
            }
        }
        let inputs = proto.input.into_iter().map(|input| input.name);
        Self {
            inputs: inputs.filter(|name| !tensors.contains_key(name.as_str())).collect(),
            outputs: proto.output.into_iter().map(|output| output.name).collect(),
            nodes,
            constants,
        }
    }

    /// Returns all nodes except constants, in execution order.
    pub fn nodes(&self) -> &[NodeProto] {
        &self.nodes
    }

    /// Returns the name of the input, or `None` if there are several inputs.
    pub fn input(&self) -> Option<&str> {
        if let [input] = &self.inputs[..] { Some(input) } else { None }
    }

    /// Returns the names of the outputs, in order.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Returns true if `name` is an output.
    pub fn is_output(&self, name: &str) -> bool {
        self.outputs.iter().any(|output| output == name)
    }

    /// Returns the constant with this name.
    pub fn constant(&self, name: &str) -> Option<&Constant> {
        self.constants.get(name)
    }

    /// Returns the nodes that read the value `name`, with their indices.
    pub fn readers(&self, name: &str) -> Vec<(usize, &NodeProto)> {
        let reads = |(_, node): &(usize, &NodeProto)| node.input.iter().any(|input| input == name);
        self.nodes.iter().enumerate().filter(reads).collect()
    }
}

impl Constant {
    /// Returns the values if they are `f32`.
    pub fn floats(&self) -> Option<&[f32]> {
        if let Values::F32(values) = &self.values { Some(values) } else { None }
    }

    /// Returns the values if they are `i64`.
    pub fn integers(&self) -> Option<&[i64]> {
        if let Values::Int64(values) = &self.values { Some(values) } else { None }
    }

    /// Returns the value if it is a single `f32`.
    pub fn scalar(&self) -> Option<f32> {
        if let Some([value]) = self.floats() { Some(*value) } else { None }
    }
}

/// Returns an attribute of a node.
pub fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// Returns an integer attribute of a node, or `default` if the node does not have it.
pub fn integer(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |attribute| attribute.i)
}

/// Returns a string attribute of a node, or `default` if the node does not have it.
pub fn string<'a>(node: &'a NodeProto, name: &str, default: &'a str) -> &'a str {
    let found = attribute(node, name).and_then(|attribute| str::from_utf8(&attribute.s).ok());
    found.unwrap_or(default)
}

/// Returns the input of a two-input node that is not `name`.
pub fn other_input<'a>(node: &'a NodeProto, name: &str) -> Option<&'a str> {
    match &node.input[..] {
        [a, b] if a == name => Some(b),
        [a, b] if b == name => Some(a),
        _ => None,
    }
}

/// Reads a tensor of `f32` or `i64`. Returns `None` for other types.
fn constant(tensor: &TensorProto) -> Option<Constant> {
    let shape = shape(tensor)?;
    let raw = &tensor.raw_data;
    let values = match tensor.data_type {
        FLOAT if raw.is_empty() => Values::F32(tensor.float_data.clone()),
        FLOAT => Values::F32(raw.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v)).collect()),
        INT64 if raw.is_empty() => Values::Int64(tensor.int64_data.clone()),
        INT64 => Values::Int64(raw.as_chunks().0.iter().map(|v| i64::from_le_bytes(*v)).collect()),
        _ => return None,
    };
    let length = match &values {
        Values::F32(values) => values.len(),
        Values::Int64(values) => values.len(),
        Values::Int8 { values, .. } => values.len(),
    };
    (Some(length) == value_count(&shape)).then_some(Constant { shape, values })
}

/// Returns the shape of a tensor, or `None` if a dimension is negative.
fn shape(tensor: &TensorProto) -> Option<Vec<usize>> {
    tensor.dims.iter().map(|dimension| usize::try_from(*dimension).ok()).collect()
}

/// Returns the number of values of a tensor. Returns `None` if there are none or too many.
fn value_count(shape: &[usize]) -> Option<usize> {
    let count = shape.iter().try_fold(1usize, |count, side| count.checked_mul(*side));
    count.filter(|count| *count > 0)
}

/// Returns the output of a `DequantizeLinear` node with its name, if the node has `i8` values, a scale for
/// each index of the first dimension, and zero points of 0.
fn quantized_constant(
    node: &NodeProto,
    tensors: &HashMap<&str, &TensorProto>,
) -> Option<(String, Constant)> {
    if node.op_type != "DequantizeLinear" || integer(node, "axis", 1) != 0 {
        return None;
    }
    let tensor = |input: usize| node.input.get(input).and_then(|name| tensors.get(name.as_str()));
    let quantized = tensor(0).filter(|tensor| tensor.data_type == INT8)?;
    if tensor(2).is_some_and(|zeros| zeros.raw_data.iter().any(|zero| *zero != 0)) {
        return None;
    }
    let scales = constant(tensor(1)?)?.floats()?.to_vec();
    let shape = shape(quantized)?;
    let values: Vec<i8> = quantized.raw_data.iter().map(|byte| byte.cast_signed()).collect();
    let has_matching_shape =
        shape.first() == Some(&scales.len()) && Some(values.len()) == value_count(&shape);
    let constant = Constant { shape, values: Values::Int8 { values, scales } };
    has_matching_shape.then_some((node.output.first()?.clone(), constant))
}
