//! How well next baskets are foretold, on a shop's own purchases: the shipped recommender beside
//! the methods of the literature.

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
use measures::figures;
use shipped::Shipped;
use split::Split;

use super::{EvaluateError, Progress};

/// The most products that are asked for.
const LIMIT: usize = CUTOFFS[CUTOFFS.len() - 1];

/// What was measured.
#[derive(Serialize)]
pub struct Results {
    /// On what.
    pub data: Data,
    /// A section a method, under its name; the shipped one, `instored`, is the last.
    #[serde(flatten, serialize_with = "by_name")]
    pub methods: Vec<Method>,
}

/// What was measured on.
#[derive(Serialize)]
pub struct Data {
    /// How baskets were chosen.
    pub protocol: Protocol,
    /// Customers, a basket to foretell each.
    pub customers: usize,
    /// Products.
    pub products: usize,
    /// Baskets that were known.
    pub baskets: usize,
    /// Lines of the file that were not understood.
    pub refused_lines: usize,
}

/// How well one method does.
pub struct Method {
    /// Its name, as a key: `most_popular`.
    pub name: &'static str,
    /// On the whole basket.
    pub all: Means,
    /// On the products of it that the customer had bought before.
    pub repeat: Means,
    /// On those that they had not.
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

fn by_name<S: Serializer>(methods: &[Method], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(methods.iter().map(|method| (method.name, method)))
}

/// Measures all methods.
///
/// # Errors
/// When no customer has enough baskets.
pub fn evaluate(purchases: &Purchases, protocol: &Protocol) -> Result<Results, EvaluateError> {
    let split = Split::new(purchases, protocol);
    if split.trials.is_empty() {
        return Err(EvaluateError::TooLittle(format!(
            "no customer has {} baskets of products that are in {} baskets",
            protocol.min_baskets, protocol.min_product_baskets
        )));
    }
    let popularity = popularity(&split);
    let history = |customer: usize| split.trials[customer].history.as_slice();
    let favourites = most_popular(&popularity, LIMIT);
    let methods = vec![
        measure(&split, "most_popular", |_| favourites.clone()),
        measure(&split, "personal_frequency", |customer| {
            frequency(history(customer), usize::MAX, &popularity, LIMIT)
        }),
        measure(&split, "personal_frequency_25", |customer| {
            frequency(history(customer), 25, &popularity, LIMIT)
        }),
        {
            let up_cf = UpCf::new(&split);
            measure(&split, "up_cf", |customer| up_cf.rank(customer, &popularity, LIMIT))
        },
        {
            let tifu_knn = TifuKnn::new(&split);
            measure(&split, "tifu_knn", |customer| tifu_knn.rank(customer, &popularity, LIMIT))
        },
        {
            let shipped = Shipped::new(&split, purchases);
            measure(&split, "instored", |customer| shipped.rank(customer, LIMIT))
        },
    ];
    let baskets = split.trials.iter().map(|trial| trial.history.len()).sum();
    let data = Data {
        protocol: *protocol,
        customers: split.trials.len(),
        products: split.products.len(),
        baskets,
        refused_lines: purchases.refused.len(),
    };
    Ok(Results { data, methods })
}

/// Measures one method, which ranks the products for a customer.
fn measure(split: &Split, name: &'static str, rank: impl Fn(usize) -> Vec<u32>) -> Method {
    let progress = Progress::new(name, split.trials.len());
    let (mut all, mut repeat, mut explore) = (Vec::new(), Vec::new(), Vec::new());
    for (customer, trial) in split.trials.iter().enumerate() {
        let ranking = rank(customer);
        let mut known: Vec<u32> =
            trial.history.iter().flat_map(|basket| basket.products.iter().copied()).collect();
        known.sort_unstable();
        let (old, new): (Vec<u32>, Vec<u32>) =
            trial.next.products.iter().partition(|product| known.binary_search(product).is_ok());
        for (list, wanted) in
            [(&mut all, &trial.next.products), (&mut repeat, &old), (&mut explore, &new)]
        {
            let is_wanted = |product| wanted.binary_search(&product).is_ok();
            list.extend(figures(&ranking, is_wanted, wanted.len()));
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
