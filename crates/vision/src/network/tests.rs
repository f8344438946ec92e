//! Comparison of the kernels with tract, on the shipped networks and a real face.

use instored_domain::Embedding;
use instored_kernels::InstructionSet;

use super::*;
use crate::tests::picture;
use crate::{ALIGNED_SIDE, Role};

fn face() -> Picture {
    picture("tests/golden/align/person_a_1.png")
}

/// Returns a picture of `width` × `height` pixels, filled with copies of `picture`.
fn tiled(picture: &Picture, width: u32, height: u32) -> Picture {
    let rgb = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x % picture.width(), y % picture.height())))
        .flat_map(|(x, y)| {
            let at = (y * picture.width() + x) as usize * 3;
            picture.rgb()[at..at + 3].to_vec()
        });
    Picture::new(width, height, rgb.collect()).unwrap()
}

fn network(name: &str, role: Role, size: (u32, u32), isa: Option<InstructionSet>) -> Network {
    let model = Model::load(name, role).unwrap();
    Network::with_isa(&model, size.0, size.1, isa).unwrap()
}

const SIDES: (u32, u32) = (ALIGNED_SIDE, ALIGNED_SIDE);

/// Returns every shipped network with a size that it is used with.
fn shipped() -> [(&'static str, Role, (u32, u32)); 5] {
    [
        ("sface", Role::Embedder, SIDES),
        ("mobilefacenet", Role::Embedder, SIDES),
        ("minifasnet", Role::Pad, (80, 80)),
        ("yunet", Role::Detector, (320, 256)),
        ("yunet", Role::Detector, (64, 96)),
    ]
}

/// Returns all instruction sets except the portable one, which the tests of the kernels cover.
fn fast_isas() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::all().into_iter().filter(|isa| *isa != InstructionSet::portable())
}

#[test]
fn shipped_networks_run_on_the_kernels() {
    for (name, role, (width, height)) in shipped() {
        let model = Model::load(name, role).unwrap();
        let graph = Graph::read(model.weights()).unwrap();
        let size = Size { width: width as usize, height: height as usize };
        let compiled = compile::compile(&graph, size, InstructionSet::portable());
        assert_eq!(compiled.err(), None, "{name}");
    }
}

#[test]
fn kernels_match_tract() {
    for (name, role, size) in shipped() {
        let picture = tiled(&face(), size.0, size.1);
        let expected = network(name, role, size, None).run(&picture).unwrap();
        for isa in fast_isas() {
            let outputs = network(name, role, size, Some(isa)).run(&picture).unwrap();
            assert_eq!(outputs.len(), expected.len(), "{name}");
            for (output, expected) in outputs.iter().zip(&expected) {
                assert_eq!(output.len(), expected.len(), "{name}");
                let max = expected.iter().fold(0f32, |max, v| max.max(v.abs()));
                // In f32, only the order of additions differs. In int8, each value is rounded.
                let limit = if isa.has_int8_dot() { 0.1 } else { 1e-4 };
                for (value, expected) in output.iter().zip(expected.iter()) {
                    let error = (value - expected).abs() / max.max(1.0);
                    assert!(error < limit, "{name}, {}: {value} instead of {expected}", isa.name());
                }
            }
        }
    }
}

#[test]
fn int8_embeddings_match_f32_embeddings() {
    for name in ["sface", "mobilefacenet"] {
        let expected = network(name, Role::Embedder, SIDES, None).run(&face()).unwrap().remove(0);
        let expected = Embedding::normalised(expected.to_vec()).unwrap();
        for isa in fast_isas() {
            let network = network(name, Role::Embedder, SIDES, Some(isa));
            let found = network.run(&face()).unwrap().remove(0);
            let found = Embedding::normalised(found.to_vec()).unwrap();
            let cosine = found.cosine(&expected);
            println!("{name} {} {cosine}", isa.name());
            assert!(cosine > 0.999, "{name}, {}: {cosine}", isa.name());
        }
    }
}

#[test]
fn run_wipes_memory_and_does_not_change_next_run() {
    let network = network("mobilefacenet", Role::Embedder, SIDES, fast_isas().last());
    let Engine::Kernels(plan) = &network.engine else {
        panic!("the network does not run on the kernels")
    };
    let first = network.run(&face()).unwrap();
    assert!(plan.is_wiped());
    network.run(&face().mirrored()).unwrap();
    assert_eq!(network.run(&face()).unwrap(), first);
}
