//! In which direction, and how strongly, each candidate of a visit should move in the ranking:
//! LambdaRank (Burges, Ragno, Le, NIPS 2006). Each pair of a bought and another candidate pulls
//! apart, the more so the more NDCG would change if they changed places.

/// A pair pulls by this share at the least, so that those far down are told apart too.
const LEAST: f64 = 0.02;
/// Places of the ideal ranking that NDCG is measured against.
const SHOWN: usize = 10;

/// First and second derivative of the loss by a candidate's margin, of one or summed over some.
#[derive(Clone, Copy, Default)]
pub(super) struct Slope {
    pub first: f64,
    pub second: f64,
}

/// The slopes of all candidates. `visits` says where those of each visit end.
pub(super) fn lambdas(visits: &[usize], margins: &[f64], bought: &[bool], slopes: &mut [Slope]) {
    slopes.fill(Slope::default());
    let mut start = 0;
    for &end in visits {
        let mut ranking: Vec<_> = (start..end).collect();
        ranking.sort_by(|a, b| margins[*b].total_cmp(&margins[*a]));
        let (hits, misses): (Vec<_>, Vec<_>) =
            ranking.into_iter().enumerate().partition(|(_, candidate)| bought[*candidate]);
        let ideal: f64 = (0..hits.len().min(SHOWN)).map(gain).sum();
        for &(rank, hit) in &hits {
            for &(other_rank, miss) in &misses {
                let worth = (gain(rank) - gain(other_rank)).abs() / ideal + LEAST;
                let wrong = 1.0 / (1.0 + (margins[hit] - margins[miss]).exp());
                let (first, second) = (worth * wrong, worth * wrong * (1.0 - wrong));
                slopes[hit].first -= first;
                slopes[miss].first += first;
                slopes[hit].second += second;
                slopes[miss].second += second;
            }
        }
        start = end;
    }
}

/// What a bought product is worth at a rank, 0 the best.
fn gain(rank: usize) -> f64 {
    1.0 / (rank as f64 + 2.0).log2()
}
