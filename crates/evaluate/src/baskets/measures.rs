//! How well foretold baskets are: Recall, NDCG and PHR, as in Li et al., "A next basket
//! recommendation reality check" (TOIS 2023), with intervals over customers.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::metrics::Proportion;

/// How many products are shown.
pub const CUTOFFS: [usize; 3] = [5, 10, 20];
/// Names of what is measured at each.
pub const MEASURES: [&str; 3] = ["recall", "ndcg", "phr"];
/// All measures at all cutoffs.
const FIGURES: usize = CUTOFFS.len() * MEASURES.len();
/// Draws of the bootstrap.
const DRAWS: usize = 1_000;

/// One customer's figures, by cutoff and then by measure.
pub(super) type Figures = [f64; FIGURES];

/// The figures of a ranking for a basket; `None` when there is nothing to foretell. `wanted` says
/// of a product whether it is in the basket, and `size` of how many it says so.
pub(super) fn figures(
    ranking: &[u32],
    wanted: impl Fn(u32) -> bool,
    size: usize,
) -> Option<Figures> {
    if size == 0 {
        return None;
    }
    let mut figures = [0.0; FIGURES];
    for (figures, cutoff) in figures.chunks_mut(MEASURES.len()).zip(CUTOFFS) {
        let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
        let hits = ranking.iter().take(cutoff).enumerate().filter(|(_, p)| wanted(**p));
        let (count, gained) = hits.fold((0, 0.0), |(n, sum), (rank, _)| (n + 1, sum + gain(rank)));
        let ideal: f64 = (0..cutoff.min(size)).map(gain).sum();
        figures[0] = f64::from(count) / size as f64;
        figures[1] = gained / ideal;
        figures[2] = f64::from(u8::from(count > 0));
    }
    Some(figures)
}

/// Means over customers.
#[derive(Clone)]
pub struct Means {
    /// How many customers there was something to foretell for.
    pub customers: usize,
    figures: [Proportion; FIGURES],
}

impl Means {
    /// Means with 95 % intervals of the bootstrap over customers (percentiles of 1,000 draws,
    /// always the same ones).
    pub(super) fn new(figures: &[Figures]) -> Self {
        let n = figures.len();
        let mean = |sum: Figures| sum.map(|sum| sum / n.max(1) as f64);
        let add = |mut sum: Figures, one: &Figures| {
            sum.iter_mut().zip(one).for_each(|(sum, one)| *sum += one);
            sum
        };
        let value = mean(figures.iter().fold([0.0; FIGURES], add));
        let mut random = 0u64;
        let draws: Vec<Figures> = (0..if n == 0 { 0 } else { DRAWS })
            .map(|_| {
                let drawn = (0..n).map(|_| &figures[draw(&mut random, n)]);
                mean(drawn.fold([0.0; FIGURES], add))
            })
            .collect();
        let ends = |figure: usize| {
            let mut values: Vec<_> = draws.iter().map(|draw| draw[figure]).collect();
            values.sort_unstable_by(f64::total_cmp);
            let at = |share: f64| values.get((share * values.len() as f64) as usize).copied();
            (at(0.025).unwrap_or(0.0), at(0.975).unwrap_or(0.0))
        };
        let figures = std::array::from_fn(|figure| {
            let (low, high) = ends(figure);
            Proportion { value: value[figure], low, high }
        });
        Self { customers: n, figures }
    }

    /// A mean by the number of its cutoff and of its measure.
    pub fn get(&self, cutoff: usize, measure: usize) -> Proportion {
        self.figures[cutoff * MEASURES.len() + measure]
    }
}

/// A number below `n`, nearly evenly (SplitMix64, Steele et al. 2014).
fn draw(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((u128::from(z) * n as u128) >> 64) as usize
}

/// `{"customers": 2364, "recall@5": 0.12, …, "intervals": {"recall@5": [0.11, 0.13], …}}`
impl Serialize for Means {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}

impl Means {
    /// Writes the fields into a map that may have others.
    pub(super) fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let named: Vec<_> = (0..FIGURES)
            .map(|figure| {
                let cutoff = CUTOFFS[figure / MEASURES.len()];
                (format!("{}@{cutoff}", MEASURES[figure % MEASURES.len()]), self.figures[figure])
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
