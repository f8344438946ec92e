//! Ordered scores, which may be the top of a longer list.

/// Tolerance in comparisons. It corrects the rounding of binary fractions, so that a rate of 0.003 of
/// 1,000 comparisons is 3 comparisons.
const ROUNDING_TOLERANCE: f64 = 1e-6;

/// Scores of comparisons; higher is more similar. A comparison that cannot be made has a score of
/// minus infinity, which no threshold accepts.
#[derive(Clone, Debug)]
pub struct Scores {
    descending: Vec<f32>,
    total: u64,
}

impl Scores {
    /// Orders scores; `None` stands for a comparison that cannot be made.
    pub fn new(scores: impl IntoIterator<Item = Option<f32>>) -> Self {
        let scores: Vec<f32> = scores.into_iter().map(|s| s.unwrap_or(f32::NEG_INFINITY)).collect();
        let total = scores.len() as u64;
        Self::top_of(scores, total)
    }

    /// Orders the highest of `total` scores. All other scores must not exceed the lowest of `highest`.
    pub fn top_of(mut highest: Vec<f32>, total: u64) -> Self {
        for score in &mut highest {
            if score.is_nan() {
                *score = f32::NEG_INFINITY;
            }
        }
        highest.sort_unstable_by(|a, b| b.total_cmp(a));
        Self { descending: highest, total }
    }

    /// Returns the number of comparisons, including comparisons whose scores are missing or not listed.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns the listed scores in descending order.
    pub fn listed(&self) -> &[f32] {
        &self.descending
    }

    /// Returns the number of scores at or above a threshold. If only the highest scores are listed, the
    /// number is correct for thresholds above the lowest listed score.
    pub fn count_at_least(&self, threshold: f32) -> u64 {
        self.descending.partition_point(|s| *s >= threshold) as u64
    }

    /// Returns the lowest threshold that accepts at most this rate, or `None` if the rate is less than
    /// one comparison or the threshold is below all listed scores.
    pub fn threshold_at(&self, rate: f64) -> Option<f32> {
        let allowed = (rate * self.total as f64 + ROUNDING_TOLERANCE).floor() as usize;
        let first_rejected = self.descending.get(allowed)?;
        (allowed > 0).then(|| first_rejected.next_up())
    }
}
