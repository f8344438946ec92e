//! The whole way of a face, held against OpenCV and onnxruntime on the original weights: the
//! numbers are those that `tests/golden/make` writes.

use std::collections::BTreeMap;

use instored_domain::Embedding;
use instored_imaging::Picture;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden<T> {
    portraits: BTreeMap<String, T>,
}

#[derive(Deserialize)]
struct Aligned {
    landmarks: [[f32; 2]; LANDMARK_COUNT],
    matrix: [[f64; 3]; 2],
    crop: String,
}

#[derive(Deserialize)]
struct Detected {
    scale: f32,
    faces: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    #[serde(rename = "box")]
    bounds: [f32; 4],
    landmarks: [[f32; 2]; LANDMARK_COUNT],
    score: f32,
}

#[derive(Deserialize)]
struct Embedded {
    sface: Vec<f32>,
    mobilefacenet: Vec<f32>,
}

fn golden<T: for<'de> Deserialize<'de>>(file: &str) -> BTreeMap<String, T> {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let golden: Golden<T> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(golden.portraits.len(), 7);
    golden.portraits
}

fn picture(path: &str) -> Picture {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let rgb = ::image::open(path).unwrap().into_rgb8();
    Picture::new(rgb.width(), rgb.height(), rgb.into_raw()).unwrap()
}

fn portrait(name: &str) -> Picture {
    picture(&format!("../simulation/portraits/{name}"))
}

fn embedder(name: &str) -> Embedder {
    Embedder::load(name).unwrap()
}

fn detector(width: u32, height: u32) -> Detector {
    Detector::new(&Model::load("yunet", Role::Detector).unwrap(), width, height).unwrap()
}

fn recognition() -> Purpose<'static> {
    Purpose::recognition(&())
}

#[test]
fn faces_are_where_opencv_finds_them() {
    let mut detector = detector(320, 320);
    for (name, golden) in golden::<Detected>("detect.json") {
        // OpenCV's numbers are those of the scaled picture; ours are the picture's own. Pictures
        // are only ever scaled down here.
        if golden.scale > 1.0 {
            continue;
        }
        let faces = detector.detect(&portrait(&name)).unwrap();
        assert_eq!(faces.len(), golden.faces.len(), "{name}");
        for (face, golden_face) in faces.iter().zip(&golden.faces) {
            let Rect { x, y, width, height } = face.bounds;
            let close = |ours: &[f32], theirs: &[f32], limit: f32| {
                for (ours, theirs) in ours.iter().zip(theirs) {
                    let apart = (ours * golden.scale - theirs).abs();
                    assert!(apart < limit, "{name}: {ours} is {apart} of 320 px off");
                }
            };
            close(&[x, y, width, height], &golden_face.bounds, 3.0);
            // Ours are means over several boxes.
            close(face.landmarks.as_flattened(), golden_face.landmarks.as_flattened(), 5.0);
            assert!((face.score - golden_face.score).abs() < 0.03, "{name}: {}", face.score);
        }
    }
}

#[test]
fn a_detector_of_any_size_finds_the_same_landmarks() {
    for (width, height) in [(256, 192), (320, 256), (640, 480), (640, 640)] {
        let mut detector = detector(width, height);
        for (name, golden) in golden::<Detected>("detect.json") {
            let faces = detector.detect(&portrait(&name)).unwrap();
            let golden_landmarks =
                golden.faces[0].landmarks.map(|point| point.map(|v| v / golden.scale));
            let [eye, other_eye, ..] = golden_landmarks;
            let eyes = (eye[0] - other_eye[0]).hypot(eye[1] - other_eye[1]);
            for (ours, theirs) in faces[0].landmarks.iter().zip(&golden_landmarks) {
                let apart = (ours[0] - theirs[0]).hypot(ours[1] - theirs[1]) / eyes;
                assert!(apart < 0.2, "{name} at {width}x{height}: {apart} eye distances off");
            }
        }
    }
    let yunet = Model::load("yunet", Role::Detector).unwrap();
    assert!(matches!(
        Detector::new(&yunet, 320, 250),
        Err(VisionError::DetectorSize { height: 250, .. })
    ));
}

#[test]
fn a_face_is_aligned_as_opencv_does_it() {
    for (name, golden) in golden::<Aligned>("align_crop.json") {
        let SimilarityTransform { a, b, tx, ty } =
            SimilarityTransform::to_template(&golden.landmarks).unwrap();
        let ours = [a, -b, tx, b, a, ty];
        for (ours, theirs) in ours.iter().zip(golden.matrix.as_flattened()) {
            assert!((ours - theirs).abs() < 1e-3, "{name}: {ours} and {theirs}");
        }
        let ours = align(&portrait(&name), &golden.landmarks).unwrap();
        let theirs = picture(&format!("tests/golden/{}", golden.crop));
        let apart = |i: usize| f64::from(ours.rgb()[i].abs_diff(theirs.rgb()[i]));
        let mean = (0..ours.rgb().len()).map(apart).sum::<f64>() / ours.rgb().len() as f64;
        assert!(mean < 1.0, "{name}: {mean} of 255 apart in the mean");
    }
}

