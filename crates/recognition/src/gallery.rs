//! Everyone who opted in, as the embedder sees them.

use std::collections::HashMap;

use instored_domain::{CustomerId, Embedding};
use instored_kernels::{InstructionSet, QuantizedIndex};

/// The enrolled customers. A customer is compared by the mean of their templates, which makes fewer
/// mistakes than the best of them, and which is kept in a byte a value.
pub struct Gallery {
    isa: InstructionSet,
    /// Whose mean lies at each place of the table.
    customers: Vec<CustomerId>,
    places: HashMap<CustomerId, usize>,
    means: QuantizedIndex,
}

/// Whom a probe is most like.
#[derive(Clone, Copy, PartialEq, Default)]
pub struct Ranking {
    /// The most similar customer with their cosine.
    pub first: Option<(CustomerId, f32)>,
    /// Cosine of the next customer.
    pub second: Option<f32>,
}

impl Default for Gallery {
    fn default() -> Self {
        Self {
            isa: InstructionSet::detect().unwrap_or(InstructionSet::portable()),
            customers: Vec::new(),
            places: HashMap::new(),
            means: QuantizedIndex::new(0),
        }
    }
}

impl Gallery {
    /// Puts a customer in, in place of what was there. Templates that cancel each other out, or are
    /// of another length than everybody else's, leave the customer without an entry.
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
            self.places.insert(customer, self.customers.len());
            self.customers.push(customer);
        }
    }

    /// Takes a customer out.
    pub fn remove(&mut self, customer: CustomerId) {
        let Some(place) = self.places.remove(&customer) else { return };
        self.means.swap_remove(place);
        self.customers.swap_remove(place);
        if let Some(moved) = self.customers.get(place) {
            self.places.insert(*moved, place);
        }
    }

    /// Number of customers.
    pub fn len(&self) -> usize {
        self.customers.len()
    }

    /// Whether there is nobody to recognise.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }

    /// Memory that the means take, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.means.memory_bytes()
    }

    /// The customers most like `probe`, exactly: the probe is rounded for a first look at everybody,
    /// and whoever may then be among the first two is compared with the probe as it is.
    pub fn rank(&self, probe: &Embedding) -> Ranking {
        let mut ranking = Ranking::default();
        let probe = probe.values();
        if probe.len() != self.means.dimension() {
            return ranking;
        }
        for place in self.means.top2(self.isa, probe) {
            ranking.meet(self.customers[place], self.means.dot(place, probe));
        }
        ranking
    }
}

impl Ranking {
    fn meet(&mut self, customer: CustomerId, cosine: f32) {
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

/// The direction in which the embeddings point together; `None` when there are none, or they cancel
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

    /// A value of at most 1 in a byte.
    const ROUNDING: f32 = 1.0 / 127.0;

    fn id(n: u128) -> CustomerId {
        CustomerId(uuid::Uuid::from_u128(n))
    }

    fn at(degrees: f32) -> Embedding {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Embedding::normalised(vec![cos, sin]).unwrap()
    }

    #[test]
    fn the_nearest_two_are_found_in_any_order_of_enrolment() {
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
    fn a_customer_is_the_mean_of_their_templates() {
        let mut gallery = Gallery::default();
        gallery.insert(id(1), &[at(10.0), at(50.0)]);
        assert!((gallery.rank(&at(30.0)).first.unwrap().1 - 1.0).abs() < ROUNDING);
    }

    #[test]
    fn who_is_removed_or_enrolled_anew_is_not_found_as_before() {
        let mut gallery = Gallery::default();
        gallery.insert(id(1), [&at(0.0)]);
        gallery.insert(id(1), [&at(90.0)]);
        assert_eq!(gallery.len(), 1);
        assert!(gallery.rank(&at(0.0)).first.unwrap().1 < 0.1);
        gallery.remove(id(1));
        assert!(gallery.is_empty() && gallery.rank(&at(0.0)).first.is_none());
    }

    fn noise(seed: u64, dimension: usize) -> Embedding {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        Embedding::normalised((0..dimension).map(|_| next()).collect()).unwrap()
    }

    #[test]
    fn the_first_look_loses_nobody_who_is_among_the_first_two() {
        for dimension in [3, 128, 641] {
            let mut gallery = Gallery::default();
            for n in 0..500 {
                gallery.insert(id(n), [&noise(n as u64, dimension)]);
            }
            for n in (0..500).step_by(3) {
                gallery.remove(id(n));
            }
            for seed in 1000..1100 {
                let probe = noise(seed, dimension);
                let mut all = Ranking::default();
                for (place, customer) in gallery.customers.iter().enumerate() {
                    all.meet(*customer, gallery.means.dot(place, probe.values()));
                }
                let found = gallery.rank(&probe);
                assert!(found == all, "{dimension} values, probe {seed}");
                let mean = mean([&noise(found.first.unwrap().0.0.as_u128() as u64, dimension)]);
                let unrounded = mean.unwrap().cosine(&probe);
                assert!((found.first.unwrap().1 - unrounded).abs() < ROUNDING);
            }
        }
    }

    #[test]
    fn a_probe_or_a_template_of_another_length_is_like_nobody() {
        let mut gallery = Gallery::default();
        gallery.insert(id(1), [&noise(1, 64)]);
        gallery.insert(id(2), [&noise(2, 32)]);
        assert_eq!(gallery.len(), 1);
        assert!(gallery.rank(&noise(2, 32)).first.is_none());
    }

    #[test]
    fn a_mean_takes_little_more_than_a_byte_a_value() {
        let mut gallery = Gallery::default();
        for n in 0..1024 {
            gallery.insert(id(n), [&noise(n as u64, 128)]);
        }
        assert!(gallery.memory_bytes() * 10 <= 1024 * 128 * 12);
    }
}
