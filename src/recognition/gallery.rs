//! Everyone who opted in, as the embedder sees them.

use crate::domain::{CustomerId, Embedding};

/// The enrolled customers. A customer is compared by the mean of their templates, which makes fewer
/// mistakes than the best of them.
#[derive(Default)]
pub struct Gallery {
    entries: Vec<Entry>,
}

struct Entry {
    customer: CustomerId,
    mean: Embedding,
}

/// Whom a probe is most like.
#[derive(Clone, Copy, PartialEq, Default)]
pub struct Ranking {
    /// The most similar customer with their cosine.
    pub first: Option<(CustomerId, f32)>,
    /// Cosine of the next customer.
    pub second: Option<f32>,
}

impl Gallery {
    /// Puts a customer in, in place of what was there. Templates that cancel each other out leave
    /// the customer without an entry.
    pub fn admit<'a>(
        &mut self,
        customer: CustomerId,
        templates: impl IntoIterator<Item = &'a Embedding>,
    ) {
        self.remove(customer);
        if let Some(mean) = mean(templates) {
            self.entries.push(Entry { customer, mean });
        }
    }

    /// Takes a customer out.
    pub fn remove(&mut self, customer: CustomerId) {
        self.entries.retain(|e| e.customer != customer);
    }

    /// Number of customers.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nobody to recognise.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The customers most like `probe`.
    pub fn rank(&self, probe: &Embedding) -> Ranking {
        let mut ranking = Ranking::default();
        for entry in &self.entries {
            let cosine = entry.mean.cosine(probe);
            match ranking.first {
                Some((_, best)) if cosine <= best => {
                    if ranking.second.is_none_or(|second| cosine > second) {
                        ranking.second = Some(cosine);
                    }
                }
                first => {
                    ranking.second = first.map(|(_, cosine)| cosine);
                    ranking.first = Some((entry.customer, cosine));
                }
            }
        }
        ranking
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
                gallery.admit(id(degrees), [&at(degrees as f32)]);
            }
            let ranking = gallery.rank(&at(30.0));
            let (customer, first) = ranking.first.unwrap();
            assert_eq!(customer, id(40), "{order:?}");
            assert!((first - 10f32.to_radians().cos()).abs() < 1e-5);
            assert!((ranking.second.unwrap() - 30f32.to_radians().cos()).abs() < 1e-5);
        }
    }

    #[test]
    fn a_customer_is_the_mean_of_their_templates() {
        let mut gallery = Gallery::default();
        gallery.admit(id(1), &[at(10.0), at(50.0)]);
        assert!((gallery.rank(&at(30.0)).first.unwrap().1 - 1.0).abs() < 1e-5);
    }

    #[test]
    fn who_is_removed_or_enrolled_anew_is_not_found_as_before() {
        let mut gallery = Gallery::default();
        gallery.admit(id(1), [&at(0.0)]);
        gallery.admit(id(1), [&at(90.0)]);
        assert_eq!(gallery.len(), 1);
        assert!(gallery.rank(&at(0.0)).first.unwrap().1 < 0.1);
        gallery.remove(id(1));
        assert!(gallery.is_empty() && gallery.rank(&at(0.0)).first.is_none());
    }
}
