//! Next-basket recommendation on the purchases of a shop: the shipped recommender and the methods of
//! the literature.

mod baselines;
mod measures;
mod purchases;
mod report;
mod shipped;
mod split;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

pub use measures::{CUTOFFS, MEASURES, Means};
pub use purchases::Purchases;
pub use split::Protocol;

use baselines::{TifuKnn, UpCf, frequency, most_popular, popularity};
use measures::values;
use shipped::ShippedRecommender;
use split::Split;

use super::{EvaluateError, Progress};

/// Length of a ranking: the largest cutoff.
const RANKING_LENGTH: usize = CUTOFFS[CUTOFFS.len() - 1];

/// Results of all methods.
#[derive(Serialize)]
pub struct Results {
    /// Description of the data.
    pub data: Data,
    /// Methods, each serialised as a field with its name. The shipped recommender, `instored`, is the
    /// last.
    #[serde(flatten, serialize_with = "serialize_by_name")]
    pub methods: Vec<Method>,
}

/// Description of the data.
#[derive(Serialize)]
pub struct Data {
    /// Selection of the baskets.
    pub protocol: Protocol,
    /// Number of customers. One basket of each customer is predicted.
    pub customers: usize,
    /// Number of products.
    pub products: usize,
    /// Number of baskets in the histories.
    pub baskets: usize,
    /// Number of invalid lines of the file.
    #[serde(rename = "refused_lines")]
    pub rejected_lines: usize,
}

/// Results of one method.
pub struct Method {
    /// Name in results, such as `most_popular`.
    pub name: &'static str,
    /// Means on whole baskets.
    pub all: Means,
    /// Means on the products that the customer had bought before.
    pub repeat: Means,
    /// Means on the products that are new to the customer.
    pub explore: Means,
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.all.write(&mut map)?;
        map.serialize_entry("repeat", &self.repeat)?;
        map.serialize_entry("explore", &self.explore)?;
        map.end()
    }
}

/// Serialises methods as a map by their names.
fn serialize_by_name<S: Serializer>(methods: &[Method], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(methods.iter().map(|method| (method.name, method)))
}

/// Measures all methods.
///
/// # Errors
/// If no customer has enough baskets.
pub fn evaluate(purchases: &Purchases, protocol: &Protocol) -> Result<Results, EvaluateError> {
    let split = Split::new(purchases, protocol);
    if split.trials.is_empty() {
        return Err(EvaluateError::NotEnoughData(format!(
            "no customer has at least {} baskets of products that occur in at least {} baskets",
            protocol.min_baskets, protocol.min_product_baskets
        )));
    }
    let baskets = split.trials.iter().map(|trial| trial.history.len()).sum();
    let data = Data {
        protocol: *protocol,
        customers: split.trials.len(),
        products: split.products.len(),
        baskets,
        rejected_lines: purchases.rejected.len(),
    };
    Ok(Results { data, methods: methods(&split, purchases) })
}

/// Measures the baselines and the shipped recommender.
fn methods(split: &Split, purchases: &Purchases) -> Vec<Method> {
    let popularity = popularity(split);
    let history = |customer: usize| split.trials[customer].history.as_slice();
    let most_popular = most_popular(&popularity, RANKING_LENGTH);
    vec![
        measure(split, "most_popular", |_| most_popular.clone()),
        measure(split, "personal_frequency", |customer| {
            frequency(history(customer), usize::MAX, &popularity, RANKING_LENGTH)
        }),
        measure(split, "personal_frequency_25", |customer| {
            frequency(history(customer), 25, &popularity, RANKING_LENGTH)
        }),
        {
            let up_cf = UpCf::new(split);
            measure(split, "up_cf", |customer| up_cf.rank(customer, &popularity, RANKING_LENGTH))
        },
        {
            let tifu_knn = TifuKnn::new(split);
            measure(split, "tifu_knn", |customer| {
                tifu_knn.rank(customer, &popularity, RANKING_LENGTH)
            })
        },
        {
            let shipped = ShippedRecommender::new(split, purchases);
            measure(split, "instored", |customer| shipped.rank(customer, RANKING_LENGTH))
        },
    ]
}

/// Measures one method. `rank` returns the ranking for the customer at an index.
fn measure(split: &Split, name: &'static str, rank: impl Fn(usize) -> Vec<u32>) -> Method {
    let progress = Progress::new(name, split.trials.len());
    let (mut all, mut repeat, mut explore) = (Vec::new(), Vec::new(), Vec::new());
    for (customer, trial) in split.trials.iter().enumerate() {
        let ranking = rank(customer);
        let mut known: Vec<u32> =
            trial.history.iter().flat_map(|basket| basket.products.iter().copied()).collect();
        known.sort_unstable();
        let (repeated, new): (Vec<u32>, Vec<u32>) =
            trial.target.products.iter().partition(|product| known.binary_search(product).is_ok());
        for (list, positives) in
            [(&mut all, &trial.target.products), (&mut repeat, &repeated), (&mut explore, &new)]
        {
            let is_positive = |product| positives.binary_search(&product).is_ok();
            list.extend(values(&ranking, is_positive, positives.len()));
        }
        progress.advance();
    }
    Method {
        name,
        all: Means::new(&all),
        repeat: Means::new(&repeat),
        explore: Means::new(&explore),
    }
}
