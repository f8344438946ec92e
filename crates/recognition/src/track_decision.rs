//! What the views of one track say about who it is: a sequential test, which answers as soon as the
//! evidence suffices.

use std::time::Duration;

use instored_domain::{CustomerId, Embedding};
use zeroize::Zeroizing;

use super::Gallery;

/// From where the evidence is enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Cosine of the mean view to the customer, for each of the [`STAGES`].
    pub thresholds: [f32; STAGES.len()],
    /// By how much the first customer has to lead.
    pub margin: f32,
    /// Views before anything is decided.
    pub views: u32,
}

/// A test that may stop at any view is many tests, and each could go wrong. So each stage may use up
/// only its share of the wanted rate of strangers greeted (alpha spending; Lan and DeMets, "Discrete
/// sequential boundaries for clinical trials", 1983): the views from which it begins, and its
/// share; the shares add up to 1. The mean of a stage's views hardly moves, so that a stage counts
/// as one test.
pub(super) const STAGES: [(u32, f64); 4] = [(1, 0.125), (2, 0.125), (4, 0.25), (8, 0.5)];

/// The evidence of one track; what it adds up is zeroed when it is dropped.
#[derive(Default)]
pub(super) struct TrackDecision {
    /// Sum of all views, each a unit vector.
    sum: Zeroizing<Vec<f32>>,
    views: u32,
    /// Who was the nearest customer, and how often.
    votes: Vec<(CustomerId, u32)>,
    next_look: Duration,
}

/// A face that stays unknown is looked at every time at first, then once a second.
const EAGER_VIEWS: u32 = 12;
const RELAXED_LOOK: Duration = Duration::from_secs(1);

impl TrackDecision {
    /// Whether another view is wanted now.
    pub fn wants_view(&self, now: Duration) -> bool {
        now >= self.next_look
    }

    /// Adds a view. Returns the customer when that settles it.
    ///
    /// The mean view must reach the stage's threshold and lead by the margin, and most single views
    /// must name the same customer: two people in one track do not add up to a third.
    pub fn add(
        &mut self,
        now: Duration,
        view: &Embedding,
        gallery: &Gallery,
        rules: &Rules,
    ) -> Option<CustomerId> {
        self.views += 1;
        if self.views >= EAGER_VIEWS {
            self.next_look = now + RELAXED_LOOK;
        }
        self.sum.resize(view.values().len(), 0.0);
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
        let leads = ranking.second.is_none_or(|second| cosine - second >= rules.margin);
        let votes = self.votes.iter().find(|(who, _)| *who == customer).map_or(0, |(_, n)| *n);
        let agreed = votes * 3 >= self.views * 2;
        (cosine >= self.threshold(rules) && leads && agreed).then_some(customer)
    }

    fn vote(&mut self, customer: CustomerId) {
        match self.votes.iter_mut().find(|(who, _)| *who == customer) {
            Some((_, votes)) => *votes += 1,
            None => self.votes.push((customer, 1)),
        }
    }

    fn threshold(&self, rules: &Rules) -> f32 {
        let stages = STAGES.iter().zip(rules.thresholds);
        stages.take_while(|((from, _), _)| self.views >= *from).last().map_or(1.0, |(_, t)| t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cosines of 12, 18, 25 and 32 degrees.
    const RULES: Rules = Rules { thresholds: [0.978, 0.951, 0.906, 0.848], margin: 0.05, views: 2 };

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
            gallery.insert(id(n as u128), [&at(*degrees)]);
        }
        gallery
    }

    /// Who it is, and after how many views.
    fn decide(gallery: &Gallery, views: &[f32]) -> Option<(CustomerId, usize)> {
        let mut evidence = TrackDecision::default();
        views.iter().enumerate().find_map(|(n, view)| {
            let now = Duration::from_secs(n as u64);
            Some((evidence.add(now, &at(*view), gallery, &RULES)?, n + 1))
        })
    }

    #[test]
    fn the_clearer_the_face_the_sooner_the_answer() {
        let gallery = gallery(&[0.0, 90.0]);
        assert_eq!(decide(&gallery, &[2.0]), None, "never on one view");
        for (degrees, views) in [(5.0, 2), (15.0, 2), (22.0, 4), (30.0, 8)] {
            assert_eq!(decide(&gallery, &[degrees; 30]), Some((id(0), views)), "{degrees}");
        }
    }

    #[test]
    fn the_shares_of_the_stages_add_up_to_the_whole() {
        assert!((STAGES.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(STAGES.is_sorted_by_key(|(from, _)| *from));
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
        let (mut evidence, gallery) = (TrackDecision::default(), gallery(&[0.0]));
        let mut looks = 0;
        for tenth in 0..200u64 {
            let now = Duration::from_millis(tenth * 100);
            if evidence.wants_view(now) {
                looks += 1;
                evidence.add(now, &at(90.0), &gallery, &RULES);
            }
        }
        assert!((25..40).contains(&looks), "{looks} looks in 20 s");
    }
}
