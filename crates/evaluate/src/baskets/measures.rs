//! Accuracy of predicted baskets: Recall, NDCG and PHR, as in Li et al., "A next basket
//! recommendation reality check" (TOIS 2023), with intervals over customers.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::metrics::Proportion;

/// Numbers of products in a recommendation.
pub const CUTOFFS: [usize; 3] = [5, 10, 20];
/// Names of the measures at each cutoff.
pub const MEASURES: [&str; 3] = ["recall", "ndcg", "phr"];
/// Number of values per customer: all measures at all cutoffs.
const VALUES: usize = CUTOFFS.len() * MEASURES.len();
/// Number of samples of the bootstrap.
const BOOTSTRAP_SAMPLES: usize = 1_000;
/// Seed of the bootstrap.
const BOOTSTRAP_SEED: u64 = 0;
/// Bounds of the 95 % interval, as quantiles of the samples.
const INTERVAL: [f64; 2] = [0.025, 0.975];

/// Values of one customer, by cutoff and then by measure.
pub(super) type Values = [f64; VALUES];

/// Returns the values of a ranking for a basket, or `None` for an empty basket. `is_positive` returns
/// true for a product of the basket; `positives` is the number of products in the basket.
pub(super) fn values(
    ranking: &[u32],
    is_positive: impl Fn(u32) -> bool,
    positives: usize,
) -> Option<Values> {
    if positives == 0 {
        return None;
    }
    let mut values = [0.0; VALUES];
    for (values, cutoff) in values.chunks_mut(MEASURES.len()).zip(CUTOFFS) {
        let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
        let hits = ranking.iter().take(cutoff).enumerate().filter(|(_, p)| is_positive(**p));
        let (count, gained) = hits.fold((0, 0.0), |(n, sum), (rank, _)| (n + 1, sum + gain(rank)));
        let ideal: f64 = (0..cutoff.min(positives)).map(gain).sum();
        values[0] = f64::from(count) / positives as f64;
        values[1] = gained / ideal;
        values[2] = f64::from(u8::from(count > 0));
    }
    Some(values)
}

/// Means over customers, with their 95 % intervals.
#[derive(Clone)]
pub struct Means {
    /// Number of customers with at least one product to predict.
    pub customers: usize,
    means: [Proportion; VALUES],
}

impl Means {
    /// Computes means with percentile intervals of the bootstrap over customers. The seed is fixed, so
    /// that the intervals are reproducible.
    pub(super) fn new(values: &[Values]) -> Self {
        let n = values.len();
        let mean = |sum: Values| sum.map(|sum| sum / n.max(1) as f64);
        let add = |mut sum: Values, values: &Values| {
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            sum
        };
        let mean_of_all = mean(values.iter().fold([0.0; VALUES], add));
        let mut random = fastrand::Rng::with_seed(BOOTSTRAP_SEED);
        let samples: Vec<Values> = (0..if n == 0 { 0 } else { BOOTSTRAP_SAMPLES })
            .map(|_| {
                let sample = (0..n).map(|_| &values[random.usize(..n)]);
                mean(sample.fold([0.0; VALUES], add))
            })
            .collect();
        let bounds = |index: usize| {
            let mut sorted: Vec<_> = samples.iter().map(|sample| sample[index]).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            INTERVAL.map(|q| sorted.get((q * sorted.len() as f64) as usize).copied().unwrap_or(0.0))
        };
        let means = std::array::from_fn(|index| {
            let [low, high] = bounds(index);
            Proportion { value: mean_of_all[index], low, high }
        });
        Self { customers: n, means }
    }

    /// Returns the mean at an index of [`CUTOFFS`] and an index of [`MEASURES`].
    pub fn get(&self, cutoff: usize, measure: usize) -> Proportion {
        self.means[cutoff * MEASURES.len() + measure]
    }

    /// Writes the fields into a map that may contain other fields.
    pub(super) fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let named: Vec<_> = (0..VALUES)
            .map(|index| {
                let cutoff = CUTOFFS[index / MEASURES.len()];
                (format!("{}@{cutoff}", MEASURES[index % MEASURES.len()]), self.means[index])
            })
            .collect();
        map.serialize_entry("customers", &self.customers)?;
        for (name, mean) in &named {
            map.serialize_entry(name, &mean.value)?;
        }
        let intervals: std::collections::BTreeMap<_, _> =
            named.iter().map(|(name, mean)| (name, [mean.low, mean.high])).collect();
        map.serialize_entry("intervals", &intervals)
    }
}

impl Serialize for Means {
    /// Serialises as `{"customers": 2364, "recall@5": 0.12, …, "intervals": {"recall@5": [0.11,
    /// 0.13], …}}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}
