//! Calibrations on people at random points of a sphere, for which the thresholds are known.

use statrs::function::beta::beta_reg;

use super::*;

/// Dimension of the templates.
const DIMENSION: usize = 64;

/// Returns a normal deviate by the Box-Muller transform.
fn normal(random: &mut fastrand::Rng) -> f32 {
    let (a, b) = (1.0 - random.f64(), random.f64());
    ((-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
}

/// Returns people with `pictures` pictures each. If `similarity` is above 0, the people share a common
/// direction in different strengths: a person who resembles one other person resembles many.
fn people(count: usize, pictures: usize, similarity: f32) -> Vec<Person> {
    people_of(3, count, pictures, similarity)
}

fn people_of(seed: u64, count: usize, pictures: usize, similarity: f32) -> Vec<Person> {
    let mut random = fastrand::Rng::with_seed(seed);
    let shares: Vec<f32> = (0..count).map(|_| similarity * random.f32()).collect();
    let mut point = || (0..DIMENSION).map(|_| normal(&mut random)).collect::<Vec<f32>>();
    let common = point();
    shares
        .into_iter()
        .map(|share| {
            let own = point();
            let centre: Vec<f32> =
                own.iter().zip(&common).map(|(own, common)| own + share * common).collect();
            (0..pictures)
                .map(|_| {
                    let noise = point();
                    let values = centre.iter().zip(&noise).map(|(c, n)| c + 0.1 * n).collect();
                    Embedding::normalised(values).unwrap()
                })
                .collect()
        })
        .collect()
}

/// Returns the share of the sphere whose cosine with a given point is at least `cosine`.
fn cap_share(cosine: f64) -> f64 {
    beta_reg((DIMENSION as f64 - 1.0) / 2.0, 0.5, 1.0 - cosine * cosine) / 2.0
}

#[test]
fn independent_comparisons_give_thresholds_of_formula() {
    let calibration = calibrate(&people(1000, 2, 0.0), 2).unwrap().calibration;
    for customers in [1, 10, 100, 500] {
        for fpir in [0.05, 0.01, 0.001] {
            let fmr = 1.0 - (1.0f64 - fpir).powf(1.0 / customers as f64);
            let threshold = lowest_threshold(|t| t > 0.0 && cap_share(t) <= fmr);
            let found = f64::from(calibration.threshold(fpir, customers));
            // The tolerance is small in the measured range, and larger in the tail.
            let tolerance = if fmr > 1e-4 { 0.01 } else { 0.035 };
            assert!(
                (found - threshold).abs() < tolerance,
                "{customers} {fpir}: {found} against {threshold}"
            );
        }
    }
}

#[test]
fn fpir_on_other_people_does_not_exceed_target() {
    for similarity in [0.0, 0.6] {
        let calibrated = calibrate(&people(1000, 2, similarity), 2).unwrap();
        assert_eq!(calibrated.checks.len(), 9);
        for check in &calibrated.checks {
            assert!(check.fpir.low <= check.target_fpir, "{similarity}: {check:?}");
            let is_in_measured_range = check.target_fpir == 0.01 && check.customers <= 100;
            if is_in_measured_range {
                assert!(check.has_target_in_interval, "{similarity}: {check:?}");
            }
        }
    }
}

#[test]
fn resemblance_to_many_people_does_not_raise_threshold() {
    let people = people(1000, 2, 1.5);
    let calibrated = calibrate(&people, 2).unwrap();
    let threshold = f64::from(calibrated.calibration.threshold(0.05, 200));
    let subjects: Vec<_> =
        people.iter().enumerate().map(|(id, templates)| Subject::new(id, templates)).collect();
    let scores = NonMatedScores::of(&subjects, 2).unwrap();
    let fmr = scores.mean(|s| count_at_least(s, threshold) as f64) / 999.0;
    let independent = 1.0 - (1.0 - fmr).powi(200);
    assert!(independent > 0.055, "independence would give {independent} instead of 0.05");
}

#[test]
fn people_under_two_names_do_not_determine_tail() {
    let mut data = people(1000, 2, 0.0);
    let before = calibrate(&data, 2).unwrap().calibration.threshold(1e-4, 500);
    for i in 0..4 {
        data[700 + i] = data[i].clone();
    }
    let after = calibrate(&data, 2).unwrap().calibration.threshold(1e-4, 500);
    // Without the tail, the cosines of 1 of these people would determine the threshold.
    assert!(before < 0.65 && after - before < 0.05, "{before} {after}");
}

#[test]
fn thread_count_and_people_without_face_have_no_effect() {
    let mut data = people(200, 2, 0.3);
    let expected = calibrate(&data, 1).unwrap().calibration;
    assert_eq!(calibrate(&data, 3).unwrap().calibration, expected);
    data.push(Vec::new());
    assert_eq!(calibrate(&data, 1).unwrap().calibration, expected);
}

#[test]
fn too_few_people_result_in_error() {
    let error = calibrate(&people(90, 2, 0.0), 1).unwrap_err().to_string();
    assert!(error.contains("has 45"), "{error}");
}

#[test]
fn person_with_single_picture_is_probe_but_no_entry() {
    let mut data = people(300, 2, 0.0);
    let with_pairs = calibrate(&data, 1).unwrap().calibration;
    data.extend(people_of(5, 300, 1, 0.0));
    let with_singles = calibrate(&data, 1).unwrap().calibration;
    let customers = |c: &Calibration| serde_json::to_value(c).unwrap()["customers"].clone();
    assert_eq!(customers(&with_singles), customers(&with_pairs), "the galleries are not larger");
    let [pairs, singles] = [&with_pairs, &with_singles].map(|c| c.threshold(0.01, 50));
    assert!((pairs - singles).abs() < 0.02, "{pairs} {singles}");
}
