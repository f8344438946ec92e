//! Enrolled customers and search for the most similar ones.

use std::collections::HashMap;

use instored_domain::{CustomerId, Embedding};
use instored_kernels::{InstructionSet, QuantizedIndex};

/// The enrolled customers. A probe is compared with the mean of a customer's templates, which gives lower
/// error rates than the best template. A mean takes one byte per value.
pub struct Gallery {
    isa: InstructionSet,
    /// Customer of each position of the index.
    customers: Vec<CustomerId>,
    /// Position of each customer in the index.
    positions: HashMap<CustomerId, usize>,
    means: QuantizedIndex,
}

/// The customers who are most similar to a probe.
#[derive(Clone, Copy, PartialEq, Default)]
pub struct Ranking {
    /// The most similar customer and the cosine.
    pub first: Option<(CustomerId, f32)>,
    /// Cosine of the next customer.
    pub second: Option<f32>,
}

impl Default for Gallery {
    fn default() -> Self {
        Self {
            isa: InstructionSet::detect().unwrap_or(InstructionSet::portable()),
            customers: Vec::new(),
            positions: HashMap::new(),
            means: QuantizedIndex::new(0),
        }
    }
}

impl Gallery {
    /// Adds or replaces a customer. The customer gets no entry if the templates cancel each other
    /// out or have another length than those of the gallery.
    pub fn insert<'a>(
        &mut self,
        customer: CustomerId,
        templates: impl IntoIterator<Item = &'a Embedding>,
    ) {
        self.remove(customer);
        let Some(mean) = mean(templates) else { return };
        if self.is_empty() {
            self.means = QuantizedIndex::new(mean.values().len());
        }
        if self.means.dimension() == mean.values().len() {
            self.means.push(mean.values());
            self.positions.insert(customer, self.customers.len());
            self.customers.push(customer);
        }
    }

    /// Removes a customer.
    pub fn remove(&mut self, customer: CustomerId) {
        let Some(position) = self.positions.remove(&customer) else { return };
        self.means.swap_remove(position);
        self.customers.swap_remove(position);
        if let Some(moved) = self.customers.get(position) {
            self.positions.insert(*moved, position);
        }
    }

    /// Returns the number of customers.
    pub fn len(&self) -> usize {
        self.customers.len()
    }

    /// Returns true if there is no customer.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }

    /// Returns the memory that the means take, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.means.memory_bytes()
    }

    /// Finds the two customers who are most similar to `probe`. The result is exact: a search with
    /// a quantized probe selects all candidates, and the unrounded probe ranks them.
    pub fn rank(&self, probe: &Embedding) -> Ranking {
        let mut ranking = Ranking::default();
        let probe = probe.values();
        if probe.len() != self.means.dimension() {
            return ranking;
        }
        for position in self.means.top2(self.isa, probe) {
            ranking.push(self.customers[position], self.means.dot(position, probe));
        }
        ranking
    }
}

impl Ranking {
    /// Adds a customer with their cosine.
    fn push(&mut self, customer: CustomerId, cosine: f32) {
        match self.first {
            Some((_, best)) if cosine <= best => {
                if self.second.is_none_or(|second| cosine > second) {
                    self.second = Some(cosine);
                }
            }
            first => {
                self.second = first.map(|(_, cosine)| cosine);
                self.first = Some((customer, cosine));
            }
        }
    }
}

