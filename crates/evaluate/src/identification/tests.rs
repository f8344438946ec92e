//! Identification of synthetic templates on a circle.

use super::*;
use crate::protocol::EnrolledPerson;

fn at(degrees: f32) -> Option<Embedding> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Some(Embedding::normalised(vec![cos, sin]).unwrap())
}

fn extracted<'a>(templates: &'a [Option<Embedding>], liveness: &'a [Option<f32>]) -> Extracted<'a> {
    Extracted { templates, liveness, liveness_threshold: 0.5 }
}

/// Two enrolled people at 0 and 90 degrees, mated probes, and eleven non-mated probes: one at 95
/// degrees, ten at 180 to 220.5 degrees.
struct Case {
    split: Split,
    templates: Vec<Option<Embedding>>,
}

/// Returns a case with these mated probes: index of the person, and degrees or `None` without a face.
fn case(mated: &[(usize, Option<f32>)]) -> Case {
    let mut templates = vec![at(0.0), at(90.0)];
    let mut trial = Trial::default();
    for picture in 0..2 {
        let person = picture.to_string();
        trial.gallery.push(EnrolledPerson { person, pictures: vec![picture] });
    }
    for (person, degrees) in mated {
        trial.mated.push((*person, templates.len()));
        templates.push(degrees.and_then(at));
    }
    for degrees in [95.0].into_iter().chain((0..10).map(|i| 180.0 + i as f32 * 4.5)) {
        trial.non_mated.push(templates.len());
        templates.push(at(degrees));
    }
    let pictures = (0..templates.len()).map(|i| format!("{i}.jpg").into()).collect();
    Case { split: Split { pictures, trials: vec![trial] }, templates }
}

#[test]
fn mated_probe_below_threshold_or_misidentified_is_missed() {
    let mated = [(0, Some(1.0)), (0, Some(2.0)), (0, Some(89.0)), (1, Some(50.0)), (1, Some(91.0))];
    let Case { split, templates } = case(&mated);
    // One of eleven non-mated probes may be accepted. The threshold is above the score of the next
    // probe, at 180 degrees, whose cosine with 90 degrees is 0.
    let found = measure(&split, &extracted(&templates, &[]), &[0.1], None);
    let point = found.fnir_at_fpir["0.1"];
    assert_eq!((found.gallery_size, found.mated, found.non_mated), (2, 5, 11));
    assert_eq!(point.false_positives, 1);
    assert!((point.rate.value - 0.2).abs() < 1e-9, "one of five is misidentified: {point:?}");
    assert_eq!(found.detail.false_negatives, [4]);
    assert_eq!(found.detail.false_positives, [7]);
}

#[test]
fn probe_without_face_is_rejected() {
    let mated = [(0, Some(1.0)), (0, None), (1, Some(91.0)), (1, Some(92.0))];
    let Case { split, mut templates } = case(&mated);
    let first_non_mated = split.trials[0].non_mated[0];
    templates[first_non_mated] = None;
    let found = measure(&split, &extracted(&templates, &[]), &[0.1], None);
    assert_eq!((found.mated, found.non_mated, found.failures_to_detect), (4, 11, 2));
    assert!((found.fnir_at_fpir["0.1"].rate.value - 0.25).abs() < 1e-9);
}

#[test]
fn person_enrolled_without_face_is_missed() {
    let Case { split, mut templates } = case(&[(0, Some(1.0)), (1, Some(91.0))]);
    templates[1] = None;
    let found = measure(&split, &extracted(&templates, &[]), &[0.1], None);
    assert_eq!((found.gallery_size, found.fnir_at_fpir["0.1"].rate.value), (2, 0.5));
}

