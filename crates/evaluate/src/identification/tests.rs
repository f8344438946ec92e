//! Identification of people on a circle.

use super::*;
use crate::protocol::Enrolled;

fn at(degrees: f32) -> Option<Embedding> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Some(Embedding::normalised(vec![cos, sin]).unwrap())
}

fn seen<'a>(templates: &'a [Option<Embedding>], liveness: &'a [Option<f32>]) -> Seen<'a> {
    Seen { templates, liveness, live_from: 0.5 }
}

/// Two people at 0 and 90 degrees; known probes; ten strangers at 180 to 225, and one at 95.
struct Case {
    split: Split,
    templates: Vec<Option<Embedding>>,
}

fn case(known: &[(usize, Option<f32>)]) -> Case {
    let mut templates = vec![at(0.0), at(90.0)];
    let mut trial = Trial::default();
    for picture in 0..2 {
        let person = picture.to_string();
        trial.gallery.push(Enrolled { person, pictures: vec![picture] });
    }
    for (person, degrees) in known {
        trial.known.push((*person, templates.len()));
        templates.push(degrees.and_then(at));
    }
    for degrees in [95.0].into_iter().chain((0..10).map(|i| 180.0 + i as f32 * 4.5)) {
        trial.strangers.push(templates.len());
        templates.push(at(degrees));
    }
    let pictures = (0..templates.len()).map(|i| format!("{i}.jpg").into()).collect();
    Case { split: Split { pictures, trials: vec![trial] }, templates }
}

#[test]
fn a_known_probe_is_missed_below_the_threshold_and_when_it_is_named_wrongly() {
    let known = [(0, Some(1.0)), (0, Some(2.0)), (0, Some(89.0)), (1, Some(50.0)), (1, Some(91.0))];
    let Case { split, templates } = case(&known);
    // One of eleven strangers may be greeted: the threshold lies above the next one, at 180 degrees,
    // whose cosine with 90 degrees is 0.
    let found = measure(&split, &seen(&templates, &[]), &[0.1], None);
    let point = found.fnir_at_fpir["0.1"];
    assert_eq!((found.gallery, found.known, found.strangers), (2, 5, 11));
    assert_eq!(point.impostors_accepted, 1);
    assert!(
        (point.share.value - 0.2).abs() < 1e-9,
        "one of five is taken for the other: {point:?}"
    );
    assert_eq!(found.detail.missed, [4]);
    assert_eq!(found.detail.greeted, [7]);
}

#[test]
fn a_probe_without_a_face_is_missed_and_a_stranger_without_one_is_not_greeted() {
    let known = [(0, Some(1.0)), (0, None), (1, Some(91.0)), (1, Some(92.0))];
    let Case { split, mut templates } = case(&known);
    let strangers = split.trials[0].strangers.clone();
    templates[strangers[0]] = None;
    let found = measure(&split, &seen(&templates, &[]), &[0.1], None);
    assert_eq!((found.known, found.strangers, found.failures_to_detect), (4, 11, 2));
    assert!((found.fnir_at_fpir["0.1"].share.value - 0.25).abs() < 1e-9);
}

#[test]
fn someone_enrolled_in_vain_is_missed() {
    let Case { split, mut templates } = case(&[(0, Some(1.0)), (1, Some(91.0))]);
    templates[1] = None;
    let found = measure(&split, &seen(&templates, &[]), &[0.1], None);
    assert_eq!((found.gallery, found.fnir_at_fpir["0.1"].share.value), (2, 0.5));
}

#[test]
fn trials_are_told_together_and_their_galleries_stay_apart() {
    let Case { mut split, templates } = case(&[(0, Some(1.0))]);
    // In the second trial only the person at 90 degrees is enrolled, and the one at 0 comes by.
    let second = Trial {
        gallery: vec![Enrolled { person: "1".into(), pictures: vec![1] }],
        known: vec![(0, 1)],
        strangers: vec![0, 2],
        spoofs: vec![],
    };
    split.trials.push(second);
    let found = measure(&split, &seen(&templates, &[]), &[0.1], None);
    assert_eq!((found.trials, found.gallery, found.known, found.strangers), (2, 2, 2, 13));
    let point = found.fnir_at_fpir["0.1"];
    assert_eq!((point.share.value, point.impostors_accepted), (0.0, 1));
}

fn calibration() -> Calibration {
    // Whatever the gallery: 0.9 for a rate of 1 %, 0.99 for 0.1 %.
    let row = vec![0.9, 0.99];
    Calibration::new(9, vec![1, 1000], vec![0.01, 0.001], vec![row.clone(), row]).unwrap()
}

#[test]
fn the_calibrated_threshold_is_set_before_the_strangers_are_seen() {
    let Case { split, templates } = case(&[(0, Some(1.0)), (0, Some(20.0)), (1, Some(90.0))]);
    let found = measure(&split, &seen(&templates, &[]), &[], Some(&calibration()));
    let by_gate = &found.calibrated["0.001"];
    assert_eq!(by_gate.keys().collect::<Vec<_>>(), [&"off"], "nobody looked at liveness");
    let at = |rate: &str| found.calibrated[rate]["off"];
    assert_eq!(at("0.01").fnir.unwrap().value, 0.0);
    assert!((at("0.001").fnir.unwrap().value - 1.0 / 3.0).abs() < 1e-9, "20 degrees is too far");
    assert!((at("0.01").fpir.unwrap().value - 1.0 / 11.0).abs() < 1e-9);
    assert!((at("0.001").threshold - 0.99).abs() < 1e-6);
    assert_eq!(at("0.01").spoofs_greeted, None);
}

#[test]
fn only_the_enforcing_gate_turns_spoofs_away_and_it_costs_what_it_costs() {
    let Case { mut split, mut templates } = case(&[(0, Some(1.0)), (1, Some(90.0))]);
    let mut liveness = vec![Some(0.9); templates.len()];
    for (degrees, live) in [(0.5, Some(0.1)), (90.5, Some(0.2)), (91.0, Some(0.8)), (0.0, None)] {
        split.trials[0].spoofs.push(templates.len());
        templates.push(live.and_then(|_| at(degrees)));
        liveness.push(live);
    }
    let refused = split.trials[0].known[1].1;
    liveness[refused] = Some(0.3);
    let found = measure(&split, &seen(&templates, &liveness), &[], Some(&calibration()));
    let at = |gate: &str| found.calibrated["0.01"][gate];
    for gate in ["off", "observe"] {
        assert_eq!(at(gate).spoofs_greeted.unwrap().value, 0.75, "{gate}");
        assert_eq!(at(gate).fnir.unwrap().value, 0.0, "{gate}");
    }
    assert_eq!(at("enforce").spoofs_greeted.unwrap().value, 0.25);
    assert_eq!(at("enforce").fnir.unwrap().value, 0.5);
}

#[test]
fn results_have_the_keys_that_scripts_read() {
    let Case { split, templates } = case(&[(0, Some(1.0))]);
    let found = measure(&split, &seen(&templates, &[]), &[0.1], None);
    let json = serde_json::to_value(&found).unwrap();
    for key in ["gallery", "known", "strangers", "spoofs", "failures_to_detect"] {
        assert!(json[key].is_u64(), "{key}");
    }
    for key in ["value", "low", "high", "threshold"] {
        assert!(json["fnir_at_fpir"]["0.1"][key].is_f64(), "{key}");
    }
    assert!(json.get("detail").is_none() && json.get("calibrated").is_none());
}
