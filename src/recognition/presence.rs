//! Who is here now: one visit a person, however often their track breaks.

use std::time::Duration;

use crate::domain::CustomerId;
use crate::vision::TrackId;

/// The customers in sight.
pub(super) struct Presence {
    here: Vec<Here>,
    /// Who was said not to be here, and when.
    dismissed: Vec<(CustomerId, Duration)>,
    patience: Duration,
}

/// Whoever was taken for a customer and said no is not called by that name again for so long,
/// however often their track breaks.
const DISMISSED: Duration = Duration::from_secs(60);

struct Here {
    customer: CustomerId,
    tracks: Vec<TrackId>,
    seen: Duration,
    /// Whether an arrival was told; who has just enrolled is here without having arrived.
    arrived: bool,
}

impl Presence {
    /// Customers have left when they were not seen for `patience`.
    pub fn new(patience: Duration) -> Self {
        Self { here: Vec::new(), dismissed: Vec::new(), patience }
    }

    /// The face of `track` is `customer`. True when that is news: they have arrived.
    pub fn recognised(&mut self, now: Duration, track: TrackId, customer: CustomerId) -> bool {
        let known = self.here.iter_mut().find(|h| h.customer == customer);
        let news = known.is_none();
        match known {
            Some(here) => here.tracks.push(track),
            None => self.put(now, track, customer, true),
        }
        self.seen(now, track);
        news
    }

    /// `customer` has just enrolled on `track`: here, but nobody is told that they arrived.
    pub fn enrolled(&mut self, now: Duration, track: TrackId, customer: CustomerId) {
        self.remove(customer);
        self.put(now, track, customer, false);
    }

    fn put(&mut self, now: Duration, track: TrackId, customer: CustomerId, arrived: bool) {
        self.here.push(Here { customer, tracks: vec![track], seen: now, arrived });
    }

    /// `track` is in this frame.
    pub fn seen(&mut self, now: Duration, track: TrackId) {
        for here in self.here.iter_mut().filter(|h| h.tracks.contains(&track)) {
            here.seen = now;
        }
    }

    /// Takes out who was not seen for long. Returns those whose arrival was told.
    pub fn overdue(&mut self, now: Duration) -> Vec<CustomerId> {
        let patience = self.patience;
        self.here
            .extract_if(.., |h| now.saturating_sub(h.seen) > patience)
            .filter_map(|h| h.arrived.then_some(h.customer))
            .collect()
    }

    /// Takes out a customer who is not here, whatever their face says for a while.
    pub fn dismiss(&mut self, now: Duration, customer: CustomerId) {
        self.remove(customer);
        self.dismissed.push((customer, now));
    }

    /// Whether it was said of late that `customer` is not here.
    pub fn is_dismissed(&mut self, now: Duration, customer: CustomerId) -> bool {
        self.dismissed.retain(|(_, when)| now.saturating_sub(*when) < DISMISSED);
        self.dismissed.iter().any(|(who, _)| *who == customer)
    }

    /// Takes a customer out.
    pub fn remove(&mut self, customer: CustomerId) {
        self.here.retain(|h| h.customer != customer);
    }

    /// Who the face of `track` is.
    pub fn customer_of(&self, track: TrackId) -> Option<CustomerId> {
        self.here.iter().find(|h| h.tracks.contains(&track)).map(|h| h.customer)
    }

    /// Where the faces of `customer` are.
    pub fn tracks_of(&self, customer: CustomerId) -> Vec<TrackId> {
        self.here.iter().filter(|h| h.customer == customer).flat_map(|h| h.tracks.clone()).collect()
    }

    /// Whether nobody is in sight.
    pub fn is_empty(&self) -> bool {
        self.here.is_empty()
    }

    /// Everyone in sight.
    pub fn customers(&self) -> Vec<CustomerId> {
        self.here.iter().map(|h| h.customer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::{Face, LANDMARKS, Rect, Tracker};

    fn tracks() -> [TrackId; 2] {
        let face = |x| Face {
            bounds: Rect { x, y: 0.0, width: 50.0, height: 50.0 },
            landmarks: [[0.0; 2]; LANDMARKS],
            score: 0.9,
        };
        let faces = vec![face(0.0), face(500.0)];
        let (tracked, _) = Tracker::new(Duration::ZERO).update(Duration::ZERO, faces);
        [tracked[0].track, tracked[1].track]
    }

    const ANNA: CustomerId = CustomerId(uuid::Uuid::from_u128(1));

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_visit_is_one_however_often_the_track_breaks() {
        let [first, second] = tracks();
        let mut presence = Presence::new(s(4));
        assert!(presence.recognised(s(0), first, ANNA));
        presence.seen(s(2), first);
        assert!(presence.overdue(s(5)).is_empty());
        assert!(!presence.recognised(s(5), second, ANNA), "still the same visit");
        assert!(presence.overdue(s(9)).is_empty());
        assert_eq!(presence.overdue(s(10)), [ANNA]);
        assert!(presence.recognised(s(11), second, ANNA), "a new visit");
    }

    #[test]
    fn who_is_not_the_customer_is_not_taken_for_them_again_soon() {
        let [track, _] = tracks();
        let mut presence = Presence::new(s(4));
        assert!(presence.recognised(s(0), track, ANNA));
        assert!(!presence.is_dismissed(s(1), ANNA));
        presence.dismiss(s(1), ANNA);
        assert!(presence.is_empty() && presence.overdue(s(9)).is_empty());
        assert!(presence.is_dismissed(s(60), ANNA));
        assert!(!presence.is_dismissed(s(61), ANNA));
    }

    #[test]
    fn who_just_enrolled_is_here_without_having_arrived() {
        let [track, _] = tracks();
        let mut presence = Presence::new(s(4));
        presence.enrolled(s(0), track, ANNA);
        assert_eq!(presence.customers(), [ANNA]);
        assert!(!presence.recognised(s(1), track, ANNA));
        assert!(presence.overdue(s(6)).is_empty(), "no farewell without an arrival");
        assert!(presence.customers().is_empty());
    }
}
