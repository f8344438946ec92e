//! What the views of one track say about who it is.

use std::time::Duration;

use super::Gallery;
use super::gallery::mean;
use crate::domain::{CustomerId, Embedding};

/// From where the evidence is enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Cosine of the mean view to the customer.
    pub threshold: f32,
    /// By how much the first customer has to lead.
    pub margin: f32,
    /// Views before anything is decided.
    pub views: u32,
}

/// The evidence of one track; its embeddings are zeroed when it is dropped.
#[derive(Default)]
pub(super) struct Evidence {
    /// The latest views, at most [`KEPT`]: a face that came nearer is judged by how it looks now.
    recent: Vec<Embedding>,
    views: u32,
    next_look: Duration,
}

/// Views that are kept: beyond these a mean hardly moves.
const KEPT: usize = 8;

/// A face that stays unknown is looked at every time at first, then once a second.
const EAGER_VIEWS: u32 = 12;
const RELAXED_LOOK: Duration = Duration::from_secs(1);

impl Evidence {
    /// Whether another view is wanted now.
    pub fn wants_view(&self, now: Duration) -> bool {
        now >= self.next_look
    }

    /// Adds a view. Returns the customer when that settles it.
    ///
    /// The mean view must reach the threshold and lead by the margin, and most single views must
    /// name the same customer: two people in one broken track do not add up to a third.
    pub fn add(
        &mut self,
        now: Duration,
        view: Embedding,
        gallery: &Gallery,
        rules: &Rules,
    ) -> Option<CustomerId> {
        self.views += 1;
        if self.views >= EAGER_VIEWS {
            self.next_look = now + RELAXED_LOOK;
        }
        if self.recent.len() == KEPT {
            self.recent.remove(0);
        }
        self.recent.push(view);
        if self.views < rules.views {
            return None;
        }
        let ranking = gallery.rank(&mean(&self.recent)?);
        let (customer, cosine) = ranking.first?;
        let leads = ranking.second.is_none_or(|second| cosine - second >= rules.margin);
        let votes = self
            .recent
            .iter()
            .filter(|view| gallery.rank(view).first.is_some_and(|(who, _)| who == customer))
            .count();
        let agreed = votes * 3 >= self.recent.len() * 2;
        (cosine >= rules.threshold && leads && agreed).then_some(customer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { threshold: 0.9, margin: 0.05, views: 3 };

    fn id(n: u128) -> CustomerId {
        CustomerId(uuid::Uuid::from_u128(n))
    }

    fn at(degrees: f32) -> Embedding {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Embedding::normalised(vec![cos, sin]).unwrap()
    }

    fn gallery(degrees: &[f32]) -> Gallery {
        let mut gallery = Gallery::default();
        for (n, degrees) in degrees.iter().enumerate() {
            gallery.admit(id(n as u128), [&at(*degrees)]);
        }
        gallery
    }

    fn decide(gallery: &Gallery, views: &[f32]) -> Option<CustomerId> {
        let mut evidence = Evidence::default();
        let mut seconds = 0..;
        views
            .iter()
            .filter_map(|v| {
                let now = Duration::from_secs(seconds.next().unwrap_or(0));
                evidence.add(now, at(*v), gallery, &RULES)
            })
            .last()
    }

    #[test]
    fn a_customer_is_known_after_enough_views_and_not_before() {
        let gallery = gallery(&[0.0, 90.0]);
        assert_eq!(decide(&gallery, &[5.0, -5.0]), None);
        assert_eq!(decide(&gallery, &[5.0, -5.0, 8.0]), Some(id(0)));
    }

    #[test]
    fn a_stranger_gives_no_answer_however_long_they_stay() {
        assert_eq!(decide(&gallery(&[0.0, 180.0]), &[80.0; 50]), None);
        assert_eq!(decide(&gallery(&[]), &[80.0; 5]), None);
    }

    #[test]
    fn between_two_customers_there_is_no_answer() {
        assert_eq!(decide(&gallery(&[0.0, 10.0]), &[5.0; 20]), None);
    }

    #[test]
    fn views_of_different_people_do_not_add_up_to_a_third() {
        let gallery = gallery(&[0.0, 40.0, -40.0]);
        assert_eq!(decide(&gallery, &[41.0, -41.0, 41.0, -41.0, 41.0, -41.0]), None);
    }

    #[test]
    fn a_face_that_stays_unknown_is_looked_at_less_often() {
        let (mut evidence, gallery) = (Evidence::default(), gallery(&[0.0]));
        let mut looks = 0;
        for tenth in 0..200u64 {
            let now = Duration::from_millis(tenth * 100);
            if evidence.wants_view(now) {
                looks += 1;
                evidence.add(now, at(80.0), &gallery, &RULES);
            }
        }
        assert_eq!(looks, 12 + 18);
    }
}
