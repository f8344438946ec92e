//! Fits the relation of gallery size, FPIR and threshold to pictures of many people.
//!
//! Everybody is a stranger to everybody else: each picture is compared with the gallery entry of
//! every other person who has pictures enough for one. If c of a stranger's M comparisons reach a
//! threshold, the chance that a gallery of N, drawn at random from the M people, holds one of them is
//! 1 − C(M−c, N) / C(M, N). Its mean over the strangers is FPIR(N, threshold), averaged over all
//! galleries that could be drawn. Other than 1 − (1 − FMR)^N this does not take a stranger's
//! comparisons as independent: some strangers resemble many people.
//!
//! Where fewer than `STEADY` comparisons reach a threshold, chance and people who are in the
//! pictures under two names decide. From there on the threshold follows an exponential tail, which is
//! heavier than that of a bounded or a normal distribution and so errs towards greeting fewer
//! strangers.

use instored_domain::Embedding;
use instored_recognition::mean;
use instored_vision::Calibration;
use serde::Serialize;

use super::EvaluateError;
use super::cross::scores_of_each;
use super::metrics::Proportion;
use super::report::{Table, percent};

/// Gallery sizes of the table, as far as there are people enough.
const CUSTOMERS: [u32; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];

/// Rates of the table.
const FPIR: [f64; 9] = [0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001];

/// Comparisons on which an entry of the table rests, at the least; a stranger's pictures share one.
/// Twenty give a rate to a fifth or so.
const STEADY: f64 = 20.0;

/// By this factor in comparisons the beginning of the tail lies lower than its end.
const TAIL: f64 = 10.0;

/// Pictures that make a person's entry. Means of several templates are more like everybody than a
/// single template is, so that entries of one picture would give thresholds that are too low.
const VIEWS: std::ops::RangeInclusive<usize> = 2..=5;

/// Fewer entries say nothing about galleries; half of the people must have so many.
const FEWEST_ENTRIES: usize = 50;

/// Gallery sizes and rates that are tried on people who were not fitted to.
const CHECKED: ([usize; 3], [f64; 3]) = ([20, 100, 250], [0.01, 0.003, 0.001]);

/// A person: the templates of their pictures, those without a face left out.
pub type Person = Vec<Embedding>;

/// A calibration with what it promises on other people than it was fitted to.
#[derive(Debug, Serialize)]
pub struct Calibrated {
    /// Fitted to everybody.
    pub calibration: Calibration,
    /// Fitted to one half of the people and tried on the other, both ways, together.
    pub checks: Vec<Check>,
}

/// One setting, on people the calibration had not seen.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Check {
    /// Gallery size.
    pub customers: usize,
    /// The rate that was set.
    pub wanted: f64,
    /// The rate that was measured, a trial a person.
    pub fpir: Proportion,
    /// Whether the rate that was set lies in the interval.
    pub holds: bool,
}

/// A person among others.
#[derive(Clone)]
struct Someone<'a> {
    id: usize,
    templates: &'a [Embedding],
    /// What a gallery would hold of them, if there are pictures enough.
    entry: Option<Embedding>,
}

/// Fits a calibration and checks it.
///
/// # Errors
/// When there are too few people, or templates of different lengths.
pub fn calibrate(people: &[Person], threads: usize) -> Result<Calibrated, EvaluateError> {
    let entry = |person: &Person| {
        let views = person.len() >= *VIEWS.start();
        views.then(|| mean(&person[..person.len().min(*VIEWS.end())])).flatten()
    };
    let people: Vec<Someone<'_>> = people
        .iter()
        .enumerate()
        .filter(|(_, person)| !person.is_empty())
        .map(|(id, person)| Someone { id, templates: person, entry: entry(person) })
        .collect();
    let halves: [Vec<_>; 2] =
        [0, 1].map(|half| people.iter().skip(half).step_by(2).cloned().collect());
    let fitted = [fit(&halves[0], threads)?, fit(&halves[1], threads)?];
    let (sizes, rates) = CHECKED;
    let checks = sizes
        .into_iter()
        .flat_map(|customers| rates.map(|wanted| (customers, wanted)))
        .filter_map(|(customers, wanted)| {
            let tried = [0, 1].map(|half| {
                let threshold = fitted[half].threshold(wanted, customers);
                greeted(&halves[1 - half], customers, threshold)
            });
            let fpir = Proportion::of(tried[0].0 + tried[1].0, tried[0].1 + tried[1].1)?;
            let holds = (fpir.low..=fpir.high).contains(&wanted);
            Some(Check { customers, wanted, fpir, holds })
        })
        .collect();
    Ok(Calibrated { calibration: fit(&people, threads)?, checks })
}

/// The checks.
pub fn table(calibrated: &Calibrated) -> Table {
    let mut table = Table::new(["customers", "FPIR set", "FPIR measured (95 % interval)", "holds"]);
    for Check { customers, wanted, fpir, holds } in &calibrated.checks {
        let holds = if *holds { "yes" } else { "no" }.to_owned();
        let wanted = format!("{:.1} %", wanted * 100.0);
        table.row([customers.to_string(), wanted, percent(fpir), holds]);
    }
    table
}

