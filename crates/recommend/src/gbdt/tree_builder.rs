//! Leaf-wise growth of a tree: each step splits the leaf with the largest gain.

use super::bins::BinnedFeatures;
use super::lambda_gradients::GradHess;
use super::{L2_REGULARISATION, LEARNING_RATE, MAX_BINS, MAX_LEAVES, MIN_GAIN, MIN_LEAF_ROWS};
use super::{Node, Tree};

/// Sum of the derivatives and number of rows, by feature and bin.
type Histogram<const N: usize> = Box<[[(GradHess, u32); MAX_BINS]; N]>;

/// A tree, with the rows and the value of each leaf.
type BuiltTree = (Tree, Vec<(Vec<u32>, f32)>);

/// A tree under construction.
pub(super) struct TreeBuilder<'a, const N: usize> {
    features: &'a BinnedFeatures<N>,
    gradients: &'a [GradHess],
    nodes: Vec<Node>,
    leaves: Vec<LeafCandidate<N>>,
}

/// A leaf that may be split further.
struct LeafCandidate<const N: usize> {
    /// Index of the leaf's node.
    node: usize,
    rows: Vec<u32>,
    sum: GradHess,
    histogram: Histogram<N>,
    best_split: Option<Split>,
}

#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    feature: usize,
    /// Last bin of the left side.
    bin: usize,
}

impl GradHess {
    /// Returns twice the amount by which the optimal leaf value reduces the loss of these rows.
    fn gain(self) -> f64 {
        self.gradient * self.gradient / (self.hessian + L2_REGULARISATION)
    }

    /// Returns the value of a leaf with these rows.
    fn leaf_value(self) -> f32 {
        (-LEARNING_RATE * self.gradient / (self.hessian + L2_REGULARISATION)) as f32
    }
}

impl<'a, const N: usize> TreeBuilder<'a, N> {
    pub fn new(features: &'a BinnedFeatures<N>, gradients: &'a [GradHess]) -> Self {
        Self { features, gradients, nodes: vec![Node::Leaf(0.0)], leaves: Vec::new() }
    }

    /// Builds the tree, or returns `None` if no split has enough gain.
    pub fn build(mut self) -> Option<BuiltTree> {
        let rows: Vec<u32> = (0..).take(self.gradients.len()).collect();
        let histogram = self.histogram(&rows);
        self.add_leaf(0, rows, histogram);
        while self.leaves.len() < MAX_LEAVES {
            let leaves = self.leaves.iter().enumerate();
            let splits = leaves.filter_map(|(i, leaf)| Some((i, leaf.best_split?)));
            let Some((leaf, split)) = splits.max_by(|a, b| a.1.gain.total_cmp(&b.1.gain)) else {
                break;
            };
            self.split(leaf, split);
        }
        let leaves: Vec<_> = self
            .leaves
            .into_iter()
            .map(|leaf| {
                let value = leaf.sum.leaf_value();
                self.nodes[leaf.node] = Node::Leaf(value);
                (leaf.rows, value)
            })
            .collect();
        (leaves.len() > 1).then_some((Tree(self.nodes), leaves))
    }

    fn split(&mut self, leaf: usize, Split { feature, bin, .. }: Split) {
        let parent = self.leaves.swap_remove(leaf);
        let (left, right): (Vec<u32>, Vec<u32>) = parent
            .rows
            .into_iter()
            .partition(|row| usize::from(self.features.rows[*row as usize][feature]) <= bin);
        // The histogram of the larger side is the difference of the parent's and the smaller
        // side's.
        let is_left_smaller = left.len() <= right.len();
        let smaller = self.histogram(if is_left_smaller { &left } else { &right });
        let mut larger = parent.histogram;
        for (larger, smaller) in larger.iter_mut().flatten().zip(smaller.iter().flatten()) {
            larger.0 -= smaller.0;
            larger.1 -= smaller.1;
        }
        let (left_histogram, right_histogram) =
            if is_left_smaller { (smaller, larger) } else { (larger, smaller) };
        let child = self.nodes.len();
        self.nodes[parent.node] = Node::Split {
            // There are fewer than 256 features, and fewer than 2 × MAX_LEAVES nodes.
            feature: feature as u8,
            threshold: self.features.edges[feature][bin],
            left: child as u16,
        };
        self.nodes.extend([Node::Leaf(0.0); 2]);
        self.add_leaf(child, left, left_histogram);
        self.add_leaf(child + 1, right, right_histogram);
    }

    fn add_leaf(&mut self, node: usize, rows: Vec<u32>, histogram: Histogram<N>) {
        let mut sum = GradHess::default();
        for row in &rows {
            sum += self.gradients[*row as usize];
        }
        let best_split = best_split(&histogram, sum, rows.len() as u32);
        self.leaves.push(LeafCandidate { node, rows, sum, histogram, best_split });
    }

    fn histogram(&self, rows: &[u32]) -> Histogram<N> {
        let mut histogram: Histogram<N> = Box::new([[(GradHess::default(), 0); MAX_BINS]; N]);
        for &row in rows {
            let gradient = self.gradients[row as usize];
            for (bins, bin) in histogram.iter_mut().zip(&self.features.rows[row as usize]) {
                let (sum, count) = &mut bins[usize::from(*bin)];
                *sum += gradient;
                *count += 1;
            }
        }
        histogram
    }
}

/// Returns the split with the largest gain, or `None` if no gain is above [`MIN_GAIN`].
fn best_split<const N: usize>(
    histogram: &Histogram<N>,
    sum: GradHess,
    row_count: u32,
) -> Option<Split> {
    let mut best: Option<Split> = None;
    for (feature, bins) in histogram.iter().enumerate() {
        let (mut left, mut left_rows) = (GradHess::default(), 0);
        for (bin, (gradient, count)) in bins.iter().enumerate().take(MAX_BINS - 1) {
            left += *gradient;
            left_rows += count;
            if left_rows < MIN_LEAF_ROWS || *count == 0 {
                continue;
            }
            if row_count - left_rows < MIN_LEAF_ROWS {
                break;
            }
            let gain = left.gain() + (sum - left).gain() - sum.gain();
            if gain > best.map_or(MIN_GAIN, |split| split.gain) {
                best = Some(Split { gain, feature, bin });
            }
        }
    }
    best
}
