//! Quantisation of features to bins with about equal numbers of rows.

use super::MAX_BINS;

/// Features of all rows as bin numbers.
pub(super) struct BinnedFeatures<const N: usize> {
    pub rows: Vec<[u8; N]>,
    /// Largest value of each bin except the last, by feature, ascending.
    pub edges: Vec<Vec<f32>>,
}

impl<const N: usize> BinnedFeatures<N> {
    pub fn new(features: &[[f32; N]]) -> Self {
        let edges: Vec<_> = (0..N).map(|i| bin_edges(features.iter().map(|row| row[i]))).collect();
        // A bin number is less than MAX_BINS and fits.
        let bin = |i: usize, value: f32| edges[i].partition_point(|edge| *edge < value) as u8;
        let rows = features.iter().map(|row| std::array::from_fn(|i| bin(i, row[i])));
        Self { rows: rows.collect(), edges }
    }
}

/// Returns at most [`MAX_BINS`] - 1 quantiles of the values, without duplicates.
fn bin_edges(values: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f32::total_cmp);
    let quantiles = (1..MAX_BINS).filter_map(|bin| values.get(bin * values.len() / MAX_BINS));
    let mut edges: Vec<_> = quantiles.copied().collect();
    edges.dedup();
    // No value is above the largest one.
    if edges.last() == values.last() {
        edges.pop();
    }
    edges
}
