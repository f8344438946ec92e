//! Gradient-boosted trees that rank: LambdaMART (Burges, "From RankNet to LambdaRank to LambdaMART",
//! 2010), with histograms of clues and leaves grown best first (Ke et al., "LightGBM", 2017). Small,
//! on one core, and the same to the last bit for the same rows in the same order.

use super::lambdas::{Slope, lambdas};

/// Bins that a clue's values are put in.
const BINS: usize = 64;
/// Leaves of a tree.
const LEAVES: usize = 15;
/// Trees.
const TREES: usize = 100;
/// What a tree is believed.
const RATE: f64 = 0.15;
/// Weight of "no change" in a leaf, in units of its curvature.
const CAUTION: f64 = 5.0;
/// Rows that each side of a split has at the least.
const MIN_ROWS: u32 = 60;

/// What is learned from: visit after visit the candidates, with `N` clues each.
#[derive(Default)]
pub(super) struct Rows<const N: usize> {
    pub clues: Vec<[f32; N]>,
    /// What they are ranked by before anything is learned.
    pub margins: Vec<f64>,
    /// Whether they were bought.
    pub bought: Vec<bool>,
    /// Where the rows of each visit end.
    pub visits: Vec<usize>,
}

/// Trees whose values add up to a correction of what candidates are ranked by.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Forest {
    trees: Vec<Tree>,
}

#[derive(Clone, PartialEq, Debug)]
struct Tree(Vec<Node>);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Node {
    Leaf(f32),
    /// To the node `low` where the clue is at most the value, else to the one after it.
    Split {
        clue: u8,
        at_most: f32,
        low: u16,
    },
}

impl Forest {
    /// The correction for a row.
    pub fn value<const N: usize>(&self, clues: &[f32; N]) -> f64 {
        self.trees.iter().map(|tree| f64::from(tree.value(clues))).sum()
    }

    /// Learns from rows.
    pub fn grow<const N: usize>(rows: &Rows<N>) -> Self {
        let bins = Bins::new(&rows.clues);
        let mut margins = rows.margins.clone();
        let mut slopes = vec![Slope::default(); margins.len()];
        let mut forest = Self::default();
        for _ in 0..TREES {
            lambdas(&rows.visits, &margins, &rows.bought, &mut slopes);
            let Some((tree, leaves)) = Growing::new(&bins, &slopes).grow() else { break };
            for (rows, value) in leaves {
                for row in rows {
                    margins[row as usize] += f64::from(value);
                }
            }
            forest.trees.push(tree);
        }
        forest
    }
}

impl Tree {
    fn value<const N: usize>(&self, clues: &[f32; N]) -> f32 {
        let mut at = 0;
        loop {
            match self.0[at] {
                Node::Leaf(value) => return value,
                Node::Split { clue, at_most, low } => {
                    at = usize::from(low) + usize::from(clues[usize::from(clue)] > at_most);
                }
            }
        }
    }
}

/// The clues in bins of about equally many rows.
struct Bins<const N: usize> {
    rows: Vec<[u8; N]>,
    /// Largest value of each bin but the last, rising.
    edges: Vec<Vec<f32>>,
}

impl<const N: usize> Bins<N> {
    fn new(clues: &[[f32; N]]) -> Self {
        let edges: Vec<_> = (0..N).map(|clue| edges(clues.iter().map(|row| row[clue]))).collect();
        let bin = |clue: usize, value: f32| {
            // There are at most BINS of them.
            edges[clue].partition_point(|edge| *edge < value) as u8
        };
        let rows = clues.iter().map(|row| std::array::from_fn(|clue| bin(clue, row[clue])));
        Self { rows: rows.collect(), edges }
    }
}

/// At most [`BINS`] - 1 values that part the others.
fn edges(values: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f32::total_cmp);
    let mut edges: Vec<_> =
        (1..BINS).filter_map(|bin| values.get(bin * values.len() / BINS)).copied().collect();
    edges.dedup();
    // Nothing is larger than the largest value.
    if edges.last() == values.last() {
        edges.pop();
    }
    edges
}

impl Slope {
    /// What the best value for these rows saves, twice over.
    fn gain(self) -> f64 {
        self.first * self.first / (self.second + CAUTION)
    }

    fn value(self) -> f32 {
        (-RATE * self.first / (self.second + CAUTION)) as f32
    }
}

/// Slopes and rows of each bin of each clue.
type Histogram<const N: usize> = Box<[[(Slope, u32); BINS]; N]>;

/// A node that may be split.
struct Bud<const N: usize> {
    /// Its place in the tree.
    node: usize,
    rows: Vec<u32>,
    slope: Slope,
    histogram: Histogram<N>,
    best: Option<Split>,
}

#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    clue: usize,
    /// The last bin of the low side.
    bin: usize,
}

