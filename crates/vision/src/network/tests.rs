//! The kernels held against tract, on the shipped networks and real faces.

use instored_domain::Embedding;
use instored_kernels::InstructionSet;

use super::*;
use crate::{ALIGNED_SIDE, Role};

fn picture(path: &str) -> Picture {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let rgb = ::image::open(path).unwrap().into_rgb8();
    Picture::new(rgb.width(), rgb.height(), rgb.into_raw()).unwrap()
}

fn face() -> Picture {
    picture("tests/golden/align/person_a_1.png")
}

fn cut(picture: &Picture, width: u32, height: u32) -> Picture {
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
    Network::with(&model, size.0, size.1, isa).unwrap()
}

const SIDES: (u32, u32) = (ALIGNED_SIDE, ALIGNED_SIDE);

/// Every shipped network at a size that it is used at.
fn shipped() -> [(&'static str, Role, (u32, u32)); 5] {
    [
        ("sface", Role::Embedder, SIDES),
        ("mobilefacenet", Role::Embedder, SIDES),
        ("minifasnet", Role::Pad, (80, 80)),
        ("yunet", Role::Detector, (320, 256)),
        ("yunet", Role::Detector, (64, 96)),
    ]
}

/// What plain Rust says the kernels' own tests compare.
fn fast() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::all().into_iter().filter(|isa| *isa != InstructionSet::portable())
}

#[test]
fn every_shipped_network_is_run_by_the_kernels() {
    for (name, role, (width, height)) in shipped() {
        let model = Model::load(name, role).unwrap();
        let graph = Graph::read(model.weights()).unwrap();
        let size = Size { width: width as usize, height: height as usize };
        let compiled = compile::plan(&graph, size, InstructionSet::portable());
        assert_eq!(compiled.err(), None, "{name}");
    }
}

#[test]
fn the_kernels_say_what_tract_says() {
    for (name, role, size) in shipped() {
        let picture = cut(&face(), size.0, size.1);
        let expected = network(name, role, size, None).run(&picture).unwrap();
        for isa in fast() {
            let outputs = network(name, role, size, Some(isa)).run(&picture).unwrap();
            assert_eq!(outputs.len(), expected.len(), "{name}");
            for (output, expected) in outputs.iter().zip(&expected) {
                assert_eq!(output.len(), expected.len(), "{name}");
                let most = expected.iter().fold(0f32, |most, v| most.max(v.abs()));
                // In floats the sums are only in another order; in bytes each value is rounded.
                let limit = if isa.has_int8_dot() { 0.1 } else { 1e-4 };
                for (value, expected) in output.iter().zip(expected) {
                    let apart = (value - expected).abs() / most.max(1.0);
                    assert!(apart < limit, "{name}, {}: {value} for {expected}", isa.name());
                }
            }
        }
    }
}

#[test]
fn an_embedding_in_bytes_points_where_the_one_in_floats_does() {
    for name in ["sface", "mobilefacenet"] {
        let expected = network(name, Role::Embedder, SIDES, None).run(&face()).unwrap().remove(0);
        let expected = Embedding::normalised(expected).unwrap();
        for isa in fast() {
            let network = network(name, Role::Embedder, SIDES, Some(isa));
            let found = Embedding::normalised(network.run(&face()).unwrap().remove(0)).unwrap();
            let cosine = found.cosine(&expected);
            println!("{name} {} {cosine}", isa.name());
            assert!(cosine > 0.999, "{name}, {}: {cosine}", isa.name());
        }
    }
}

#[test]
fn a_run_leaves_nothing_behind_that_changes_or_shows_in_the_next() {
    let network = network("mobilefacenet", Role::Embedder, SIDES, fast().last());
    let Engine::Kernels(plan) = &network.engine else { panic!("run by the kernels") };
    let first = network.run(&face()).unwrap();
    assert!(plan.is_wiped());
    network.run(&face().mirrored()).unwrap();
    assert_eq!(network.run(&face()).unwrap(), first);
}
