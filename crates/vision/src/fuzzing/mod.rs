//! Entry points of the fuzz targets in `fuzz/`: manifests and networks of models that are not shipped.

mod graph_builder;

use std::path::Path;

use instored_kernels::{InstructionSet, Size};
use sha2::{Digest as _, Sha256};
use tract_onnx::pb::ModelProto;

use self::graph_builder::GraphBuilder;
use crate::manifest::SIDE_MAX;
use crate::model::hex;
use crate::network::{Graph, TractPlan, compile};
use crate::{Calibration, Model, ModelManifest, VisionError};

/// Valid manifest. The weights are the three bytes `abc`.
const MANIFEST: &str = include_str!("manifest.toml");

/// Longest side of the picture for a network, in pixels. Longer ones only take more time.
const PICTURE_SIDE_MAX: u8 = 64;

/// Maximum difference of the kernels from tract, relative to the largest value.
const DIFFERENCE_MAX: f32 = 1e-3;

/// Parses a manifest. If the first byte is even, the data is the manifest. Otherwise each line of the data
/// replaces the value in one line of a valid manifest; its first byte selects the line. Returns true if
/// the manifest is valid.
pub fn manifest(data: &[u8]) -> bool {
    let Some((selector, data)) = data.split_first() else { return false };
    let Ok(text) = str::from_utf8(data) else { return false };
    let text = if selector % 2 == 0 { text.to_owned() } else { with_changed_lines(text) };
    let path = Path::new("custom.toml");
    let manifest = match ModelManifest::parse(path, &text) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(error.to_string().starts_with("custom.toml is not a valid model manifest: "));
            return false;
        }
    };
    check_manifest(&manifest);
    let weights = b"abc";
    match Model::verified(path, &text, weights.as_slice().into()) {
        Ok(model) => {
            assert_eq!(model.manifest().sha256, hex(&Sha256::digest(weights)));
            assert_eq!(model.threshold().is_ok(), manifest.decision.is_some());
        }
        Err(VisionError::HashMismatch { .. }) => {
            assert_ne!(manifest.sha256, hex(&Sha256::digest(weights)));
        }
        Err(error) => panic!("{error}"),
    }
    true
}

/// Replaces values in [`MANIFEST`]. Text without quotes is ignored, or becomes the value of a text.
fn with_changed_lines(changes: &str) -> String {
    let mut lines: Vec<_> = MANIFEST.lines().map(str::to_owned).collect();
    for change in changes.lines() {
        let mut value = change.chars();
        let Some(selector) = value.next() else { continue };
        let count = lines.len();
        let line = &mut lines[u32::from(selector) as usize % count];
        let Some((key, previous)) = line.split_once('=') else { continue };
        let value = value.as_str();
        let is_valid = toml::from_str::<toml::Table>(&format!("value = {value}")).is_ok();
        if is_valid {
            *line = format!("{key}= {value}");
        } else if previous.starts_with(" \"") {
            *line = format!("{key}= {}", toml::Value::from(value));
        }
    }
    lines.join("\n")
}

fn check_manifest(manifest: &ModelManifest) {
    let input = &manifest.input;
    let sides = [input.width, input.height];
    assert!(sides.iter().flatten().all(|side| (1..=SIDE_MAX).contains(side)), "{sides:?}");
    for colour in [0.0, 255.0] {
        assert!(((colour - input.mean) / input.scale).is_finite(), "{input:?}");
    }
    assert!(input.box_scale.is_none_or(|scale| scale.is_finite() && scale > 0.0), "{input:?}");
    let output = &manifest.output;
    assert!(output.mean.iter().chain([&output.bias_dimension]).all(|value| value.is_finite()));
    if let Some(decision) = &manifest.decision {
        assert!((0.0..=1.0).contains(&decision.threshold), "{decision:?}");
    }
    if let Some(calibration) = &manifest.calibration {
        check_calibration(calibration);
    }
}

fn check_calibration(calibration: &Calibration) {
    let mut previous = -1.0;
    for customers in [0, 1, 20, 1000, usize::MAX] {
        for fpir in [0.5, 1e-3, 1e-9] {
            let threshold = calibration.gallery_threshold(fpir, customers);
            assert!((-1.0..=1.0).contains(&threshold), "{threshold}");
        }
        let threshold = calibration.gallery_threshold(1e-3, customers);
        assert!(threshold >= previous, "the threshold decreases with more customers");
        previous = threshold;
    }
}

/// Compiles a network and runs it on a picture. The first two bytes are the size of the picture. If the
/// third byte is even, the rest of the data is an ONNX file. Otherwise it selects the nodes of a graph, and
/// the kernels are compared with tract. The third byte also selects the instruction set. Returns true if
/// the kernels support the network.
pub fn onnx(data: &[u8]) -> bool {
    let Some(([height, width, selector], data)) = data.split_first_chunk() else { return false };
    let side = |byte: u8| usize::from(1 + byte % PICTURE_SIDE_MAX);
    // Int8 products differ from those of tract.
    let isas = InstructionSet::all().into_iter().filter(|isa| !isa.has_int8_dot());
    let isa = isas.cycle().nth((selector / 2).into()).expect("a portable instruction set");
    let size = Size { height: side(*height), width: side(*width) };
    if selector % 2 == 0 {
        return Graph::read(data).is_ok_and(|graph| run(&graph, size, isa).is_some());
    }
    let proto = GraphBuilder::build(data, size);
    let graph = Graph::new(proto.graph.clone().expect("a built graph"));
    let Some(outputs) = run(&graph, size, isa) else { return false };
    compare_with_tract(&proto, size, &outputs);
    true
}

/// Runs a network on the kernels, on a picture with one value for each of its pixels and channels.
fn run(graph: &Graph, size: Size, isa: InstructionSet) -> Option<Vec<Vec<f32>>> {
    let compile::Compiled { plan, input_offset } = compile::compile(graph, size, isa).ok()?;
    let outputs = plan.run(&|y, row| {
        for (x, value) in row.iter_mut().enumerate() {
            *value = picture_value(y, x) - input_offset;
        }
    });
    assert_eq!(outputs.len(), graph.outputs().len());
    assert!(plan.is_wiped());
    Some(outputs.iter().map(|output| output.to_vec()).collect())
}

/// Returns a value of the picture, -1 to 1. `x` counts the values of a row.
fn picture_value(y: usize, x: usize) -> f32 {
    ((y * 31 + x * 17) % 41) as f32 / 20.0 - 1.0
}

fn compare_with_tract(proto: &ModelProto, size: Size, outputs: &[Vec<f32>]) {
    let plan = TractPlan::from_proto(proto, size).expect("tract supports all nodes of the kernels");
    let planes: Vec<f32> = (0..3)
        .flat_map(|plane| (0..size.height).map(move |y| (plane, y)))
        .flat_map(|(plane, y)| (0..size.width).map(move |x| picture_value(y, 3 * x + plane)))
        .collect();
    let expected = plan.run(&planes).expect("tract runs the network");
    assert_eq!(outputs.len(), expected.len());
    for (output, expected) in outputs.iter().zip(&expected) {
        assert_eq!(output.len(), expected.len());
        let max = expected.iter().fold(1.0f32, |max, value| max.max(value.abs()));
        for (value, expected) in output.iter().zip(expected.iter()) {
            let difference = (value - expected).abs() / max;
            assert!(difference <= DIFFERENCE_MAX, "{value} instead of {expected}");
        }
    }
}
