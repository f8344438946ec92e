//! Candidates of a visit and their features, the input of the ranker.

use super::MIN_BUYERS;
use super::collaborative::collaborative_scores;
use super::customer_features::{CustomerFeatures, ProductHistory, WINDOW_DAYS};
use super::purchase_index::{CustomerIndex, ProductIndex, PurchaseIndex};
use super::time::{DAY_SECONDS, VisitTime, days_between, minute};

/// Number of features of a candidate.
pub(super) const FEATURE_COUNT: usize = 26;

/// Maximum number of candidates that the customer has bought before. The customer has not bought
/// the remaining products for a long time.
const MAX_KNOWN_CANDIDATES: usize = 200;
/// Maximum number of candidates that are new to the customer.
const MAX_NEW_CANDIDATES: usize = 60;
/// Weight of the collaborative score in the base score.
const COLLABORATIVE_WEIGHT: f32 = 0.3;
/// Number of assumed repeated purchases. They stabilise the mean interval of a product with few
/// purchases.
const PRIOR_PURCHASES: f32 = 2.0;
/// Sum of the intervals before the assumed purchases, in days.
const PRIOR_DAYS: f32 = 28.0;
/// Value of a feature that a candidate does not have.
const MISSING: f32 = -1.0;

/// A product that may be in the next basket.
pub(super) struct Candidate {
    pub product: ProductIndex,
    /// Untrained score, above 0. Higher is more likely.
    pub base_score: f32,
}

/// A customer's visit, with the data from which the features of its candidates are computed.
pub(super) struct Visit<'a> {
    index: &'a PurchaseIndex,
    customer: CustomerIndex,
    /// Features of the customer's baskets, which are all older than the visit.
    pub features: &'a CustomerFeatures,
    time: VisitTime,
    /// Collaborative score by product.
    collaborative: Vec<f32>,
    /// Number of the shop's baskets in each of [`WINDOW_DAYS`].
    shop_baskets: [f32; 3],
}

impl<'a> Visit<'a> {
    /// Creates a visit at `time`.
    pub fn new(
        index: &'a PurchaseIndex,
        customer: CustomerIndex,
        features: &'a CustomerFeatures,
        time: VisitTime,
    ) -> Self {
        let today = time.day();
        let shop_baskets =
            WINDOW_DAYS.map(|days| index.basket_count_between(today - days, today).max(1) as f32);
        let collaborative = collaborative_scores(index, customer, &features.counts());
        Self { index, customer, features, time, collaborative, shop_baskets }
    }

    /// Returns the candidates with the highest base scores: known products, then new ones. The
    /// sequence does not depend on product indices.
    pub fn candidates(&self) -> Vec<Candidate> {
        let known = self.features.products.iter().map(|history| history.product);
        let mut candidates = self.best_candidates(known, MAX_KNOWN_CANDIDATES);
        let new = self.collaborative_products().into_iter().filter(|&product| {
            self.features.product(product).is_none() && self.has_enough_buyers(product)
        });
        candidates.append(&mut self.best_candidates(new, MAX_NEW_CANDIDATES));
        candidates
    }

    /// Returns the products with the highest collaborative scores, including known products. The
    /// result has more products than needed, and all products with the same score as its last one.
    fn collaborative_products(&self) -> Vec<ProductIndex> {
        let mut scores: Vec<_> =
            self.collaborative.iter().copied().filter(|score| *score > 0.0).collect();
        let needed = self.features.products.len() + 4 * MAX_NEW_CANDIDATES;
        let threshold = if scores.len() > needed {
            *scores.select_nth_unstable_by(needed, |a, b| b.total_cmp(a)).1
        } else {
            f32::MIN_POSITIVE
        };
        let scored = self.collaborative.iter().zip(0..);
        scored.filter(|(score, _)| **score >= threshold).map(|(_, product)| product).collect()
    }

    fn has_enough_buyers(&self, product: ProductIndex) -> bool {
        let stats = self.index.product(product);
        // The first comparison is enough for most products, without a search in the buyers.
        stats.buyers.len() > MIN_BUYERS
            || stats.other_buyer_count(Some(self.customer)) >= MIN_BUYERS
    }

    fn candidate(&self, product: ProductIndex) -> Candidate {
        let own_score = self
            .features
            .product(product)
            .map_or(0.0, |history| (history.share_by_days[1] + history.share_by_days[2]) / 2.0);
        let base_score = own_score + COLLABORATIVE_WEIGHT * self.collaborative[product as usize];
        Candidate { product, base_score }
    }

    /// Returns the SKU of a candidate.
    pub fn sku(&self, candidate: &Candidate) -> &str {
        &self.index.product(candidate.product).sku
    }

