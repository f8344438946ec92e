//! Histogram of scores.

/// Counts of scores in bins of equal width.
#[derive(Clone, PartialEq, Debug)]
pub struct Histogram {
    low: f32,
    high: f32,
    counts: Vec<u64>,
}

/// Bin of a histogram.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bin {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Share of all counted scores, 0 to 1.
    pub share: f64,
}

impl Histogram {
    /// Returns an empty histogram from -1 to 1 with bins of width 0.02.
    pub fn of_cosines() -> Self {
        Self { low: -1.0, high: 1.0, counts: vec![0; 100] }
    }

    /// Returns an empty histogram from 0 to 1 with bins of width 0.02.
    pub fn of_probabilities() -> Self {
        Self { low: 0.0, high: 1.0, counts: vec![0; 50] }
    }

    /// Counts a score. A finite score out of range counts in the nearest bin. Scores that are not
    /// finite are ignored.
    pub fn add(&mut self, score: f32) {
        if score.is_finite() {
            let bin_count = self.counts.len();
            let bin = (score - self.low) / (self.high - self.low) * bin_count as f32;
            self.counts[(bin.max(0.0) as usize).min(bin_count - 1)] += 1;
        }
    }

    /// Counts several scores.
    pub fn with_scores(mut self, scores: &[f32]) -> Self {
        scores.iter().for_each(|score| self.add(*score));
        self
    }

    /// Adds the counts of another histogram with the same bins.
    pub fn merge(&mut self, other: &Self) {
        for (count, added) in self.counts.iter_mut().zip(&other.counts) {
            *count += added;
        }
    }

    /// Returns all bins.
    pub fn bins(&self) -> Vec<Bin> {
        let total = self.counts.iter().sum::<u64>().max(1) as f64;
        let width = f64::from(self.high - self.low) / self.counts.len() as f64;
        let bound = |i: usize| f64::from(self.low) + width * i as f64;
        let counts = self.counts.iter().enumerate();
        counts
            .map(|(i, count)| Bin {
                low: bound(i),
                high: bound(i + 1),
                share: *count as f64 / total,
            })
            .collect()
    }
}
