//! Golden tests: comparison of detection, alignment and embeddings with the results of OpenCV and
//! onnxruntime with the published weights. `tests/golden/make` writes the golden files.

use std::collections::BTreeMap;
use std::path::Path;

use instored_domain::Embedding;
use instored_imaging::{Picture, read_picture};
use serde::Deserialize;

use super::*;
use crate::align::SimilarityTransform;

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

/// Reads a picture of this crate by its relative path.
pub(crate) fn picture(path: &str) -> Picture {
    read_picture(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
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

fn recognition_purpose() -> Purpose<'static> {
    Purpose::recognition(&())
}

#[test]
fn detected_faces_match_opencv() {
    let mut detector = detector(320, 320);
    for (name, golden) in golden::<Detected>("detect.json") {
        // The golden files enlarge small pictures; our detector does not.
        if golden.scale > 1.0 {
            continue;
        }
        let faces = detector.detect(&portrait(&name)).unwrap();
        assert_eq!(faces.len(), golden.faces.len(), "{name}");
        for (face, golden_face) in faces.iter().zip(&golden.faces) {
            let Rect { x, y, width, height } = face.bounds;
            let assert_close = |ours: &[f32], theirs: &[f32], limit: f32| {
                for (ours, theirs) in ours.iter().zip(theirs) {
                    // OpenCV's coordinates refer to the scaled picture.
                    let error = (ours * golden.scale - theirs).abs();
                    assert!(error < limit, "{name}: {ours} has an error of {error} px of 320");
                }
            };
            assert_close(&[x, y, width, height], &golden_face.bounds, 3.0);
            // Our landmarks are means over several boxes.
            assert_close(face.landmarks.as_flattened(), golden_face.landmarks.as_flattened(), 5.0);
            assert!((face.score - golden_face.score).abs() < 0.03, "{name}: {}", face.score);
        }
    }
}

#[test]
fn landmarks_are_the_same_at_any_detector_size() {
    for (width, height) in [(256, 192), (320, 256), (640, 480), (640, 640)] {
        let mut detector = detector(width, height);
        for (name, golden) in golden::<Detected>("detect.json") {
            let faces = detector.detect(&portrait(&name)).unwrap();
            let golden_landmarks =
                golden.faces[0].landmarks.map(|point| point.map(|v| v / golden.scale));
            let [right_eye, left_eye, ..] = golden_landmarks;
            let eye_distance = (right_eye[0] - left_eye[0]).hypot(right_eye[1] - left_eye[1]);
            for (ours, theirs) in faces[0].landmarks.iter().zip(&golden_landmarks) {
                let error = (ours[0] - theirs[0]).hypot(ours[1] - theirs[1]) / eye_distance;
                assert!(error < 0.2, "{name} at {width}x{height}: error of {error} eye distances");
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
fn aligned_face_matches_opencv() {
    for (name, golden) in golden::<Aligned>("align_crop.json") {
        let SimilarityTransform { a, b, tx, ty } =
            SimilarityTransform::to_template(&golden.landmarks).unwrap();
        let ours = [a, -b, tx, b, a, ty];
        for (ours, theirs) in ours.iter().zip(golden.matrix.as_flattened()) {
            assert!((ours - theirs).abs() < 1e-3, "{name}: {ours} instead of {theirs}");
        }
        let ours = align(&portrait(&name), &golden.landmarks).unwrap();
        let theirs = picture(&format!("tests/golden/{}", golden.crop));
        let difference = |i: usize| f64::from(ours.rgb()[i].abs_diff(theirs.rgb()[i]));
        let mean = (0..ours.rgb().len()).map(difference).sum::<f64>() / ours.rgb().len() as f64;
        assert!(mean < 1.0, "{name}: mean difference of {mean} of 255");
    }
}

#[test]
fn embeddings_match_published_weights() {
    let network = |name| {
        let model = Model::load(name, Role::Embedder).unwrap();
        network::Network::new(&model, ALIGNED_SIDE, ALIGNED_SIDE).unwrap()
    };
    let (sface, mobilefacenet) = (network("sface"), network("mobilefacenet"));
    for (name, golden) in golden::<Embedded>("embeddings.json") {
        let crop = picture(&format!("tests/golden/align/{}", name.replace(".jpg", ".png")));
        for (network, theirs) in [(&sface, golden.sface), (&mobilefacenet, golden.mobilefacenet)] {
            let [ours, theirs] = [network.run(&crop).unwrap()[0].to_vec(), theirs]
                .map(|values| Embedding::normalised(values).unwrap());
            assert!(ours.cosine(&theirs) > 0.999, "{name}: {}", ours.cosine(&theirs));
        }
    }
}

#[test]
fn blend_cosine_is_weighted_mean_of_member_cosines() {
    let [blend, sface] = ["blend", "sface"].map(embedder);
    let mobilefacenet = {
        let model = Model::load("mobilefacenet", Role::Embedder).unwrap();
        let bias_dimension = model.manifest().output.bias_dimension;
        let network = network::Network::new(&model, ALIGNED_SIDE, ALIGNED_SIDE).unwrap();
        move |face: &Picture| {
            let mut values = network.run(face).unwrap()[0].to_vec();
            values.push(bias_dimension);
            Embedding::normalised(values).unwrap()
        }
    };
    let [a, b] = ["person_a_1.png", "impostor_1.png"]
        .map(|name| picture(&format!("tests/golden/align/{name}")));
    let cosine = |embedder: &Embedder| {
        let [a, b] =
            [&a, &b].map(|face| embedder.embed(face, &recognition_purpose()).unwrap().unwrap());
        a.cosine(&b)
    };
    let expected = 0.6 * cosine(&sface) + 0.4 * mobilefacenet(&a).cosine(&mobilefacenet(&b));
    assert!((cosine(&blend) - expected).abs() < 1e-4, "{} is not {expected}", cosine(&blend));
    assert_eq!(blend.count().recognition, 2);
    assert_eq!(blend.count().enrolment, 0);
}

#[test]
fn mirrored_embedding_is_invariant_to_mirroring() {
    let mobilefacenet = embedder("mobilefacenet");
    let face = picture("tests/golden/align/person_a_1.png");
    let [original, mirrored] = [face.clone(), face.mirrored()]
        .map(|f| mobilefacenet.embed(&f, &recognition_purpose()).unwrap().unwrap());
    assert!(original.cosine(&mirrored) > 0.999_9);
}

#[test]
fn faces_are_verified_across_years() {
    for name in ["sface", "mobilefacenet", "blend"] {
        let (embedder, mut detector) = (embedder(name), detector(320, 256));
        let threshold = embedder.calibration().unwrap().threshold(1e-3, 1);
        let mut embedding = |file: &str| {
            let picture = portrait(file);
            let face = detector.detect(&picture).unwrap().swap_remove(0);
            let aligned = align(&picture, &face.landmarks).unwrap();
            embedder.embed(&aligned, &recognition_purpose()).unwrap().unwrap()
        };
        let (a_then, a_now) = (embedding("person_a_1.jpg"), embedding("person_a_2.jpg"));
        let (b_then, b_now) = (embedding("person_b_1.jpg"), embedding("person_b_2.jpg"));
        let impostors = ["impostor_1.jpg", "impostor_2.jpg", "astronaut.png"].map(embedding);
        assert!(a_then.cosine(&a_now) > threshold, "{name}: a");
        assert!(b_then.cosine(&b_now) > threshold, "{name}: b");
        assert!(a_then.cosine(&b_now) < threshold, "{name}: a and b");
        for impostor in &impostors {
            for person in [&a_then, &a_now, &b_then, &b_now] {
                assert!(person.cosine(impostor) < threshold, "{name}: impostor");
            }
        }
    }
}

#[test]
fn pad_model_output_matches_manifest() {
    let model = Model::load("minifasnet", Role::Pad).unwrap();
    let side = model.manifest().input.width.unwrap();
    let network = network::Network::new(&model, side, side).unwrap();
    let logits = network.run(&Picture::filled(side, side, [90; 3])).unwrap();
    assert_eq!(Some(logits[0].len()), model.manifest().output.dimension);
}

#[test]
fn uniform_picture_has_no_embedding() {
    for name in ["blend", "sface", "mobilefacenet"] {
        let embedder = embedder(name);
        for colour in [[0; 3], [128; 3], [255, 200, 180]] {
            let uniform = Picture::filled(ALIGNED_SIDE, ALIGNED_SIDE, colour);
            assert!(embedder.embed(&uniform, &recognition_purpose()).unwrap().is_none(), "{name}");
        }
    }
}
