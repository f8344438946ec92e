//! Rates compared with analytic results and with small cases that are computed by hand.

use proptest::prelude::*;
use statrs::function::erf::{erfc, erfc_inv};

use super::*;

/// Returns the quantiles of a normal distribution, evenly spaced in probability.
fn normal(count: usize, mean: f64, sd: f64) -> Vec<Option<f32>> {
    (0..count)
        .map(|i| {
            let probability = (i as f64 + 0.5) / count as f64;
            let deviate = -std::f64::consts::SQRT_2 * erfc_inv(2.0 * probability);
            Some((mean + sd * deviate) as f32)
        })
        .collect()
}

/// Returns the share of a normal distribution above a threshold.
fn share_above(threshold: f64, mean: f64, sd: f64) -> f64 {
    erfc((threshold - mean) / sd / std::f64::consts::SQRT_2) / 2.0
}

fn outcomes(mated: &[f32], non_mated: &[f32]) -> Outcomes {
    let scores = |s: &[f32]| Scores::new(s.iter().map(|s| Some(*s)));
    Outcomes { mated: scores(mated), non_mated: scores(non_mated) }
}

#[test]
fn intervals_match_clopper_and_pearson() {
    // Source: scipy.stats.beta.ppf.
    for (hits, trials, low, high) in [
        (0, 20, 0.0, 0.168433470983085),
        (5, 10, 0.187086028447398, 0.812913971552602),
        (1, 1658, 1.526_997_266_748e-5, 0.003_355_831_148_854),
        (1023, 1037, 0.977_452_137_418_746, 0.992_600_035_003_636),
        (209, 2_099_655, 8.650_229_688_762e-5, 1.139_881_648_892e-4),
        (20_996, 2_099_655, 0.009_865_594_296_424, 0.010_135_235_875_278),
    ] {
        let found = Proportion::of(hits, trials).unwrap();
        assert!((found.value - hits as f64 / trials as f64).abs() < 1e-12);
        assert!((found.low - low).abs() < 1e-9, "{hits} of {trials}: {found:?}");
        assert!((found.high - high).abs() < 1e-9, "{hits} of {trials}: {found:?}");
        let misses = Proportion::of(trials - hits, trials).unwrap();
        assert!((misses.low - found.complement().low).abs() < 1e-9);
    }
    assert_eq!(Proportion::of(7, 7).unwrap().high, 1.0);
    assert_eq!(Proportion::of(0, 0), None);
}

#[test]
fn rates_of_normal_distributions_match_theory() {
    let (count, shift) = (200_000, 4.0);
    let outcomes = Outcomes {
        mated: Scores::new(normal(count, shift, 1.0)),
        non_mated: Scores::new(normal(count, 0.0, 1.0)),
    };
    for fmr in [1e-2, 1e-3, 1e-4] {
        let threshold = std::f64::consts::SQRT_2 * erfc_inv(2.0 * fmr);
        let point = outcomes.tmr_at_fmr(fmr).unwrap();
        assert!((f64::from(point.threshold) - threshold).abs() < 0.01, "{fmr}: {point:?}");
        let tmr = share_above(threshold, shift, 1.0);
        assert!((point.rate.value - tmr).abs() < 0.003, "{fmr}: {point:?} {tmr}");
        assert_eq!(point.false_positives, (fmr * count as f64).round() as u64);
        let fnir = outcomes.fnir_at_fpir(fmr).unwrap().rate;
        assert!((fnir.value + point.rate.value - 1.0).abs() < 1e-12);
        assert!(fnir.low <= fnir.value && fnir.value <= fnir.high);
    }
    for point in outcomes.det().iter().filter(|p| p.false_positive_rate > 1e-3) {
        let threshold = std::f64::consts::SQRT_2 * erfc_inv(2.0 * point.false_positive_rate);
        let fnmr = 1.0 - share_above(threshold, shift, 1.0);
        assert!((point.false_negative_rate.value - fnmr).abs() < 0.005, "{point:?} {fnmr}");
    }
}

#[test]
fn threshold_is_lowest_within_target_rate() {
    let outcomes =
        outcomes(&[0.9, 0.55, 0.5, 0.2], &[0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, -0.1, -0.2, -0.3]);
    let one = outcomes.tmr_at_fmr(0.1).unwrap();
    assert!(one.threshold > 0.5 && one.threshold < 0.500_001);
    assert_eq!((one.false_positives, one.rate.value), (1, 0.5));
    let three = outcomes.tmr_at_fmr(0.3).unwrap();
    assert_eq!((three.false_positives, three.rate.value), (3, 0.75));
    assert!(!three.is_reliable());
}

#[test]
fn equal_scores_beyond_target_rate_are_all_rejected() {
    let point = outcomes(&[0.5, 0.6], &[0.5, 0.5, 0.5, 0.1]).tmr_at_fmr(0.5).unwrap();
    assert_eq!((point.false_positives, point.rate.value), (0, 0.5));
}

