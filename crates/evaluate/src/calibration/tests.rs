//! People at random points of a sphere, where the answer is known.

use statrs::function::beta::beta_reg;

use super::*;

/// Normal deviates by Box and Muller, from a fixed seed.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as f64 + 0.5) / (1u64 << 31) as f64
    }

    fn normal(&mut self) -> f32 {
        let (a, b) = (self.uniform(), self.uniform());
        ((-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
    }
}

const DIMENSION: usize = 64;

/// People with `pictures` pictures each. With `likeness`, some of them look so much like anybody that
/// a stranger who resembles one person resembles many.
fn people(count: usize, pictures: usize, likeness: f32) -> Vec<Person> {
    people_of(3, count, pictures, likeness)
}

fn people_of(seed: u64, count: usize, pictures: usize, likeness: f32) -> Vec<Person> {
    let mut random = Random(seed);
    let shares: Vec<f32> = (0..count).map(|_| likeness * random.uniform() as f32).collect();
    let mut point = || (0..DIMENSION).map(|_| random.normal()).collect::<Vec<f32>>();
    let anybody = point();
    shares
        .into_iter()
        .map(|share| {
            let own = point();
            let centre: Vec<f32> =
                own.iter().zip(&anybody).map(|(own, any)| own + share * any).collect();
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

/// The share of the sphere within a cosine of a point.
fn cap(cosine: f64) -> f64 {
    beta_reg((DIMENSION as f64 - 1.0) / 2.0, 0.5, 1.0 - cosine * cosine) / 2.0
}

#[test]
fn where_comparisons_are_independent_it_finds_the_threshold_of_the_formula() {
    let calibration = calibrate(&people(1000, 2, 0.0), 2).unwrap().calibration;
    for customers in [1, 10, 100, 500] {
        for fpir in [0.05, 0.01, 0.001] {
            let fmr = 1.0 - (1.0f64 - fpir).powf(1.0 / customers as f64);
            let threshold = lowest_where(|t| t > 0.0 && cap(t) <= fmr);
            let found = f64::from(calibration.threshold(fpir, customers));
            // In the measured range closely, in the tail on the strict side.
            let room = if fmr > 1e-4 { 0.01 } else { 0.035 };
            assert!(
                (found - threshold).abs() < room,
                "{customers} {fpir}: {found} against {threshold}"
            );
        }
    }
}

#[test]
fn strangers_who_were_not_fitted_to_are_greeted_at_the_rate_that_is_set_and_not_more_often() {
    for likeness in [0.0, 0.6] {
        let calibrated = calibrate(&people(1000, 2, likeness), 2).unwrap();
        assert_eq!(calibrated.checks.len(), 9);
        for check in &calibrated.checks {
            assert!(check.fpir.low <= check.wanted, "{likeness}: {check:?}");
            let measured_range = check.wanted == 0.01 && check.customers <= 100;
            if measured_range {
                assert!(check.holds, "{likeness}: {check:?}");
            }
        }
    }
}

#[test]
fn strangers_who_resemble_many_do_not_make_it_stricter_than_needed() {
    let people = people(1000, 2, 1.5);
    let calibrated = calibrate(&people, 2).unwrap();
    let threshold = f64::from(calibrated.calibration.threshold(0.05, 200));
    let all: Vec<_> = people
        .iter()
        .enumerate()
        .map(|(id, templates)| Someone { id, templates, entry: mean(templates) })
        .collect();
    let fmr = Strangers::among(&all, 2).unwrap().mean(|s| above(s, threshold) as f64) / 999.0;
    let independent = 1.0 - (1.0 - fmr).powi(200);
    assert!(independent > 0.055, "independence would have said {independent} of 0.05");
}

#[test]
fn a_handful_of_people_under_two_names_does_not_decide_the_tail() {
    let mut clean = people(1000, 2, 0.0);
    let before = calibrate(&clean, 2).unwrap().calibration.threshold(1e-4, 500);
    for i in 0..4 {
        clean[700 + i] = clean[i].clone();
    }
    let after = calibrate(&clean, 2).unwrap().calibration.threshold(1e-4, 500);
    // Of their own, their cosines of 1 would.
    assert!(before < 0.65 && after - before < 0.05, "{before} {after}");
}

#[test]
fn the_number_of_threads_and_people_without_a_face_change_nothing() {
    let mut some = people(200, 2, 0.3);
    let one = calibrate(&some, 1).unwrap();
    assert_eq!(calibrate(&some, 3).unwrap().calibration, one.calibration);
    some.push(Vec::new());
    assert_eq!(calibrate(&some, 1).unwrap().calibration, one.calibration);
}

#[test]
fn too_few_people_are_said_to_be_too_few() {
    let error = calibrate(&people(90, 2, 0.0), 1).unwrap_err().to_string();
    assert!(error.contains("have 45"), "{error}");
}

#[test]
fn who_has_a_single_picture_is_a_stranger_and_no_customer() {
    let mut some = people(300, 2, 0.0);
    let with_pairs = calibrate(&some, 1).unwrap().calibration;
    some.extend(people_of(5, 300, 1, 0.0));
    let with_singles = calibrate(&some, 1).unwrap().calibration;
    let customers = |c: &Calibration| serde_json::to_value(c).unwrap()["customers"].clone();
    assert_eq!(customers(&with_singles), customers(&with_pairs), "no larger galleries");
    let [one, other] = [&with_pairs, &with_singles].map(|c| c.threshold(0.01, 50));
    assert!((one - other).abs() < 0.02, "{one} {other}");
}