#[test]
fn trials_are_counted_together_with_separate_galleries() {
    let Case { mut split, templates } = case(&[(0, Some(1.0))]);
    // In the second trial, only the person at 90 degrees is enrolled; the person at 0 degrees is
    // non-mated.
    let second = Trial {
        gallery: vec![EnrolledPerson { person: "1".into(), pictures: vec![1] }],
        mated: vec![(0, 1)],
        non_mated: vec![0, 2],
        attacks: vec![],
    };
    split.trials.push(second);
    let found = measure(&split, &extracted(&templates, &[]), &[0.1], None);
    assert_eq!((found.trials, found.gallery_size, found.mated, found.non_mated), (2, 2, 2, 13));
    let point = found.fnir_at_fpir["0.1"];
    assert_eq!((point.rate.value, point.false_positives), (0.0, 1));
}

fn calibration() -> Calibration {
    // For any gallery size, the threshold is 0.9 for an FPIR of 1 %, and 0.99 for 0.1 %.
    let row = vec![0.9, 0.99];
    Calibration::new(9, vec![1, 1000], vec![0.01, 0.001], vec![row.clone(), row]).unwrap()
}

#[test]
fn calibrated_threshold_does_not_depend_on_probes() {
    let Case { split, templates } = case(&[(0, Some(1.0)), (0, Some(20.0)), (1, Some(90.0))]);
    let found = measure(&split, &extracted(&templates, &[]), &[], Some(&calibration()));
    let by_mode = &found.calibrated["0.001"];
    assert_eq!(by_mode.keys().collect::<Vec<_>>(), [&"off"], "liveness is not measured");
    let rates_at = |fpir: &str| found.calibrated[fpir]["off"];
    assert_eq!(rates_at("0.01").fnir.unwrap().value, 0.0);
    assert!(
        (rates_at("0.001").fnir.unwrap().value - 1.0 / 3.0).abs() < 1e-9,
        "20 degrees is too far"
    );
    assert!((rates_at("0.01").fpir.unwrap().value - 1.0 / 11.0).abs() < 1e-9);
    assert!((rates_at("0.001").threshold - 0.99).abs() < 1e-6);
    assert_eq!(rates_at("0.01").attacks_accepted, None);
}

#[test]
fn only_mode_enforce_rejects_faces_that_are_not_live() {
    let Case { mut split, mut templates } = case(&[(0, Some(1.0)), (1, Some(90.0))]);
    let mut liveness = vec![Some(0.9); templates.len()];
    for (degrees, live) in [(0.5, Some(0.1)), (90.5, Some(0.2)), (91.0, Some(0.8)), (0.0, None)] {
        split.trials[0].attacks.push(templates.len());
        templates.push(live.and_then(|_| at(degrees)));
        liveness.push(live);
    }
    let not_live = split.trials[0].mated[1].1;
    liveness[not_live] = Some(0.3);
    let found = measure(&split, &extracted(&templates, &liveness), &[], Some(&calibration()));
    let rates_in = |mode: &str| found.calibrated["0.01"][mode];
    for mode in ["off", "observe"] {
        assert_eq!(rates_in(mode).attacks_accepted.unwrap().value, 0.75, "{mode}");
        assert_eq!(rates_in(mode).fnir.unwrap().value, 0.0, "{mode}");
    }
    assert_eq!(rates_in("enforce").attacks_accepted.unwrap().value, 0.25);
    assert_eq!(rates_in("enforce").fnir.unwrap().value, 0.5);
}

#[test]
fn results_have_documented_json_keys() {
    let Case { split, templates } = case(&[(0, Some(1.0))]);
    let found = measure(&split, &extracted(&templates, &[]), &[0.1], None);
    let json = serde_json::to_value(&found).unwrap();
    for key in ["gallery", "known", "strangers", "spoofs", "failures_to_detect"] {
        assert!(json[key].is_u64(), "{key}");
    }
    for key in ["value", "low", "high", "threshold"] {
        assert!(json["fnir_at_fpir"]["0.1"][key].is_f64(), "{key}");
    }
    assert!(json.get("detail").is_none() && json.get("calibrated").is_none());
}
