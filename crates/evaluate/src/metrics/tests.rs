//! Figures against analytic answers and small cases worked by hand.

use proptest::prelude::*;
use statrs::function::erf::{erfc, erfc_inv};

use super::*;

/// Scores that lie as a normal distribution does: its quantiles, evenly spaced in probability.
fn normal(count: usize, mean: f64, sd: f64) -> Vec<Option<f32>> {
    (0..count)
        .map(|i| {
            let share = (i as f64 + 0.5) / count as f64;
            let deviate = -std::f64::consts::SQRT_2 * erfc_inv(2.0 * share);
            Some((mean + sd * deviate) as f32)
        })
        .collect()
}

fn above(threshold: f64, mean: f64, sd: f64) -> f64 {
    erfc((threshold - mean) / sd / std::f64::consts::SQRT_2) / 2.0
}

fn outcomes(genuine: &[f32], impostor: &[f32]) -> Outcomes {
    let scores = |s: &[f32]| Scores::new(s.iter().map(|s| Some(*s)));
    Outcomes { genuine: scores(genuine), impostor: scores(impostor) }
}

#[test]
fn intervals_are_those_of_clopper_and_pearson() {
    // scipy.stats.beta.ppf
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
        let others = Proportion::of(trials - hits, trials).unwrap();
        assert!((others.low - found.complement().low).abs() < 1e-9);
    }
    assert_eq!(Proportion::of(7, 7).unwrap().high, 1.0);
    assert_eq!(Proportion::of(0, 0), None);
}

#[test]
fn normal_distributions_give_the_rates_that_they_have() {
    let (count, shift) = (200_000, 4.0);
    let found = Outcomes {
        genuine: Scores::new(normal(count, shift, 1.0)),
        impostor: Scores::new(normal(count, 0.0, 1.0)),
    };
    for fmr in [1e-2, 1e-3, 1e-4] {
        let threshold = std::f64::consts::SQRT_2 * erfc_inv(2.0 * fmr);
        let point = found.accepted_at(fmr).unwrap();
        assert!((f64::from(point.threshold) - threshold).abs() < 0.01, "{fmr}: {point:?}");
        let tmr = above(threshold, shift, 1.0);
        assert!((point.share.value - tmr).abs() < 0.003, "{fmr}: {point:?} {tmr}");
        assert_eq!(point.impostors_accepted, (fmr * count as f64).round() as u64);
        let refused = found.refused_at(fmr).unwrap().share;
        assert!((refused.value + point.share.value - 1.0).abs() < 1e-12);
        assert!(refused.low <= refused.value && refused.value <= refused.high);
    }
    for point in found.det().iter().filter(|p| p.impostors > 1e-3) {
        let threshold = std::f64::consts::SQRT_2 * erfc_inv(2.0 * point.impostors);
        let fnmr = 1.0 - above(threshold, shift, 1.0);
        assert!((point.genuine.value - fnmr).abs() < 0.005, "{point:?} {fnmr}");
    }
}

#[test]
fn the_threshold_is_the_lowest_that_keeps_the_rate() {
    let found =
        outcomes(&[0.9, 0.55, 0.5, 0.2], &[0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, -0.1, -0.2, -0.3]);
    let one = found.accepted_at(0.1).unwrap();
    assert!(one.threshold > 0.5 && one.threshold < 0.500_001);
    assert_eq!((one.impostors_accepted, one.share.value), (1, 0.5));
    let three = found.accepted_at(0.3).unwrap();
    assert_eq!((three.impostors_accepted, three.share.value), (3, 0.75));
    assert!(!three.is_steady());
}

#[test]
fn impostors_of_one_score_are_refused_together_rather_than_too_many_accepted() {
    let point = outcomes(&[0.5, 0.6], &[0.5, 0.5, 0.5, 0.1]).accepted_at(0.5).unwrap();
    assert_eq!((point.impostors_accepted, point.share.value), (0, 0.5));
}

#[test]
fn a_rate_that_is_less_than_one_impostor_is_not_given() {
    let found = outcomes(&[0.9; 5], &[0.1; 337]);
    assert!(found.accepted_at(1e-2).is_some());
    let by_rate = found.by_rate(&[1e-2, 1e-3, 1e-5], Outcomes::accepted_at);
    assert_eq!(by_rate.keys().collect::<Vec<_>>(), ["0.01"]);
    assert!(outcomes(&[0.9], &[]).accepted_at(0.5).is_none());
    assert!(outcomes(&[], &[0.1; 10]).accepted_at(0.5).is_none());
}

