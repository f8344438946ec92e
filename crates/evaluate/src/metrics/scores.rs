//! A list of scores, ordered, that may be the top of a much longer one.

/// Scores of comparisons, higher is more alike. A comparison that could not be made has the score of
/// minus infinity, which no threshold lets through.
#[derive(Clone, Debug)]
pub struct Scores {
    descending: Vec<f32>,
    total: u64,
}

impl Scores {
    /// All scores; `None` stands for a comparison that could not be made.
    pub fn new(scores: impl IntoIterator<Item = Option<f32>>) -> Self {
        let scores: Vec<f32> = scores.into_iter().map(|s| s.unwrap_or(f32::NEG_INFINITY)).collect();
        let total = scores.len() as u64;
        Self::highest_of(scores, total)
    }

    /// The highest scores of `total`; no other score is above the lowest of these.
    pub fn highest_of(mut highest: Vec<f32>, total: u64) -> Self {
        for score in &mut highest {
            if score.is_nan() {
                *score = f32::NEG_INFINITY;
            }
        }
        highest.sort_unstable_by(|a, b| b.total_cmp(a));
        Self { descending: highest, total }
    }

    /// Number of comparisons, those without a score and those below the list among them.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The scores that are listed, highest first.
    pub fn listed(&self) -> &[f32] {
        &self.descending
    }

    /// Comparisons with at least this score. Where only the highest are listed, true for thresholds
    /// above the lowest of them.
    pub fn at_least(&self, threshold: f32) -> u64 {
        self.descending.partition_point(|s| *s >= threshold) as u64
    }

    /// The lowest threshold that lets no more than this share through. `None` when the share is less
    /// than one comparison, so that no threshold can be said to hold it, or below the list.
    pub fn threshold_for(&self, share: f64) -> Option<f32> {
        // A share such as 0.003 of 1,000 is 3, whatever binary fractions make of it.
        let allowed = (share * self.total as f64 + 1e-6).floor() as usize;
        let first_refused = self.descending.get(allowed)?;
        (allowed > 0).then(|| first_refused.next_up())
    }
}