/// Returns the normalised mean of embeddings, or `None` if there are no embeddings or they cancel
/// each other out.
pub fn mean<'a>(embeddings: impl IntoIterator<Item = &'a Embedding>) -> Option<Embedding> {
    let mut embeddings = embeddings.into_iter();
    let mut sum = embeddings.next()?.values().to_vec();
    for embedding in embeddings {
        for (sum, value) in sum.iter_mut().zip(embedding.values()) {
            *sum += value;
        }
    }
    Embedding::normalised(sum).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest rounding error of a value of -1 to 1 that is stored in one byte.
    const ROUNDING: f32 = 1.0 / 127.0;

    fn id(n: u128) -> CustomerId {
        CustomerId(uuid::Uuid::from_u128(n))
    }

    /// Returns a unit vector in the plane, at an angle to the x axis.
    fn at(degrees: f32) -> Embedding {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Embedding::normalised(vec![cos, sin]).unwrap()
    }

    #[test]
    fn order_of_enrolment_does_not_change_ranking() {
        for order in [[0, 40, 90], [90, 40, 0], [40, 0, 90], [40, 90, 0]] {
            let mut gallery = Gallery::default();
            for degrees in order {
                gallery.insert(id(degrees), [&at(degrees as f32)]);
            }
            let ranking = gallery.rank(&at(30.0));
            let (customer, first) = ranking.first.unwrap();
            assert_eq!(customer, id(40), "{order:?}");
            assert!((first - 10f32.to_radians().cos()).abs() < ROUNDING);
            assert!((ranking.second.unwrap() - 30f32.to_radians().cos()).abs() < ROUNDING);
        }
    }

    #[test]
    fn probe_is_compared_with_mean_template() {
        let mut gallery = Gallery::default();
        gallery.insert(id(1), &[at(10.0), at(50.0)]);
        assert!((gallery.rank(&at(30.0)).first.unwrap().1 - 1.0).abs() < ROUNDING);
    }

    #[test]
    fn removed_or_replaced_templates_are_not_found() {
        let mut gallery = Gallery::default();
        gallery.insert(id(1), [&at(0.0)]);
        gallery.insert(id(1), [&at(90.0)]);
        assert_eq!(gallery.len(), 1);
        assert!(gallery.rank(&at(0.0)).first.unwrap().1 < 0.1);
        gallery.remove(id(1));
        assert!(gallery.is_empty() && gallery.rank(&at(0.0)).first.is_none());
    }

    fn random_embedding(seed: u64, dimension: usize) -> Embedding {
        let mut random = fastrand::Rng::with_seed(seed);
        let values = (0..dimension).map(|_| random.f32() * 2.0 - 1.0).collect();
        Embedding::normalised(values).unwrap()
    }

    #[test]
    fn ranking_equals_exhaustive_search() {
        for dimension in [3, 128, 641] {
            let mut gallery = Gallery::default();
            for n in 0..500 {
                gallery.insert(id(n), [&random_embedding(n as u64, dimension)]);
            }
            for n in (0..500).step_by(3) {
                gallery.remove(id(n));
            }
            for seed in 1000..1100 {
                let probe = random_embedding(seed, dimension);
                let mut all = Ranking::default();
                for (position, customer) in gallery.customers.iter().enumerate() {
                    all.push(*customer, gallery.means.dot(position, probe.values()));
                }
                let found = gallery.rank(&probe);
                assert!(found == all, "{dimension} values, probe {seed}");
                let mean =
                    mean([&random_embedding(found.first.unwrap().0.0.as_u128() as u64, dimension)]);
                let unrounded = mean.unwrap().cosine(&probe);
                assert!((found.first.unwrap().1 - unrounded).abs() < ROUNDING);
            }
        }
    }

    #[test]
    fn probe_or_template_of_another_length_matches_nobody() {
        let mut gallery = Gallery::default();
        gallery.insert(id(1), [&random_embedding(1, 64)]);
        gallery.insert(id(2), [&random_embedding(2, 32)]);
        assert_eq!(gallery.len(), 1);
        assert!(gallery.rank(&random_embedding(2, 32)).first.is_none());
    }

    #[test]
    fn mean_takes_about_one_byte_per_value() {
        let mut gallery = Gallery::default();
        for n in 0..1024 {
            gallery.insert(id(n), [&random_embedding(n as u64, 128)]);
        }
        assert!(gallery.memory_bytes() * 10 <= 1024 * 128 * 12);
    }
}