/// How many of the people are taken for somebody else, and how many were tried: each by their first
/// picture, at a gallery that begins at another place for each.
fn greeted(people: &[Someone<'_>], customers: usize, threshold: f32) -> (u64, u64) {
    let entries = entries(people);
    // Nobody is compared with themselves.
    if customers >= entries.len() {
        return (0, 0);
    }
    let is_greeted = |(place, stranger): &(usize, &Someone<'_>)| {
        let start = place * entries.len() / people.len();
        let others = entries.iter().cycle().skip(start).filter(|(id, _)| *id != stranger.id);
        let mut cosines = others.take(customers).map(|(_, e)| e.cosine(&stranger.templates[0]));
        cosines.any(|cosine| cosine >= threshold)
    };
    (people.iter().enumerate().filter(is_greeted).count() as u64, people.len() as u64)
}

fn entries<'a>(people: &'a [Someone<'_>]) -> Vec<(usize, &'a Embedding)> {
    people.iter().filter_map(|person| Some((person.id, person.entry.as_ref()?))).collect()
}

fn fit(people: &[Someone<'_>], threads: usize) -> Result<Calibration, EvaluateError> {
    let strangers = Strangers::among(people, threads)?;
    let customers: Vec<u32> =
        CUSTOMERS.into_iter().filter(|c| *c as usize <= strangers.entries).collect();
    let tail = [STEADY, STEADY * TAIL].map(|count| strangers.reached_by(count));
    let mut thresholds: Vec<Vec<f32>> = Vec::new();
    for size in &customers {
        let gallery = strangers.at_gallery(*size as usize, tail);
        let mut lowest = -1.0f32;
        let row = FPIR.iter().enumerate().map(|(column, rate)| {
            // Rounded upwards, and never below its neighbours: chance must not make a larger gallery
            // or a lower rate the more lenient one.
            let rounded = (gallery.threshold(*rate) * 1e4).ceil() / 1e4;
            let smaller = thresholds.last().map_or(-1.0, |row| row[column]);
            lowest = (rounded as f32).min(1.0).max(smaller).max(lowest);
            lowest
        });
        let row = row.collect();
        thresholds.push(row);
    }
    let people = people.len() as u32;
    Calibration::new(people, customers, FPIR.to_vec(), thresholds)
        .map_err(|e| EvaluateError::TooLittle(e.to_string()))
}

/// The cosines of everybody with everybody else's entries.
struct Strangers {
    /// For each picture, highest first.
    scores: Vec<Vec<f32>>,
    /// What each picture counts for; together 1.
    weights: Vec<f64>,
    /// People.
    people: usize,
    /// People who have an entry. One's own counts as one that one does not reach.
    entries: usize,
}

impl Strangers {
    fn among(people: &[Someone<'_>], threads: usize) -> Result<Self, EvaluateError> {
        let entries = entries(people);
        if entries.len() < FEWEST_ENTRIES {
            return Err(EvaluateError::TooLittle(format!(
                "half of the people have {} with {} pictures that show a face, {FEWEST_ENTRIES} are \
                 needed",
                entries.len(),
                VIEWS.start()
            )));
        }
        let (mut probes, mut weights) = (Vec::new(), Vec::new());
        for Someone { id, templates, .. } in people {
            probes.extend(templates.iter().map(|template| (*id, template)));
            // A stranger is a person, however many pictures there are of them.
            let weight = 1.0 / (people.len() * templates.len()) as f64;
            weights.extend(templates.iter().map(|_| weight));
        }
        let scores = scores_of_each(&probes, &entries, threads)?;
        Ok(Self { scores, weights, people: people.len(), entries: entries.len() })
    }

    /// The threshold that `count` comparisons reach, where a stranger's pictures share one.
    fn reached_by(&self, count: f64) -> f64 {
        let people = self.people as f64;
        lowest_where(|t| self.mean(|scores| above(scores, t) as f64) * people <= count)
    }

    /// The mean over strangers.
    fn mean(&self, of: impl Fn(&[f32]) -> f64) -> f64 {
        self.scores.iter().zip(&self.weights).map(|(scores, weight)| weight * of(scores)).sum()
    }

    /// These strangers before galleries of so many, with the tail measured between two thresholds.
    fn at_gallery(&self, customers: usize, tail: [f64; 2]) -> GalleryOf<'_> {
        let mut nobody = vec![1.0];
        for c in 0..self.entries {
            let left = self.entries - c;
            nobody.push(nobody[c] * (left.saturating_sub(customers)) as f64 / left as f64);
        }
        let mut gallery = GalleryOf { strangers: self, nobody, tail: [(0.0, 0.0); 2] };
        gallery.tail = tail.map(|threshold| (threshold, gallery.fpir(threshold)));
        gallery
    }
}

/// Strangers before galleries of one size.
struct GalleryOf<'a> {
    strangers: &'a Strangers,
    /// By the number of people who reach the threshold, the chance that none of them is enrolled.
    nobody: Vec<f64>,
    /// End and beginning of what the tail is measured on: thresholds with their rates.
    tail: [(f64, f64); 2],
}

impl GalleryOf<'_> {
    fn fpir(&self, threshold: f64) -> f64 {
        self.strangers.mean(|scores| 1.0 - self.nobody[above(scores, threshold)])
    }

    fn threshold(&self, rate: f64) -> f64 {
        let [(end, at_end), (beginning, at_beginning)] = self.tail;
        if rate >= at_end {
            return lowest_where(|t| self.fpir(t) <= rate);
        }
        let fall = (at_beginning / at_end).ln();
        let slope = if fall > 0.0 { (end - beginning) / fall } else { 0.0 };
        end + slope * (at_end / rate).ln()
    }
}

/// How many of the descending scores reach a threshold.
fn above(scores: &[f32], threshold: f64) -> usize {
    scores.partition_point(|s| f64::from(*s) >= threshold)
}

/// The lowest cosine at which something holds that, once it holds, holds for all higher ones.
fn lowest_where(holds: impl Fn(f64) -> bool) -> f64 {
    // Steps of 0.00003, finer than thresholds are kept.
    const HALVINGS: u32 = 16;
    let (mut fails, mut holding) = (-1.0, 1.0 + 1e-6);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(fails, holding);
        if holds(middle) { holding = middle } else { fails = middle }
    }
    holding
}

#[cfg(test)]
mod tests;
