//! Gradients of LambdaRank (Burges, Ragno, Le: "Learning to Rank with Nonsmooth Cost Functions",
//! NIPS 2006). The contribution of a positive and a negative is proportional to the change of NDCG
//! that a swap of their ranks would cause.

use std::ops::{AddAssign, Sub, SubAssign};

/// Minimum weight of a pair, so that pairs at low ranks contribute too.
const MIN_PAIR_WEIGHT: f64 = 0.02;
/// Number of ranks of the ideal ranking by which NDCG is normalised.
const NDCG_RANKS: usize = 10;

/// First and second derivative of the loss with respect to the margin, for one row or summed over
/// rows.
#[derive(Clone, Copy, Default)]
pub(super) struct GradHess {
    pub gradient: f64,
    pub hessian: f64,
}

impl AddAssign for GradHess {
    fn add_assign(&mut self, other: Self) {
        self.gradient += other.gradient;
        self.hessian += other.hessian;
    }
}

impl SubAssign for GradHess {
    fn sub_assign(&mut self, other: Self) {
        self.gradient -= other.gradient;
        self.hessian -= other.hessian;
    }
}

impl Sub for GradHess {
    type Output = Self;

    fn sub(mut self, other: Self) -> Self {
        self -= other;
        self
    }
}

/// Computes the derivatives for all rows. `group_ends` has the end of each group's rows.
pub(super) fn lambda_gradients(
    group_ends: &[usize],
    margins: &[f64],
    is_positive: &[bool],
    gradients: &mut [GradHess],
) {
    gradients.fill(GradHess::default());
    let mut start = 0;
    for &end in group_ends {
        let mut ranking: Vec<_> = (start..end).collect();
        ranking.sort_by(|a, b| margins[*b].total_cmp(&margins[*a]));
        let (positives, negatives): (Vec<_>, Vec<_>) =
            ranking.into_iter().enumerate().partition(|(_, row)| is_positive[*row]);
        let ideal_dcg: f64 = (0..positives.len().min(NDCG_RANKS)).map(discount).sum();
        for &(positive_rank, positive) in &positives {
            for &(negative_rank, negative) in &negatives {
                let ndcg_change =
                    (discount(positive_rank) - discount(negative_rank)).abs() / ideal_dcg;
                let weight = ndcg_change + MIN_PAIR_WEIGHT;
                let error = 1.0 / (1.0 + (margins[positive] - margins[negative]).exp());
                let gradient = weight * error;
                let hessian = weight * error * (1.0 - error);
                gradients[positive] += GradHess { gradient: -gradient, hessian };
                gradients[negative] += GradHess { gradient, hessian };
            }
        }
        start = end;
    }
}

/// Returns the discount of DCG at a rank. Ranks start at 0.
fn discount(rank: usize) -> f64 {
    1.0 / (rank as f64 + 2.0).log2()
}
