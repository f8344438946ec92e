//! Quantisation of features to bins, each with about the same number of rows.

use super::MAX_BINS;

/// The features of all rows, as bin numbers.
pub(super) struct BinnedFeatures<const N: usize> {
    pub rows: Vec<[u8; N]>,
    /// For each feature: the largest values of all bins except the last one, ascending.
    pub edges: Vec<Vec<f32>>,
}

impl<const N: usize> BinnedFeatures<N> {
    pub fn new(features: &[[f32; N]]) -> Self {
        let edges: Vec<_> = (0..N).map(|i| bin_edges(features.iter().map(|row| row[i]))).collect();
        // Bin numbers are less than MAX_BINS, so they fit into a byte.
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
    // A bin above the largest value would be empty.
    if edges.last() == values.last() {
        edges.pop();
    }
    edges
}
