//! Tests of graphs with shapes that do not match: the kernels reject them, and nothing panics.

use instored_kernels::{InstructionSet, Size};
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto};

use super::compile;
use super::graph::Graph;

const SIZE: Size = Size { height: 8, width: 8 };

fn floats(name: &str, dims: &[i64], count: usize) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data: vec![0.5; count],
        ..TensorProto::default()
    }
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op.to_owned(),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: outputs.iter().map(|name| (*name).to_owned()).collect(),
        attribute,
        ..NodeProto::default()
    }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), ints: ints.to_vec(), ..AttributeProto::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i, ..AttributeProto::default() }
}

fn value(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: name.to_owned(), ..ValueInfoProto::default() }
}

/// Compiles a graph from `input` to the output of the last node, and runs it if it is supported.
fn is_supported(node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> bool {
    is_supported_by(InstructionSet::portable(), SIZE, node, initializer)
}

fn is_supported_by(
    isa: InstructionSet,
    size: Size,
    node: Vec<NodeProto>,
    initializer: Vec<TensorProto>,
) -> bool {
    let last = node.last().and_then(|node| node.output.first()).cloned().unwrap_or_default();
    let (input, output) = (vec![value("input")], vec![value(&last)]);
    let graph = Graph::new(GraphProto { node, initializer, input, output, ..Default::default() });
    match compile::compile(&graph, size, isa) {
        Ok(compiled) => !compiled.plan.run(&|_, row| row.fill(0.5)).is_empty(),
        Err(_) => false,
    }
}

fn to_nhwc(name: &str) -> NodeProto {
    node("Transpose", &[name], &["out"], vec![ints("perm", &[0, 2, 3, 1])])
}

fn convolution(weights: TensorProto, bias: TensorProto, attributes: Vec<AttributeProto>) -> bool {
    let conv = node("Conv", &["input", "weights", "bias"], &["sums"], attributes);
    is_supported(vec![conv, to_nhwc("sums")], vec![weights, bias])
}

#[test]
fn convolution_with_matching_shapes_is_supported() {
    let weights = floats("weights", &[2, 3, 3, 3], 54);
    assert!(convolution(weights, floats("bias", &[2], 2), vec![]));
}

#[test]
fn bias_of_another_length_is_not_supported() {
    let weights = || floats("weights", &[2, 3, 3, 3], 54);
    assert!(!convolution(weights(), floats("bias", &[3], 3), vec![]));
    assert!(!convolution(weights(), floats("bias", &[1], 1), vec![]));
}

#[test]
fn empty_constant_is_not_supported() {
    let bias = || floats("bias", &[0], 0);
    for dims in [[0, 3, 3, 3], [2, 0, 3, 3], [1 << 50, 0, 1, 1], [1 << 40, 1 << 40, 1 << 40, 0]] {
        assert!(!convolution(floats("weights", &dims, 0), bias(), vec![]), "{dims:?}");
    }
}

#[test]
fn shape_with_too_many_values_is_not_supported() {
    let weights = floats("weights", &[1 << 40, 1 << 40, 1, 1], 1);
    assert!(!convolution(weights, floats("bias", &[1], 1), vec![]));
}

#[test]
fn depthwise_convolution_of_the_picture_is_not_supported() {
    let weights = floats("weights", &[3, 1, 3, 3], 27);
    assert!(!convolution(weights, floats("bias", &[3], 3), vec![int("group", 3)]));
}

#[test]
fn window_of_heads_that_is_larger_than_their_input_is_not_supported() {
    let mut nodes = vec![node("Conv", &["input", "weights"], &["sums"], vec![])];
    for (sums, head) in [("sums1", "head1"), ("sums2", "head2")] {
        nodes.push(node("Conv", &["sums", "pointwise"], &[sums], vec![]));
        nodes.push(node("Conv", &[sums, "depthwise"], &[head], vec![int("group", 2)]));
    }
    nodes.push(to_nhwc("head2"));
    let constants = vec![
        floats("weights", &[2, 3, 5, 5], 150),
        floats("pointwise", &[2, 2, 1, 1], 4),
        floats("depthwise", &[2, 1, 5, 5], 50),
    ];
    assert!(!is_supported(nodes, constants));
}

#[test]
fn subtraction_is_supported_if_nothing_else_reads_the_picture() {
    let constants = || vec![floats("number", &[1], 1), floats("weights", &[2, 3, 1, 1], 6)];
    let difference = || node("Sub", &["input", "number"], &["difference"], vec![]);
    let conv = |input: &str, output: &str| node("Conv", &[input, "weights"], &[output], vec![]);
    let nodes = vec![difference(), conv("difference", "sums"), to_nhwc("sums")];
    assert!(is_supported(nodes, constants()));
    let nodes =
        vec![difference(), conv("input", "unused"), conv("difference", "sums"), to_nhwc("sums")];
    assert!(!is_supported(nodes, constants()));
}

#[test]
fn convolution_of_a_row_is_not_supported() {
    let nodes = |last: &str| {
        vec![
            node("Conv", &["input", "weights"], &["sums"], vec![]),
            node("Flatten", &["sums"], &["row"], vec![int("axis", 1)]),
            node("Gemm", &["row", "matrix", "bias"], &["features"], vec![int("transB", 1)]),
            node(last, &["features", "second", "bias"], &["out"], vec![int("transB", 1)]),
        ]
    };
    let constants = |second: &[i64]| {
        vec![
            floats("weights", &[2, 3, 8, 8], 384),
            floats("matrix", &[2, 2], 4),
            floats("bias", &[2], 2),
            floats("second", second, 4),
        ]
    };
    assert!(is_supported(nodes("Gemm"), constants(&[2, 2])));
    assert!(!is_supported(nodes("Conv"), constants(&[2, 2, 1, 1])));
}

#[test]
fn upsampled_picture_is_not_supported() {
    let nearest = |name: &str, text: &str| AttributeProto {
        name: name.to_owned(),
        s: text.as_bytes().to_vec(),
        ..AttributeProto::default()
    };
    let resize = || {
        let grid = nearest("coordinate_transformation_mode", "asymmetric");
        let attributes = vec![grid, nearest("nearest_mode", "floor")];
        node("Resize", &["small", "", "scales"], &["doubled"], attributes)
    };
    let conv = node("Conv", &["input", "weights"], &["small"], vec![ints("strides", &[2, 2])]);
    let add = node("Add", &["doubled", "input"], &["sum"], vec![]);
    let mut scales = floats("scales", &[4], 4);
    scales.float_data = vec![1.0, 1.0, 2.0, 2.0];
    let weights = floats("weights", &[3, 3, 2, 2], 36);
    let nodes = vec![conv, resize(), add, to_nhwc("sum")];
    assert!(!is_supported(nodes, vec![weights, scales]));
}

fn int8(name: &str, dims: &[i64], count: usize) -> TensorProto {
    TensorProto { data_type: 3, raw_data: vec![1; count], ..floats(name, dims, 0) }
}

#[test]
fn quantized_layer_with_too_many_inputs_for_int8_runs_in_f32() {
    let (size, inputs) = (Size { height: 64, width: 72 }, 16 * 64 * 72);
    for isa in InstructionSet::all() {
        let nodes = vec![
            node("Conv", &["input", "weights"], &["sums"], vec![]),
            node("Flatten", &["sums"], &["row"], vec![int("axis", 1)]),
            node("DequantizeLinear", &["quantized", "scale"], &["matrix"], vec![int("axis", 0)]),
            node("Gemm", &["row", "matrix", "bias"], &["out"], vec![int("transB", 1)]),
        ];
        let constants = vec![
            floats("weights", &[16, 3, 1, 1], 48),
            int8("quantized", &[1, inputs], inputs as usize),
            floats("scale", &[1], 1),
            floats("bias", &[1], 1),
        ];
        assert!(is_supported_by(isa, size, nodes, constants), "{}", isa.name());
    }
}

#[test]
fn file_without_graph_or_output_is_rejected() {
    // Field 7, the graph, with a length of 0.
    for file in [&[][..], &[7 << 3 | 2, 0]] {
        assert!(Graph::read(file).is_err());
    }
}

#[test]
fn quantized_constant_without_output_or_values_is_not_supported() {
    for (outputs, rows) in [(&[][..], 2), (&["weights"][..], 0)] {
        let quantized = int8("quantized", &[rows, 3, 1, 1], 3 * rows as usize);
        let scales = floats("scales", &[rows], rows as usize);
        let nodes = vec![
            node("DequantizeLinear", &["quantized", "scales"], outputs, vec![int("axis", 0)]),
            node("Conv", &["input", "weights"], &["sums"], vec![]),
            to_nhwc("sums"),
        ];
        assert!(!is_supported(nodes, vec![quantized, scales]), "{outputs:?} {rows}");
    }
}