#[test]
fn comparisons_that_could_not_be_made_count_and_never_match() {
    let found = Outcomes {
        genuine: Scores::new([Some(0.9), Some(0.8), None, None]),
        impostor: Scores::new([Some(0.1), None, None, None, None, None, None, None, None, None]),
    };
    let point = found.accepted_at(0.5).unwrap();
    assert_eq!(point.share.value, 0.5, "two of four, not two of two");
    assert_eq!(point.impostors_accepted, 1, "however low the threshold");
    assert_eq!(Scores::new([Some(f32::NAN), Some(0.2)]).at_least(-1.0), 1);
}

#[test]
fn the_highest_of_a_long_list_say_the_same_as_all_of_them() {
    let all: Vec<f32> = normal(50_000, 0.0, 0.1).into_iter().flatten().collect();
    let whole = Scores::new(all.iter().map(|s| Some(*s)));
    let top = Scores::highest_of(whole.listed()[..600].to_vec(), 50_000);
    for rate in [1e-2, 1e-3, 1e-4] {
        assert_eq!(whole.threshold_for(rate), top.threshold_for(rate));
    }
    assert_eq!(top.threshold_for(0.02), None, "that lies below the list");
}

#[test]
fn a_rates_name_is_its_decimal_number() {
    let found = outcomes(&[0.9; 5], &(0..200_000).map(|i| i as f32 * -1e-6).collect::<Vec<_>>());
    let rates = found.by_rate(&[1e-2, 0.0025, 1e-5], Outcomes::accepted_at);
    assert_eq!(rates.keys().collect::<Vec<_>>(), ["0.00001", "0.0025", "0.01"]);
}

#[test]
fn each_fold_is_judged_by_the_threshold_of_the_others() {
    let verdict = |fold, score, same| Verdict { fold, score, same };
    let easy = |fold| [verdict(fold, Some(0.8), true), verdict(fold, Some(0.2), false)];
    // In the third fold everything is a step higher, which its own threshold would have mended.
    let odd = [verdict("c", Some(0.95), true), verdict("c", Some(0.7), false)];
    let verdicts: Vec<_> = [easy("a"), easy("b"), odd].concat();
    let accuracy = fold_accuracy(&verdicts).unwrap();
    // On a and b the threshold is 0.5; on a and c, or b and c, 0.75. All of a and b right, half of c.
    assert_eq!((accuracy.folds, accuracy.mean), (3, 2.5 / 3.0));
    assert!((accuracy.sd - (1.0f64 / 12.0).sqrt()).abs() < 1e-9, "{accuracy:?}");
    assert!(fold_accuracy(&easy("a")).is_none());
}

#[test]
fn a_pair_without_a_face_is_answered_not_the_same() {
    let verdict = |fold, score, same| Verdict { fold, score, same };
    let verdicts: Vec<_> = ["a", "b"]
        .into_iter()
        .flat_map(|fold| {
            [
                verdict(fold, Some(0.8), true),
                verdict(fold, None, true),
                verdict(fold, Some(0.1), false),
                verdict(fold, None, false),
            ]
        })
        .collect();
    assert_eq!(fold_accuracy(&verdicts).unwrap().mean, 0.75);
}

#[test]
fn histograms_count_every_score_once() {
    let found = Histogram::of_cosines().with(&[-1.0, 0.001, 0.001, 1.0, f32::NEG_INFINITY]);
    let shares = found.shares();
    let share = |at: f64| shares.iter().find(|s| s.0 <= at && at < s.1).unwrap().2;
    assert_eq!((share(-0.999), share(0.005), share(0.999)), (0.25, 0.5, 0.25));
}

proptest! {
    #[test]
    fn no_threshold_accepts_more_impostors_than_its_rate(
        scores in prop::collection::vec(-1.0f32..1.0, 1..300),
        missing in 0usize..50,
        rate in 0.0001f64..0.9,
    ) {
        let total = scores.len() + missing;
        let all = scores.iter().map(|s| Some(*s)).chain(vec![None; missing]);
        let scores = Scores::new(all);
        if let Some(threshold) = scores.threshold_for(rate) {
            prop_assert!(scores.at_least(threshold) as f64 <= rate * total as f64 + 1e-6);
        }
    }
}