    /// Returns the `limit` best candidates by base score, then SKU.
    fn best_candidates(
        &self,
        products: impl Iterator<Item = ProductIndex>,
        limit: usize,
    ) -> Vec<Candidate> {
        let mut candidates: Vec<_> = products.map(|product| self.candidate(product)).collect();
        let by_rank = |a: &Candidate, b: &Candidate| {
            b.base_score.total_cmp(&a.base_score).then_with(|| self.sku(a).cmp(self.sku(b)))
        };
        if candidates.len() > limit {
            candidates.select_nth_unstable_by(limit, by_rank);
            candidates.truncate(limit);
        }
        candidates.sort_unstable_by(by_rank);
        candidates
    }

    /// Computes the features of a candidate.
    pub fn candidate_features(&self, candidate: &Candidate) -> [f32; FEATURE_COUNT] {
        let product = candidate.product;
        let history = self.features.product(product);
        let others = self.other_customers(product, history);
        let [week, month, season] = others.window_counts;
        // Number of purchases in the days 29 to 120 before the visit, scaled to 28 days.
        let usual_month = (season - month).max(0.0) * 28.0 / 92.0;

        let baskets = self.features.basket_count as f32;
        let visit_interval = self.features.known_days / baskets;
        let own =
            |value: &dyn Fn(&ProductHistory) -> f32, missing: f32| history.map_or(missing, value);
        let days_since = |h: &ProductHistory| days_between(h.last_bought, self.time.second);
        [
            candidate.base_score,
            own(&|h| h.count as f32, 0.0),
            own(&|h| h.count as f32 / baskets, 0.0),
            own(&|h| h.share_by_days[0], 0.0),
            own(&|h| h.share_by_days[1], 0.0),
            own(&|h| h.share_by_days[2], 0.0),
            own(&|h| h.share_by_baskets[0], 0.0),
            own(&|h| h.share_by_baskets[1], 0.0),
            own(&|h| h.recent_share(self.features.basket_count), 0.0),
            own(&|h| (self.features.basket_count - h.last) as f32, MISSING),
            own(&days_since, MISSING),
            // Share of repeated purchases among the baskets since the first purchase.
            own(&|h| (h.count - 1) as f32 / (self.features.basket_count - h.first) as f32, 0.0),
            // Time since the last purchase, in units of the customer's mean interval.
            own(
                &|h| {
                    let span = days_between(h.first_bought, h.last_bought);
                    let interval = (span + others.interval_days) / h.count as f32;
                    days_since(h) / interval.max(0.5)
                },
                MISSING,
            ),
            own(&|h| h.share_by_hour, 0.0),
            own(&|h| h.share_by_weekday, 0.0),
            self.collaborative[product as usize],
            others.buyers / self.index.customer_count() as f32,
            week / self.shop_baskets[0],
            month / self.shop_baskets[1],
            (month + 1.0) / (usual_month + 1.0),
            others.repeats / (others.purchases + 1.0),
            others.interval_days,
            baskets,
            self.features.line_count as f32 / baskets,
            self.features.idle_days / visit_interval.max(0.1),
            self.features.products.len() as f32 / self.features.line_count.max(1) as f32,
        ]
    }

    /// Computes the statistics of a product without the customer's own purchases.
    fn other_customers(
        &self,
        product: ProductIndex,
        history: Option<&ProductHistory>,
    ) -> OtherCustomers {
        let stats = self.index.product(product);
        let (own_count, own_span) = self
            .features
            .product(product)
            .map_or((0, 0), |h| (h.count, h.last_bought - h.first_bought));
        let buyers = stats.other_buyer_count(Some(self.customer)) as f32;
        let purchases = stats.purchases.len() as f32 - own_count as f32;
        let repeats = (purchases - buyers).max(0.0);
        let span_days = (stats.spans - own_span) as f32 / DAY_SECONDS as f32;
        let to = minute(self.time.second);
        let window_counts = std::array::from_fn(|i| {
            let from = minute(self.time.second - WINDOW_DAYS[i] * DAY_SECONDS);
            let own = history.map_or(0, |history| history.window_counts[i]) as usize;
            stats.purchases_between(from, to).len().saturating_sub(own) as f32
        });
        let interval_days = (span_days + PRIOR_DAYS) / (repeats + PRIOR_PURCHASES);
        OtherCustomers { buyers, purchases, repeats, interval_days, window_counts }
    }
}

/// Statistics of a product over all customers except the visiting one.
struct OtherCustomers {
    buyers: f32,
    purchases: f32,
    /// Number of purchases except the first one of each buyer.
    repeats: f32,
    /// Mean days between two purchases of one customer.
    interval_days: f32,
    /// Number of purchases in each of [`WINDOW_DAYS`].
    window_counts: [f32; 3],
}
