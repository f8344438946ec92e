//! Who is here now: one visit a person, however often their track breaks.

use std::time::Duration;

use instored_domain::CustomerId;
use instored_vision::TrackId;

/// The customers in sight.
pub(super) struct Presence {
    here: Vec<Here>,
    patience: Duration,
}

struct Here {
    customer: CustomerId,
    tracks: Vec<TrackId>,
    seen: Duration,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The arrival was told.
    Arrived,
    /// Has just enrolled: is here without having arrived.
    Enrolled,
    /// Whoever stands there is not this customer, or not any more: they are left alone until they
    /// have left, however often their track breaks.
    Dismissed,
}

impl Presence {
    /// Customers have left when they were not seen for `patience`.
    pub fn new(patience: Duration) -> Self {
        Self { here: Vec::new(), patience }
    }

    /// The face of `track` is `customer`. True when that is news: they have arrived.
    pub fn recognised(&mut self, now: Duration, track: TrackId, customer: CustomerId) -> bool {
        let known = self.here.iter_mut().find(|h| h.customer == customer);
        let news = known.is_none();
        match known {
            Some(here) => here.tracks.push(track),
            None => self.put(now, track, customer, Standing::Arrived),
        }
        self.seen(now, track);
        news
    }

    /// `customer` has just enrolled on `track`: here, but nobody is told that they arrived.
    pub fn enrolled(&mut self, now: Duration, track: TrackId, customer: CustomerId) {
        self.here.retain(|h| h.customer != customer);
        self.put(now, track, customer, Standing::Enrolled);
    }

    fn put(&mut self, now: Duration, track: TrackId, customer: CustomerId, standing: Standing) {
        self.here.push(Here { customer, tracks: vec![track], seen: now, standing });
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
            .filter_map(|h| (h.standing == Standing::Arrived).then_some(h.customer))
            .collect()
    }

    /// A customer is not here, whatever the face says that stands there.
    pub fn dismiss(&mut self, customer: CustomerId) {
        for here in self.here.iter_mut().filter(|h| h.customer == customer) {
            here.standing = Standing::Dismissed;
        }
    }

    /// Whether the face of `track` needs no more looking at.
    pub fn is_settled(&self, track: TrackId) -> bool {
        self.here.iter().any(|h| h.tracks.contains(&track))
    }

    /// Whether nobody has to be seen leaving.
    pub fn is_empty(&self) -> bool {
        self.here.is_empty()
    }

    /// Everyone in sight.
    pub fn customers(&self) -> Vec<CustomerId> {
        let present = self.here.iter().filter(|h| h.standing != Standing::Dismissed);
        present.map(|h| h.customer).collect()
    }
}

#[cfg(test)]
mod tests {
    use instored_vision::{Face, LANDMARK_COUNT, Rect, Tracker};

    use super::*;

    fn tracks() -> [TrackId; 2] {
        let face = |x| Face {
            bounds: Rect { x, y: 0.0, width: 50.0, height: 50.0 },
            landmarks: [[0.0; 2]; LANDMARK_COUNT],
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
    fn who_is_not_the_customer_is_left_alone_until_they_have_left() {
        let [first, second] = tracks();
        let mut presence = Presence::new(s(4));
        assert!(presence.recognised(s(0), first, ANNA));
        presence.dismiss(ANNA);
        assert!(presence.customers().is_empty() && presence.is_settled(first));
        assert!(!presence.recognised(s(3), second, ANNA), "their track broke");
        assert!(presence.is_settled(second));
        assert!(presence.overdue(s(8)).is_empty() && presence.is_empty(), "nobody said farewell");
        assert!(presence.recognised(s(9), second, ANNA), "and now it may be Anna");
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
