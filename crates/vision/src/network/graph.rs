//! An ONNX file: its nodes in order, and its constants by name.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};
use tract_onnx::prelude::*;

/// A graph that was read.
pub struct Graph {
    nodes: Vec<NodeProto>,
    constants: HashMap<String, Constant>,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

/// A constant tensor.
#[derive(Clone)]
pub struct Constant {
    pub shape: Vec<usize>,
    pub values: Values,
}

/// What a constant is made of.
#[derive(Clone)]
pub enum Values {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
    /// Bytes, and for each index of the first dimension what they are multiplied with.
    Bytes {
        codes: Vec<i8>,
        scales: Vec<f32>,
    },
}

/// The numbers by which ONNX calls its types.
const FLOAT: i32 = 1;
const INT8: i32 = 3;
const INT64: i32 = 7;

impl Graph {
    /// Reads an ONNX file. Constants of other types than 32-bit floats, 64-bit integers and scaled
    /// bytes are left out.
    pub fn read(mut file: &[u8]) -> Result<Self, String> {
        let proto = tract_onnx::onnx()
            .proto_model_for_read(&mut file)
            .map_err(|e| format!("{e:#}"))?
            .graph
            .ok_or("the file has no graph")?;
        let tensors: HashMap<_, _> =
            proto.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let mut constants: HashMap<_, _> = tensors
            .iter()
            .filter_map(|(name, tensor)| Some(((*name).to_owned(), constant(tensor)?)))
            .collect();
        let mut nodes = Vec::new();
        for node in proto.node {
            match scaled_bytes(&node, &tensors) {
                Some(bytes) => drop(constants.insert(node.output[0].clone(), bytes)),
                None => nodes.push(node),
            }
        }
        let inputs = proto.input.into_iter().map(|input| input.name);
        Ok(Self {
            inputs: inputs.filter(|name| !tensors.contains_key(name.as_str())).collect(),
            outputs: proto.output.into_iter().map(|output| output.name).collect(),
            nodes,
            constants,
        })
    }

    /// Every node that is not a constant, each behind those that it reads.
    pub fn nodes(&self) -> &[NodeProto] {
        &self.nodes
    }

    /// The name of the input, if there is only one.
    pub fn input(&self) -> Option<&str> {
        if let [input] = &self.inputs[..] { Some(input) } else { None }
    }

    /// The names of the outputs, in order.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// The constant of that name.
    pub fn constant(&self, name: &str) -> Option<&Constant> {
        self.constants.get(name)
    }

    /// The nodes that read the value of that name, with their places.
    pub fn readers(&self, name: &str) -> Vec<(usize, &NodeProto)> {
        let reads = |(_, node): &(usize, &NodeProto)| node.input.iter().any(|input| input == name);
        self.nodes.iter().enumerate().filter(reads).collect()
    }
}

impl Constant {
    /// Its floats, if that is what it holds.
    pub fn floats(&self) -> Option<&[f32]> {
        if let Values::Floats(values) = &self.values { Some(values) } else { None }
    }

    /// Its integers, if that is what it holds.
    pub fn integers(&self) -> Option<&[i64]> {
        if let Values::Integers(values) = &self.values { Some(values) } else { None }
    }

    /// Its only value, if it is one float.
    pub fn scalar(&self) -> Option<f32> {
        if let Some([value]) = self.floats() { Some(*value) } else { None }
    }
}

/// An attribute of a node.
pub fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// An integer among the attributes of a node, or what ONNX takes in its place.
pub fn integer(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |attribute| attribute.i)
}

/// A string among the attributes of a node, or what ONNX takes in its place.
pub fn string<'a>(node: &'a NodeProto, name: &str, default: &'a str) -> &'a str {
    let found = attribute(node, name).and_then(|attribute| str::from_utf8(&attribute.s).ok());
    found.unwrap_or(default)
}

/// The other one of a node's two inputs.
pub fn other_input<'a>(node: &'a NodeProto, name: &str) -> Option<&'a str> {
    match &node.input[..] {
        [a, b] if a == name => Some(b),
        [a, b] if b == name => Some(a),
        _ => None,
    }
}

fn constant(tensor: &TensorProto) -> Option<Constant> {
    let shape = shape(tensor)?;
    let raw = &tensor.raw_data;
    let values = match tensor.data_type {
        FLOAT if raw.is_empty() => Values::Floats(tensor.float_data.clone()),
        FLOAT => Values::Floats(raw.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v)).collect()),
        INT64 if raw.is_empty() => Values::Integers(tensor.int64_data.clone()),
        INT64 => {
            Values::Integers(raw.as_chunks().0.iter().map(|v| i64::from_le_bytes(*v)).collect())
        }
        _ => return None,
    };
    let length = match &values {
        Values::Floats(values) => values.len(),
        Values::Integers(values) => values.len(),
        Values::Bytes { codes, .. } => codes.len(),
    };
    (length == shape.iter().product::<usize>()).then_some(Constant { shape, values })
}

fn shape(tensor: &TensorProto) -> Option<Vec<usize>> {
    tensor.dims.iter().map(|side| usize::try_from(*side).ok()).collect()
}

/// A node that makes floats of constant bytes, with a scale for each index of the first dimension and
/// no zero point but 0.
fn scaled_bytes(node: &NodeProto, tensors: &HashMap<&str, &TensorProto>) -> Option<Constant> {
    if node.op_type != "DequantizeLinear" || integer(node, "axis", 1) != 0 {
        return None;
    }
    let tensor = |at: usize| node.input.get(at).and_then(|name| tensors.get(name.as_str()));
    let codes = tensor(0).filter(|codes| codes.data_type == INT8)?;
    if tensor(2).is_some_and(|zeros| zeros.raw_data.iter().any(|zero| *zero != 0)) {
        return None;
    }
    let scales = constant(tensor(1)?)?.floats()?.to_vec();
    let shape = shape(codes)?;
    let codes: Vec<i8> = codes.raw_data.iter().map(|code| code.cast_signed()).collect();
    (shape.first() == Some(&scales.len()) && codes.len() == shape.iter().product::<usize>())
        .then_some(Constant { shape, values: Values::Bytes { codes, scales } })
}