/// A tree on its way.
struct Growing<'a, const N: usize> {
    bins: &'a Bins<N>,
    slopes: &'a [Slope],
    nodes: Vec<Node>,
    buds: Vec<Bud<N>>,
}

/// A tree, and the rows of each leaf with its value.
type Grown = (Tree, Vec<(Vec<u32>, f32)>);

impl<'a, const N: usize> Growing<'a, N> {
    fn new(bins: &'a Bins<N>, slopes: &'a [Slope]) -> Self {
        Self { bins, slopes, nodes: vec![Node::Leaf(0.0)], buds: Vec::new() }
    }

    /// `None` when no split helps.
    fn grow(mut self) -> Option<Grown> {
        let rows: Vec<u32> = (0..).take(self.slopes.len()).collect();
        let histogram = self.histogram(&rows);
        self.bud(0, rows, histogram);
        while self.buds.len() < LEAVES {
            let splits = self.buds.iter().enumerate().filter_map(|(i, bud)| Some((i, bud.best?)));
            let best = splits.max_by(|a, b| a.1.gain.total_cmp(&b.1.gain));
            let Some((place, split)) = best else { break };
            self.split(place, split);
        }
        let leaves: Vec<_> = self
            .buds
            .into_iter()
            .map(|bud| {
                self.nodes[bud.node] = Node::Leaf(bud.slope.value());
                (bud.rows, bud.slope.value())
            })
            .collect();
        (leaves.len() > 1).then_some((Tree(self.nodes), leaves))
    }

    fn split(&mut self, place: usize, Split { clue, bin, .. }: Split) {
        let bud = self.buds.swap_remove(place);
        let (low, high): (Vec<u32>, Vec<u32>) = bud
            .rows
            .into_iter()
            .partition(|row| usize::from(self.bins.rows[*row as usize][clue]) <= bin);
        // The larger side's histogram is what the smaller one leaves.
        let low_is_smaller = low.len() <= high.len();
        let smaller = self.histogram(if low_is_smaller { &low } else { &high });
        let mut larger = bud.histogram;
        for (larger, smaller) in larger.iter_mut().flatten().zip(smaller.iter().flatten()) {
            larger.0.first -= smaller.0.first;
            larger.0.second -= smaller.0.second;
            larger.1 -= smaller.1;
        }
        let (low_histogram, high_histogram) =
            if low_is_smaller { (smaller, larger) } else { (larger, smaller) };
        let at = self.nodes.len();
        self.nodes[bud.node] = Node::Split {
            // Fewer than 256 clues, and fewer than 2 × LEAVES nodes.
            clue: clue as u8,
            at_most: self.bins.edges[clue][bin],
            low: at as u16,
        };
        self.nodes.extend([Node::Leaf(0.0); 2]);
        self.bud(at, low, low_histogram);
        self.bud(at + 1, high, high_histogram);
    }

    fn bud(&mut self, node: usize, rows: Vec<u32>, histogram: Histogram<N>) {
        let mut slope = Slope::default();
        for row in &rows {
            slope.first += self.slopes[*row as usize].first;
            slope.second += self.slopes[*row as usize].second;
        }
        let count = rows.len() as u32;
        let best = best_split(&histogram, slope, count);
        self.buds.push(Bud { node, rows, slope, histogram, best });
    }

    fn histogram(&self, rows: &[u32]) -> Histogram<N> {
        let mut histogram: Histogram<N> = Box::new([[(Slope::default(), 0); BINS]; N]);
        for &row in rows {
            let slope = self.slopes[row as usize];
            for (bins, bin) in histogram.iter_mut().zip(&self.bins.rows[row as usize]) {
                let (sum, count) = &mut bins[usize::from(*bin)];
                sum.first += slope.first;
                sum.second += slope.second;
                *count += 1;
            }
        }
        histogram
    }
}

/// Where to part the rows so that the most is won, if anything is.
fn best_split<const N: usize>(histogram: &Histogram<N>, all: Slope, rows: u32) -> Option<Split> {
    let mut best: Option<Split> = None;
    for (clue, bins) in histogram.iter().enumerate() {
        let (mut low, mut low_rows) = (Slope::default(), 0);
        for (bin, (slope, count)) in bins.iter().enumerate().take(BINS - 1) {
            low.first += slope.first;
            low.second += slope.second;
            low_rows += count;
            if low_rows < MIN_ROWS || *count == 0 {
                continue;
            }
            if rows - low_rows < MIN_ROWS {
                break;
            }
            let high = Slope { first: all.first - low.first, second: all.second - low.second };
            let gain = low.gain() + high.gain() - all.gain();
            if gain > best.map_or(1e-6, |split| split.gain) {
                best = Some(Split { gain, clue, bin });
            }
        }
    }
    best
}
