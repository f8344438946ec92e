//! Calibration: threshold by gallery size and target FPIR, fitted to pictures of many people.
//!
//! Each picture is compared with the gallery entries of all M other people. Let k be the number of
//! these entries whose score reaches a threshold. A gallery of N people is drawn at random from the M
//! people. The probability that it contains at least one of the k entries is
//! 1 − binomial(M − k, N) / binomial(M, N). The mean of this probability over all people is the FPIR
//! for N and the threshold, averaged over all possible galleries. Unlike 1 − (1 − FMR)^N, this does
//! not assume that the comparisons of a person are independent: some people resemble many others.
//!
//! A threshold that fewer than `COMPARISONS_MIN` comparisons reach depends on chance, and on people who
//! occur under two names. Such thresholds are extrapolated along an exponential tail. An exponential
//! tail is heavier than the tail of a bounded or a normal distribution, so the real FPIR is below the
//! target.

use instored_domain::Embedding;
use instored_recognition::mean;
use instored_vision::Calibration;
use serde::Serialize;

use super::EvaluateError;
use super::all_pairs::non_mated_scores;
use super::metrics::Proportion;
use super::report::{Table, percent_with_interval};

/// Gallery sizes of the calibration; sizes above the number of gallery entries are omitted.
const GALLERY_SIZES: [u32; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];

/// Target FPIRs of the calibration.
const TARGET_FPIRS: [f64; 9] = [0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001];

/// Minimum number of comparisons that must reach a threshold; higher thresholds are extrapolated. The
/// comparisons of a person are averaged over the person's pictures. A rate that is based on 20
/// comparisons has a relative standard error of 22 %.
const COMPARISONS_MIN: f64 = 20.0;

/// Number of comparisons at the start of the tail, divided by the number at its end.
const TAIL_RATIO: f64 = 10.0;

/// Number of pictures of a gallery entry. The mean of several templates is more similar to other people
/// than a single template. Entries with one picture would therefore result in thresholds that are too
/// low.
const ENTRY_PICTURES: std::ops::RangeInclusive<usize> = 2..=5;

/// Least number of gallery entries in each half of the people.
const ENTRIES_MIN: usize = 50;

/// Gallery sizes of the checks.
const CHECKED_GALLERY_SIZES: [usize; 3] = [20, 100, 250];
/// Target FPIRs of the checks.
const CHECKED_TARGET_FPIRS: [f64; 3] = [0.01, 0.003, 0.001];

/// Templates of a person's pictures, without those that show no face.
pub type Person = Vec<Embedding>;

/// Calibration with its checks.
#[derive(Debug, Serialize)]
pub struct Calibrated {
    /// Calibration, fitted to all people.
    pub calibration: Calibration,
    /// Checks of calibrations that are fitted to one half of the people and measured on the other, in
    /// both directions.
    pub checks: Vec<Check>,
}

/// FPIR that is measured on people who are not part of the calibration.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Check {
    /// Gallery size.
    pub customers: usize,
    /// Target FPIR.
    #[serde(rename = "wanted")]
    pub target_fpir: f64,
    /// Measured FPIR, with one trial per person.
    pub fpir: Proportion,
    /// True if the interval of the measured FPIR contains the target.
    #[serde(rename = "holds")]
    pub has_target_in_interval: bool,
}

/// A person of the data set.
#[derive(Clone)]
struct Subject<'a> {
    id: usize,
    templates: &'a [Embedding],
    /// Gallery entry, if there are enough pictures.
    entry: Option<Embedding>,
}

impl<'a> Subject<'a> {
    /// Creates a subject, with a gallery entry if there are enough pictures.
    fn new(id: usize, templates: &'a [Embedding]) -> Self {
        let has_enough = templates.len() >= *ENTRY_PICTURES.start();
        let pictures = &templates[..templates.len().min(*ENTRY_PICTURES.end())];
        Self { id, templates, entry: has_enough.then(|| mean(pictures)).flatten() }
    }
}

/// Fits a calibration and checks it.
///
/// # Errors
/// If there are too few people, or templates have different lengths.
pub fn calibrate(people: &[Person], threads: usize) -> Result<Calibrated, EvaluateError> {
    let subjects: Vec<Subject<'_>> = people
        .iter()
        .enumerate()
        .filter(|(_, templates)| !templates.is_empty())
        .map(|(id, templates)| Subject::new(id, templates))
        .collect();
    Ok(Calibrated { checks: checks(&subjects, threads)?, calibration: fit(&subjects, threads)? })
}

