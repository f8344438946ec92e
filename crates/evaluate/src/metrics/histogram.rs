//! How scores lie.

/// Counts of scores in equal steps.
#[derive(Clone, PartialEq, Debug)]
pub struct Histogram {
    low: f32,
    high: f32,
    counts: Vec<u64>,
}

impl Histogram {
    /// Nothing counted yet, from -1 to 1 in steps of a fiftieth.
    pub fn of_cosines() -> Self {
        Self { low: -1.0, high: 1.0, counts: vec![0; 100] }
    }

    /// Nothing counted yet, from 0 to 1 in steps of a fiftieth.
    pub fn of_probabilities() -> Self {
        Self { low: 0.0, high: 1.0, counts: vec![0; 50] }
    }

    /// Counts a score; one beyond an end counts in the last step there, minus infinity not at all.
    pub fn count(&mut self, score: f32) {
        if score.is_finite() {
            let steps = self.counts.len();
            let step = (score - self.low) / (self.high - self.low) * steps as f32;
            self.counts[(step.max(0.0) as usize).min(steps - 1)] += 1;
        }
    }

    /// Counts all of them.
    pub fn with(mut self, scores: &[f32]) -> Self {
        scores.iter().for_each(|score| self.count(*score));
        self
    }

    /// Takes over the counts of another of the same steps.
    pub fn add(&mut self, other: &Self) {
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += other;
        }
    }

    /// Each step's lower and upper end, with its share of everything counted.
    pub fn shares(&self) -> Vec<(f64, f64, f64)> {
        let total = self.counts.iter().sum::<u64>().max(1) as f64;
        let step = f64::from(self.high - self.low) / self.counts.len() as f64;
        let at = |i: usize| f64::from(self.low) + step * i as f64;
        self.counts.iter().enumerate().map(|(i, c)| (at(i), at(i + 1), *c as f64 / total)).collect()
    }
}
