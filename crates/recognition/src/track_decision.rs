//! Decision over the views of one track: a sequential test that ends as soon as the evidence suffices.

use std::time::Duration;

use instored_domain::{CustomerId, Embedding};
use zeroize::Zeroizing;

use crate::Gallery;

/// Limits of the decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Lowest cosine between the mean view and the customer, for each of the [`STAGES`].
    pub thresholds: [f32; STAGES.len()],
    /// Lowest lead in cosine that the first customer needs over the second.
    pub margin: f32,
    /// Lowest number of views for a decision.
    pub views: u32,
}

/// First view and share of the target FPIR of each stage.
///
/// A test that may end after any view is a series of tests, and each of them can produce a false
/// positive. Each stage therefore spends only a share of the target FPIR (alpha spending; Lan and
/// DeMets, "Discrete sequential boundaries for clinical trials", 1983). The shares add up to 1. The
/// mean of the views hardly changes within a stage, so that a stage counts as one test.
pub(super) const STAGES: [(u32, f64); 4] = [(1, 0.125), (2, 0.125), (4, 0.25), (8, 0.5)];

/// Evidence of one track. The sum of its embeddings is zeroed when it is dropped.
#[derive(Default)]
pub(super) struct TrackDecision {
    /// Sum of all views, each of them a unit vector.
    sum: Zeroizing<Vec<f32>>,
    views: u32,
    /// Number of views to which each customer was the most similar one.
    votes: Vec<(CustomerId, u32)>,
    /// Earliest time of the next view.
    next_view: Duration,
}

/// Number of views after which an unknown face is embedded less often.
const FREQUENT_VIEWS: u32 = 12;
/// Time between two views after the first [`FREQUENT_VIEWS`] views.
const RARE_VIEW_INTERVAL: Duration = Duration::from_secs(1);

impl TrackDecision {
    /// Returns true if another view is due.
    pub fn is_view_due(&self, now: Duration) -> bool {
        now >= self.next_view
    }

    /// Adds a view. Returns the customer if the track is identified.
    ///
    /// The mean view must reach the threshold of the stage and the margin, and two thirds of the
    /// single views must have this customer as the most similar one. Without this vote, the mean of
    /// the views of two people in one track could match a third person.
    pub fn add(
        &mut self,
        now: Duration,
        view: &Embedding,
        gallery: &Gallery,
        rules: &Rules,
    ) -> Option<CustomerId> {
        self.views += 1;
        if self.views >= FREQUENT_VIEWS {
            self.next_view = now + RARE_VIEW_INTERVAL;
        }
        if self.sum.is_empty() {
            self.sum = Zeroizing::new(vec![0.0; view.values().len()]);
        }
        for (sum, value) in self.sum.iter_mut().zip(view.values()) {
            *sum += value;
        }
        self.vote(gallery.rank(view).first?.0);
        if self.views < rules.views {
            return None;
        }
        let mean = Embedding::normalised(self.sum.to_vec()).ok()?;
        let ranking = gallery.rank(&mean);
        let (customer, cosine) = ranking.first?;
        let is_unambiguous = ranking.second.is_none_or(|second| cosine - second >= rules.margin);
        let votes = self.votes.iter().find(|(voted, _)| *voted == customer).map_or(0, |(_, n)| *n);
        let is_agreed = votes * 3 >= self.views * 2;
        (cosine >= self.threshold(rules) && is_unambiguous && is_agreed).then_some(customer)
    }

    /// Counts a view whose most similar customer is `customer`.
    fn vote(&mut self, customer: CustomerId) {
        match self.votes.iter_mut().find(|(voted, _)| *voted == customer) {
            Some((_, votes)) => *votes += 1,
            None => self.votes.push((customer, 1)),
        }
    }

    /// Returns the threshold of the current stage.
    fn threshold(&self, rules: &Rules) -> f32 {
        let stages = STAGES.iter().zip(rules.thresholds);
        stages
            .take_while(|((first_view, _), _)| self.views >= *first_view)
            .last()
            .map_or(1.0, |(_, t)| t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules with the cosines of 12, 18, 25 and 32 degrees as thresholds.
    const RULES: Rules = Rules { thresholds: [0.978, 0.951, 0.906, 0.848], margin: 0.05, views: 2 };

    fn id(n: u128) -> CustomerId {
        CustomerId(uuid::Uuid::from_u128(n))
    }

    /// Returns a unit vector in the plane, at an angle to the x axis.
    fn at(degrees: f32) -> Embedding {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Embedding::normalised(vec![cos, sin]).unwrap()
    }

    fn gallery(degrees: &[f32]) -> Gallery {
        let mut gallery = Gallery::default();
        for (n, degrees) in degrees.iter().enumerate() {
            gallery.insert(id(n as u128), [&at(*degrees)]);
        }
        gallery
    }

    /// Returns the customer, and the number of views after which the decision was made.
    fn decide(gallery: &Gallery, views: &[f32]) -> Option<(CustomerId, usize)> {
        let mut decision = TrackDecision::default();
        views.iter().enumerate().find_map(|(n, view)| {
            let now = Duration::from_secs(n as u64);
            Some((decision.add(now, &at(*view), gallery, &RULES)?, n + 1))
        })
    }

    #[test]
    fn more_similar_face_is_decided_earlier() {
        let gallery = gallery(&[0.0, 90.0]);
        assert_eq!(decide(&gallery, &[2.0]), None, "one view is not enough");
        for (degrees, views) in [(5.0, 2), (15.0, 2), (22.0, 4), (30.0, 8)] {
            assert_eq!(decide(&gallery, &[degrees; 30]), Some((id(0), views)), "{degrees}");
        }
    }

    #[test]
    fn stage_shares_add_up_to_one() {
        assert!((STAGES.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(STAGES.is_sorted_by_key(|(first_view, _)| *first_view));
    }

    #[test]
    fn stranger_is_never_decided() {
        assert_eq!(decide(&gallery(&[0.0, 180.0]), &[80.0; 50]), None);
        assert_eq!(decide(&gallery(&[]), &[80.0; 5]), None);
    }

    #[test]
    fn face_between_two_customers_is_not_decided() {
        assert_eq!(decide(&gallery(&[0.0, 10.0]), &[5.0; 20]), None);
    }

    #[test]
    fn views_of_two_people_do_not_add_up_to_a_third() {
        let gallery = gallery(&[0.0, 40.0, -40.0]);
        assert_eq!(decide(&gallery, &[41.0, -41.0, 41.0, -41.0, 41.0, -41.0]), None);
    }

    #[test]
    fn unknown_face_is_embedded_less_often() {
        let (mut decision, gallery) = (TrackDecision::default(), gallery(&[0.0]));
        let mut views = 0;
        for frame in 0..200u64 {
            let now = Duration::from_millis(frame * 100);
            if decision.is_view_due(now) {
                views += 1;
                decision.add(now, &at(90.0), &gallery, &RULES);
            }
        }
        assert!((25..40).contains(&views), "{views} views in 20 s");
    }
}
