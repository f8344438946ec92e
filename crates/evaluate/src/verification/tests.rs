//! Verification of synthetic templates on a circle.

use super::*;
use crate::protocol::Pair;

fn at(degrees: f32) -> Option<Embedding> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Some(Embedding::normalised(vec![cos, sin]).unwrap())
}

fn pair(a: usize, b: usize, is_mated: bool) -> Pair {
    Pair { fold: None, pictures: [a, b], is_mated }
}

/// Returns twelve people, 30 degrees apart, with two pictures each, 4 degrees apart.
fn circle() -> (Pairs, Vec<Option<Embedding>>) {
    let mut templates = Vec::new();
    let mut pictures = Vec::new();
    for person in 0..12 {
        for picture in 0..2 {
            templates.push(at(person as f32 * 30.0 + picture as f32 * 4.0));
            pictures.push(format!("{person}/{picture}.jpg").into());
        }
    }
    let pairs = (0..12).map(|p| pair(2 * p, 2 * p + 1, true)).collect();
    (Pairs { pictures, pairs }, templates)
}

#[test]
fn cross_compares_each_non_mated_pair_once() {
    let (pairs, templates) = circle();
    let found = measure(&pairs, &templates, true, 2).unwrap();
    assert_eq!((found.mated, found.non_mated), (12, 24 * 23 / 2 - 12));
    let point = found.tmr_at_fmr["0.01"];
    assert_eq!(point.rate.value, 1.0);
    // The nearest pictures of two people are 26 degrees apart. There are 12 such pairs, but 1 % of 264
    // comparisons allows only two; pairs with equal scores are rejected together.
    assert!(point.false_positives <= 2);
    assert!((point.threshold - 26f32.to_radians().cos()).abs() < 1e-4, "{point:?}");
}

#[test]
fn results_do_not_depend_on_thread_count() {
    let (pairs, templates) = circle();
    let json = |threads| {
        serde_json::to_string(&measure(&pairs, &templates, true, threads).unwrap()).unwrap()
    };
    assert_eq!(json(1), json(7));
}

#[test]
fn cross_comparison_equals_single_comparisons() {
    // The pictures fill several blocks; the last block is not full.
    let count = 700;
    let mut random = fastrand::Rng::with_seed(1);
    let templates: Vec<_> = (0..count)
        .map(|i| {
            let values = (0..24).map(|_| random.f32() - 0.5).collect();
            (i % 50 != 7).then(|| Embedding::normalised(values).unwrap())
        })
        .collect();
    let people: Vec<usize> = (0..count).map(|i| i / 3).collect();
    let found = compare_all(&templates, &people, 0.01, 3).unwrap();
    let mut expected = Vec::new();
    let mut total = 0;
    for a in 0..count {
        for b in a + 1..count {
            if people[a] != people[b] {
                total += 1;
                if let (Some(x), Some(y)) = (&templates[a], &templates[b]) {
                    expected.push((x.cosine(y), [a, b]));
                }
            }
        }
    }
    expected.sort_by(|x, y| y.0.total_cmp(&x.0));
    assert_eq!(found.total, total, "comparisons without a face count");
    assert_eq!(found.highest.len(), (total as f64 * 0.01).ceil() as usize);
    for (found, (score, _)) in found.highest.iter().zip(&expected) {
        assert!((found.score - score).abs() < 1e-5);
        let [a, b] = found.pictures.map(|p| templates[p].as_ref().unwrap());
        assert!((a.cosine(b) - found.score).abs() < 1e-5, "the pictures belong to the score");
    }
    let counted: f64 = found.histogram.bins().iter().map(|bin| bin.share).sum();
    assert!((counted - 1.0).abs() < 1e-9);
}

#[test]
fn picture_without_face_counts_as_rejected() {
    let (pairs, mut templates) = circle();
    templates[0] = None;
    for with_cross in [false, true] {
        let mut pairs = Pairs { pictures: pairs.pictures.clone(), pairs: Vec::new() };
        pairs.pairs = (0..12).map(|p| pair(2 * p, 2 * p + 1, true)).collect();
        pairs.pairs.extend((0..200).map(|i| pair(i % 24, (i + 5) % 24, false)));
        let found = measure(&pairs, &templates, with_cross, 1).unwrap();
        assert_eq!((found.mated, found.failures_to_detect), (12, 1));
        assert_eq!(found.non_mated, if with_cross { 264 } else { 200 });
        let share = found.tmr_at_fmr["0.01"].rate.value;
        assert!((share - 11.0 / 12.0).abs() < 1e-9, "{share}");
        assert_eq!(
            found.detail.false_non_matches[0].pictures,
            [0, 1],
            "the failure is listed first"
        );
    }
}

#[test]
fn results_have_documented_json_keys() {
    let (mut pairs, templates) = circle();
    pairs.pairs.extend((0..100).map(|i| pair(i % 24, (i + 2) % 24, false)));
    for (i, pair) in pairs.pairs.iter_mut().enumerate() {
        pair.fold = Some((i % 10).to_string());
    }
    let json = serde_json::to_value(measure(&pairs, &templates, false, 1).unwrap()).unwrap();
    assert!(json["accuracy_10fold"]["mean"].is_f64() && json["accuracy_10fold"]["sd"].is_f64());
    for key in ["value", "low", "high", "threshold"] {
        assert!(json["tmr_at_fmr"]["0.01"][key].is_f64(), "{key}: {json}");
    }
    assert_eq!(json["failures_to_detect"], 0);
    assert!(json.get("detail").is_none(), "results name no picture");
}

#[test]
fn templates_of_different_lengths_are_rejected() {
    let (pairs, mut templates) = circle();
    templates[5] = Embedding::normalised(vec![1.0; 3]).ok();
    assert!(matches!(
        measure(&pairs, &templates, true, 1),
        Err(EvaluateError::DifferentLengths(2, 3))
    ));
}

#[test]
fn cross_rejects_picture_without_folder() {
    let (mut pairs, templates) = circle();
    pairs.pictures[3] = "3.jpg".into();
    let error = measure(&pairs, &templates, true, 1).unwrap_err().to_string();
    assert!(error.contains("3.jpg"), "{error}");
}