#[test]
fn rate_below_one_comparison_has_no_operating_point() {
    let measured = outcomes(&[0.9; 5], &[0.1; 337]);
    assert!(measured.tmr_at_fmr(1e-2).is_some());
    let by_rate = measured.by_rate(&[1e-2, 1e-3, 1e-5], Outcomes::tmr_at_fmr);
    assert_eq!(by_rate.keys().collect::<Vec<_>>(), ["0.01"]);
    assert!(outcomes(&[0.9], &[]).tmr_at_fmr(0.5).is_none());
    assert!(outcomes(&[], &[0.1; 10]).tmr_at_fmr(0.5).is_none());
}

#[test]
fn missing_scores_are_counted_as_non_matches() {
    let outcomes = Outcomes {
        mated: Scores::new([Some(0.9), Some(0.8), None, None]),
        non_mated: Scores::new([Some(0.1), None, None, None, None, None, None, None, None, None]),
    };
    let point = outcomes.tmr_at_fmr(0.5).unwrap();
    assert_eq!(point.rate.value, 0.5, "two of four, not two of two");
    assert_eq!(point.false_positives, 1, "no threshold accepts a missing score");
    assert_eq!(Scores::new([Some(f32::NAN), Some(0.2)]).count_at_least(-1.0), 1);
}

#[test]
fn top_of_list_has_same_thresholds_as_whole_list() {
    let all: Vec<f32> = normal(50_000, 0.0, 0.1).into_iter().flatten().collect();
    let whole = Scores::new(all.iter().map(|s| Some(*s)));
    let top = Scores::top_of(whole.listed()[..600].to_vec(), 50_000);
    for rate in [1e-2, 1e-3, 1e-4] {
        assert_eq!(whole.threshold_at(rate), top.threshold_at(rate));
    }
    assert_eq!(top.threshold_at(0.02), None, "the threshold is below the list");
}

#[test]
fn rates_are_keyed_by_decimal_notation() {
    let outcomes = outcomes(&[0.9; 5], &(0..200_000).map(|i| i as f32 * -1e-6).collect::<Vec<_>>());
    let rates = outcomes.by_rate(&[1e-2, 0.0025, 1e-5], Outcomes::tmr_at_fmr);
    assert_eq!(rates.keys().collect::<Vec<_>>(), ["0.00001", "0.0025", "0.01"]);
}

#[test]
fn fold_uses_threshold_of_other_folds() {
    let comparison = |fold, score, is_mated| FoldComparison { fold, score, is_mated };
    let easy = |fold| [comparison(fold, Some(0.8), true), comparison(fold, Some(0.2), false)];
    // All scores of the third fold are higher; a threshold of its own would make no errors.
    let odd = [comparison("c", Some(0.95), true), comparison("c", Some(0.7), false)];
    let comparisons: Vec<_> = [easy("a"), easy("b"), odd].concat();
    let accuracy = fold_accuracy(&comparisons).unwrap();
    // The threshold is 0.5 on a and b, and 0.75 on a and c or b and c. All decisions on a and b are
    // correct, and half of the decisions on c.
    assert_eq!((accuracy.folds, accuracy.mean), (3, 2.5 / 3.0));
    assert!((accuracy.standard_deviation - (1.0f64 / 12.0).sqrt()).abs() < 1e-9, "{accuracy:?}");
    assert!(fold_accuracy(&easy("a")).is_none());
}

#[test]
fn comparison_without_face_counts_as_rejected() {
    let comparison = |fold, score, is_mated| FoldComparison { fold, score, is_mated };
    let comparisons: Vec<_> = ["a", "b"]
        .into_iter()
        .flat_map(|fold| {
            [
                comparison(fold, Some(0.8), true),
                comparison(fold, None, true),
                comparison(fold, Some(0.1), false),
                comparison(fold, None, false),
            ]
        })
        .collect();
    assert_eq!(fold_accuracy(&comparisons).unwrap().mean, 0.75);
}

#[test]
fn histogram_counts_each_finite_score_once() {
    let histogram =
        Histogram::of_cosines().with_scores(&[-1.0, 0.001, 0.001, 1.0, f32::NEG_INFINITY]);
    let bins = histogram.bins();
    let share = |at: f64| bins.iter().find(|b| b.low <= at && at < b.high).unwrap().share;
    assert_eq!((share(-0.999), share(0.005), share(0.999)), (0.25, 0.5, 0.25));
}

proptest! {
    #[test]
    fn threshold_never_accepts_more_than_its_rate(
        scores in prop::collection::vec(-1.0f32..1.0, 1..300),
        missing in 0usize..50,
        rate in 0.0001f64..0.9,
    ) {
        let total = scores.len() + missing;
        let all = scores.iter().map(|s| Some(*s)).chain(vec![None; missing]);
        let scores = Scores::new(all);
        if let Some(threshold) = scores.threshold_at(rate) {
            prop_assert!(scores.count_at_least(threshold) as f64 <= rate * total as f64 + 1e-6);
        }
    }
}