#[test]
fn a_network_says_what_the_original_weights_say() {
    let network = |name| {
        let model = Model::load(name, Role::Embedder).unwrap();
        network::Network::new(&model, ALIGNED_SIDE, ALIGNED_SIDE).unwrap()
    };
    let (sface, mobilefacenet) = (network("sface"), network("mobilefacenet"));
    for (name, golden) in golden::<Embedded>("embeddings.json") {
        let crop = picture(&format!("tests/golden/align/{}", name.replace(".jpg", ".png")));
        for (network, theirs) in [(&sface, golden.sface), (&mobilefacenet, golden.mobilefacenet)] {
            let [ours, theirs] = [network.run(&crop).unwrap().swap_remove(0), theirs]
                .map(|values| Embedding::normalised(values).unwrap());
            assert!(ours.cosine(&theirs) > 0.999, "{name}: {}", ours.cosine(&theirs));
        }
    }
}

#[test]
fn a_blend_compares_by_the_weighted_mean_of_its_parts() {
    let [blend, sface] = ["blend", "sface"].map(embedder);
    let mobilefacenet = {
        let model = Model::load("mobilefacenet", Role::Embedder).unwrap();
        let steady = model.manifest().output.steady;
        let network = network::Network::new(&model, ALIGNED_SIDE, ALIGNED_SIDE).unwrap();
        move |face: &Picture| {
            let mut values = network.run(face).unwrap().swap_remove(0);
            values.push(steady);
            Embedding::normalised(values).unwrap()
        }
    };
    let [a, b] = ["person_a_1.png", "impostor_1.png"]
        .map(|name| picture(&format!("tests/golden/align/{name}")));
    let cosine = |embedder: &Embedder| {
        let [a, b] = [&a, &b].map(|face| embedder.embed(face, &recognition()).unwrap().unwrap());
        a.cosine(&b)
    };
    let expected = 0.6 * cosine(&sface) + 0.4 * mobilefacenet(&a).cosine(&mobilefacenet(&b));
    assert!((cosine(&blend) - expected).abs() < 1e-4, "{} is not {expected}", cosine(&blend));
    assert_eq!(blend.count().recognition, 2);
    assert_eq!(blend.count().enrolment, 0);
}

#[test]
fn a_face_and_its_mirror_image_are_one_where_both_are_embedded() {
    let mobilefacenet = embedder("mobilefacenet");
    let face = picture("tests/golden/align/person_a_1.png");
    let [straight, mirrored] = [face.clone(), face.mirrored()]
        .map(|f| mobilefacenet.embed(&f, &recognition()).unwrap().unwrap());
    assert!(straight.cosine(&mirrored) > 0.999_9);
}

#[test]
fn people_are_told_apart_years_later() {
    for name in ["sface", "mobilefacenet", "blend"] {
        let (embedder, mut detector) = (embedder(name), detector(320, 256));
        let threshold = embedder.calibration().unwrap().threshold(1e-3, 1);
        let mut of = |file: &str| {
            let picture = portrait(file);
            let face = detector.detect(&picture).unwrap().swap_remove(0);
            let aligned = align(&picture, &face.landmarks).unwrap();
            embedder.embed(&aligned, &recognition()).unwrap().unwrap()
        };
        let (a_then, a_now) = (of("person_a_1.jpg"), of("person_a_2.jpg"));
        let (b_then, b_now) = (of("person_b_1.jpg"), of("person_b_2.jpg"));
        let others = [of("impostor_1.jpg"), of("impostor_2.jpg"), of("astronaut.png")];
        assert!(a_then.cosine(&a_now) > threshold, "{name}: a");
        assert!(b_then.cosine(&b_now) > threshold, "{name}: b");
        assert!(a_then.cosine(&b_now) < threshold, "{name}: a and b");
        for other in &others {
            for person in [&a_then, &a_now, &b_then, &b_now] {
                assert!(person.cosine(other) < threshold, "{name}: a stranger");
            }
        }
    }
}

#[test]
fn the_liveness_model_runs_and_its_card_fits() {
    let model = Model::load("minifasnet", Role::Pad).unwrap();
    let side = model.manifest().input.width.unwrap();
    let network = network::Network::new(&model, side, side).unwrap();
    let logits = network.run(&Picture::filled(side, side, [90; 3])).unwrap();
    assert_eq!(Some(logits[0].len()), model.manifest().output.dimension);
}

#[test]
fn what_is_no_face_makes_no_embedding() {
    for name in ["blend", "sface", "mobilefacenet"] {
        let embedder = embedder(name);
        for colour in [[0; 3], [128; 3], [255, 200, 180]] {
            let nothing = Picture::filled(ALIGNED_SIDE, ALIGNED_SIDE, colour);
            assert!(embedder.embed(&nothing, &recognition()).unwrap().is_none(), "{name}");
        }
    }
}
