//! Gradient-boosted decision trees for ranking: LambdaMART (Burges: "From RankNet to LambdaRank to
//! LambdaMART: An Overview", 2010) with feature histograms and leaf-wise growth as in LightGBM
//! (Ke et al., NIPS 2017).
//!
//! Training uses one core and is deterministic: the same rows in the same sequence give a
//! bit-identical model.

mod bins;
mod lambda_gradients;
mod tree_builder;

use std::ops::Range;

use bins::BinnedFeatures;
use lambda_gradients::{GradHess, lambda_gradients};
use tree_builder::TreeBuilder;

/// Maximum number of bins of a feature.
const MAX_BINS: usize = 64;
/// Maximum number of leaves of a tree.
const MAX_LEAVES: usize = 15;
/// Maximum number of trees.
const MAX_TREES: usize = 100;
/// Factor by which the leaf values of each tree are multiplied.
const LEARNING_RATE: f64 = 0.15;
/// L2 regularisation of leaf values, in units of the hessian.
const L2_REGULARISATION: f64 = 5.0;
/// Minimum number of rows of a leaf.
const MIN_LEAF_ROWS: u32 = 60;
/// Minimum gain of a split.
const MIN_GAIN: f64 = 1e-6;

/// Training rows with `N` features each, grouped by visit.
#[derive(Default)]
pub(super) struct TrainingSet<const N: usize> {
    pub features: Vec<[f32; N]>,
    /// Scores to which the model adds its correction.
    pub base_margins: Vec<f64>,
    /// True for rows of bought candidates.
    pub is_positive: Vec<bool>,
    /// End of the rows of each group.
    pub group_ends: Vec<usize>,
}

impl<const N: usize> TrainingSet<N> {
    /// Returns the rows of a group.
    pub fn rows(&self, group: usize) -> Range<usize> {
        let start = group.checked_sub(1).map_or(0, |previous| self.group_ends[previous]);
        start..self.group_ends[group]
    }
}

/// A model: the sum of its trees.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Gbdt {
    trees: Vec<Tree>,
}

/// A decision tree. Its root is the first node.
#[derive(Clone, PartialEq, Debug)]
struct Tree(Vec<Node>);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Node {
    Leaf(f32),
    /// Continues at node `left` if the feature is at most the threshold, else at node `left` + 1.
    Split {
        feature: u8,
        threshold: f32,
        left: u16,
    },
}

impl Gbdt {
    /// Computes the correction of a row's base margin.
    pub fn predict<const N: usize>(&self, features: &[f32; N]) -> f64 {
        self.trees.iter().map(|tree| f64::from(tree.predict(features))).sum()
    }

    /// Trains a model on the first `group_count` groups.
    pub fn train<const N: usize>(set: &TrainingSet<N>, group_count: usize) -> Self {
        let group_ends = &set.group_ends[..group_count];
        let row_count = group_ends.last().copied().unwrap_or_default();
        let features = BinnedFeatures::new(&set.features[..row_count]);
        let mut margins = set.base_margins[..row_count].to_vec();
        let mut gradients = vec![GradHess::default(); margins.len()];
        let mut model = Self::default();
        for _ in 0..MAX_TREES {
            lambda_gradients(group_ends, &margins, &set.is_positive, &mut gradients);
            let Some((tree, leaves)) = TreeBuilder::new(&features, &gradients).build() else {
                break;
            };
            for (rows, value) in leaves {
                for row in rows {
                    margins[row as usize] += f64::from(value);
                }
            }
            model.trees.push(tree);
        }
        model
    }
}

impl Tree {
    fn predict<const N: usize>(&self, features: &[f32; N]) -> f32 {
        let mut node = 0;
        loop {
            match self.0[node] {
                Node::Leaf(value) => return value,
                Node::Split { feature, threshold, left } => {
                    let is_right = features[usize::from(feature)] > threshold;
                    node = usize::from(left) + usize::from(is_right);
                }
            }
        }
    }
}