/// Fits calibrations to each half of the people, and measures them on the other half.
fn checks(subjects: &[Subject<'_>], threads: usize) -> Result<Vec<Check>, EvaluateError> {
    let halves: [Vec<_>; 2] =
        [0, 1].map(|half| subjects.iter().skip(half).step_by(2).cloned().collect());
    let fitted = [fit(&halves[0], threads)?, fit(&halves[1], threads)?];
    let settings = CHECKED_GALLERY_SIZES
        .into_iter()
        .flat_map(|customers| CHECKED_TARGET_FPIRS.map(|target_fpir| (customers, target_fpir)));
    let check = |(customers, target_fpir)| {
        let [first, second] = [0, 1].map(|half| {
            let threshold = fitted[half].threshold(target_fpir, customers);
            false_positives(&halves[1 - half], customers, threshold)
        });
        let fpir = Proportion::of(first.0 + second.0, first.1 + second.1)?;
        let has_target_in_interval = (fpir.low..=fpir.high).contains(&target_fpir);
        Some(Check { customers, target_fpir, fpir, has_target_in_interval })
    };
    Ok(settings.filter_map(check).collect())
}

/// Returns the table of the checks.
pub fn table(calibrated: &Calibrated) -> Table {
    let mut table = Table::new([
        "customers",
        "target FPIR",
        "measured FPIR (95 % interval)",
        "target in interval",
    ]);
    for Check { customers, target_fpir, fpir, has_target_in_interval } in &calibrated.checks {
        table.add_row([
            customers.to_string(),
            format!("{:.1} %", target_fpir * 100.0),
            percent_with_interval(fpir),
            if *has_target_in_interval { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table
}

/// Returns the number of people who are identified as somebody else, and the number of trials.
///
/// Each person has one trial: the first picture is the probe, and the gallery consists of `customers`
/// other people, beginning at a different entry for each person.
fn false_positives(subjects: &[Subject<'_>], customers: usize, threshold: f32) -> (u64, u64) {
    let entries = entries(subjects);
    // The other people are too few for a gallery of this size.
    if customers >= entries.len() {
        return (0, 0);
    }
    let is_positive = |(index, probe): &(usize, &Subject<'_>)| {
        let start = index * entries.len() / subjects.len();
        let others = entries.iter().cycle().skip(start).filter(|(id, _)| *id != probe.id);
        let mut cosines = others.take(customers).map(|(_, e)| e.cosine(&probe.templates[0]));
        cosines.any(|cosine| cosine >= threshold)
    };
    let positives = subjects.iter().enumerate().filter(is_positive).count();
    (positives as u64, subjects.len() as u64)
}

/// Returns the gallery entries, each with the id of its person.
fn entries<'a>(subjects: &'a [Subject<'_>]) -> Vec<(usize, &'a Embedding)> {
    subjects.iter().filter_map(|subject| Some((subject.id, subject.entry.as_ref()?))).collect()
}

/// Fits a calibration to `subjects`.
fn fit(subjects: &[Subject<'_>], threads: usize) -> Result<Calibration, EvaluateError> {
    let scores = NonMatedScores::of(subjects, threads)?;
    let customers: Vec<u32> =
        GALLERY_SIZES.into_iter().filter(|c| *c as usize <= scores.entries).collect();
    let tail = [COMPARISONS_MIN, COMPARISONS_MIN * TAIL_RATIO]
        .map(|comparisons| scores.threshold_reached_by(comparisons));
    let mut thresholds: Vec<Vec<f32>> = Vec::new();
    for size in &customers {
        let gallery = scores.gallery_model(*size as usize, tail);
        let mut lower_bound = -1.0f32;
        let row = TARGET_FPIRS.iter().enumerate().map(|(column, fpir)| {
            // A threshold is rounded up. It is never below the threshold of a smaller gallery or of
            // a higher FPIR, although measured thresholds can be, by chance.
            let rounded = (gallery.threshold(*fpir) * 1e4).ceil() / 1e4;
            let of_smaller_gallery = thresholds.last().map_or(-1.0, |row| row[column]);
            lower_bound = (rounded as f32).min(1.0).max(of_smaller_gallery).max(lower_bound);
            lower_bound
        });
        let row = row.collect();
        thresholds.push(row);
    }
    Calibration::new(subjects.len() as u32, customers, TARGET_FPIRS.to_vec(), thresholds)
        .map_err(|e| EvaluateError::NotEnoughData(e.to_string()))
}

/// Scores of each picture with the entries of all other people.
struct NonMatedScores {
    /// Scores of each picture, in descending order.
    scores: Vec<Vec<f32>>,
    /// Weight of each picture; the sum is 1.
    weights: Vec<f64>,
    /// Number of people.
    people: usize,
    /// Number of people with an entry. For a person with an entry, it includes the person's own entry,
    /// which is not compared and counts as below the threshold.
    entries: usize,
}

impl NonMatedScores {
    /// Compares each picture with the entries of all other people.
    fn of(subjects: &[Subject<'_>], threads: usize) -> Result<Self, EvaluateError> {
        let entries = entries(subjects);
        if entries.len() < ENTRIES_MIN {
            return Err(EvaluateError::NotEnoughData(format!(
                "one half of the people has {} people with at least {} pictures that show a face; at \
                 least {ENTRIES_MIN} such people are needed",
                entries.len(),
                ENTRY_PICTURES.start()
            )));
        }
        let (mut probes, mut weights) = (Vec::new(), Vec::new());
        for Subject { id, templates, .. } in subjects {
            probes.extend(templates.iter().map(|template| (*id, template)));
            // All people have the same weight, independent of the number of their pictures.
            let weight = 1.0 / (subjects.len() * templates.len()) as f64;
            weights.extend(templates.iter().map(|_| weight));
        }
        let scores = non_mated_scores(&probes, &entries, threads)?;
        Ok(Self { scores, weights, people: subjects.len(), entries: entries.len() })
    }

    /// Returns the lowest threshold that at most `comparisons` comparisons reach. The comparisons of a
    /// person are averaged over the person's pictures.
    fn threshold_reached_by(&self, comparisons: f64) -> f64 {
        let people = self.people as f64;
        lowest_threshold(|t| {
            self.mean(|scores| count_at_least(scores, t) as f64) * people <= comparisons
        })
    }

    /// Returns the weighted mean of a value over all pictures.
    fn mean(&self, value: impl Fn(&[f32]) -> f64) -> f64 {
        self.scores.iter().zip(&self.weights).map(|(scores, weight)| weight * value(scores)).sum()
    }

    /// Returns the model of galleries of `customers` people, with a tail that is measured between the
    /// two thresholds `tail`.
    fn gallery_model(&self, customers: usize, tail: [f64; 2]) -> GalleryModel<'_> {
        let mut miss_probability = vec![1.0];
        for k in 0..self.entries {
            let remaining = self.entries - k;
            miss_probability.push(
                miss_probability[k] * (remaining.saturating_sub(customers)) as f64
                    / remaining as f64,
            );
        }
        let mut gallery = GalleryModel { scores: self, miss_probability, tail: [(0.0, 0.0); 2] };
        gallery.tail = tail.map(|threshold| (threshold, gallery.fpir(threshold)));
        gallery
    }
}

/// FPIR of galleries of one size.
struct GalleryModel<'a> {
    scores: &'a NonMatedScores,
    /// Probability that a random gallery contains none of k people, at index k.
    miss_probability: Vec<f64>,
    /// Two points, each with threshold and FPIR, that determine the tail: first the highest measured
    /// threshold, then the start of the tail.
    tail: [(f64, f64); 2],
}

impl GalleryModel<'_> {
    /// Returns the FPIR at a threshold.
    fn fpir(&self, threshold: f64) -> f64 {
        self.scores.mean(|scores| 1.0 - self.miss_probability[count_at_least(scores, threshold)])
    }

    /// Returns the threshold for a target FPIR: measured, or extrapolated along the exponential tail.
    fn threshold(&self, fpir: f64) -> f64 {
        let [(end, fpir_at_end), (start, fpir_at_start)] = self.tail;
        if fpir >= fpir_at_end {
            return lowest_threshold(|t| self.fpir(t) <= fpir);
        }
        let log_ratio = (fpir_at_start / fpir_at_end).ln();
        // The scale of an exponential distribution: the distance over which it falls by a factor of e.
        let scale = if log_ratio > 0.0 { (end - start) / log_ratio } else { 0.0 };
        end + scale * (fpir_at_end / fpir).ln()
    }
}

/// Returns the number of scores, in descending order, that reach a threshold.
fn count_at_least(scores: &[f32], threshold: f64) -> usize {
    scores.partition_point(|s| f64::from(*s) >= threshold)
}

/// Returns the lowest threshold that satisfies a monotonic condition, by bisection.
fn lowest_threshold(is_satisfied: impl Fn(f64) -> bool) -> f64 {
    // The last step is 0.00003, which is less than the rounding of the thresholds.
    const BISECTIONS: u32 = 16;
    let (mut low, mut high) = (-1.0, 1.0 + 1e-6);
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if is_satisfied(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests;
