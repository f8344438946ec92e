//! Visits of the customers in view. A person has one visit, even if their track breaks.

use std::time::Duration;

use instored_domain::{CustomerId, TrackId};

/// The visits in progress.
pub(super) struct Presence {
    visits: Vec<Visit>,
    leave_timeout: Duration,
}

/// A visit of a customer.
struct Visit {
    customer: CustomerId,
    tracks: Vec<TrackId>,
    /// Time of the latest frame with one of the tracks.
    last_in_view: Duration,
    state: VisitState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum VisitState {
    /// The arrival was reported.
    Arrived,
    /// The customer has just enrolled; no arrival was reported.
    Enrolled,
    /// The person is not this customer, or the customer was deleted. Their tracks are ignored until
    /// the visit ends.
    Dismissed,
}

impl Presence {
    /// Creates a presence without visits. A visit ends when the customer is out of view for longer
    /// than `leave_timeout`.
    pub fn new(leave_timeout: Duration) -> Self {
        Self { visits: Vec::new(), leave_timeout }
    }

    /// Assigns `track` to `customer`. Returns true if a new visit starts.
    pub fn add_recognised(&mut self, now: Duration, track: TrackId, customer: CustomerId) -> bool {
        let visit = self.visits.iter_mut().find(|visit| visit.customer == customer);
        let is_new = visit.is_none();
        match visit {
            Some(visit) => visit.tracks.push(track),
            None => self.start_visit(now, track, customer, VisitState::Arrived),
        }
        self.update(now, track);
        is_new
    }

    /// Starts the visit of a customer who has just enrolled on `track`.
    pub fn add_enrolled(&mut self, now: Duration, track: TrackId, customer: CustomerId) {
        self.visits.retain(|visit| visit.customer != customer);
        self.start_visit(now, track, customer, VisitState::Enrolled);
    }

    /// Starts a visit.
    fn start_visit(
        &mut self,
        now: Duration,
        track: TrackId,
        customer: CustomerId,
        state: VisitState,
    ) {
        self.visits.push(Visit { customer, tracks: vec![track], last_in_view: now, state });
    }

    /// Records that `track` is in the frame captured at `now`.
    pub fn update(&mut self, now: Duration, track: TrackId) {
        for visit in self.visits.iter_mut().filter(|visit| visit.tracks.contains(&track)) {
            visit.last_in_view = now;
        }
    }

    /// Ends the visits of customers who are out of view for too long. Returns those customers whose
    /// arrival was reported.
    pub fn end_overdue(&mut self, now: Duration) -> Vec<CustomerId> {
        let timeout = self.leave_timeout;
        self.visits
            .extract_if(.., |visit| now.saturating_sub(visit.last_in_view) > timeout)
            .filter_map(|visit| (visit.state == VisitState::Arrived).then_some(visit.customer))
            .collect()
    }

    /// Dismisses the visit of a customer, because the person is somebody else.
    pub fn dismiss(&mut self, customer: CustomerId) {
        for visit in self.visits.iter_mut().filter(|visit| visit.customer == customer) {
            visit.state = VisitState::Dismissed;
        }
    }

    /// Returns true if `track` belongs to a visit and needs no further recognition.
    pub fn is_resolved(&self, track: TrackId) -> bool {
        self.visits.iter().any(|visit| visit.tracks.contains(&track))
    }

    /// Returns the customer to whose visit `track` belongs. Returns `None` if the visit was dismissed.
    pub fn customer(&self, track: TrackId) -> Option<CustomerId> {
        let visit = self.visits.iter().find(|visit| visit.tracks.contains(&track))?;
        (visit.state != VisitState::Dismissed).then_some(visit.customer)
    }

    /// Returns true if no visit is in progress.
    pub fn is_empty(&self) -> bool {
        self.visits.is_empty()
    }

    /// Returns the customers in view, without dismissed ones.
    pub fn customers(&self) -> Vec<CustomerId> {
        let present = self.visits.iter().filter(|visit| visit.state != VisitState::Dismissed);
        present.map(|visit| visit.customer).collect()
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
    fn broken_track_continues_the_visit() {
        let [first, second] = tracks();
        let mut presence = Presence::new(s(4));
        assert!(presence.add_recognised(s(0), first, ANNA));
        presence.update(s(2), first);
        assert!(presence.end_overdue(s(5)).is_empty());
        assert!(!presence.add_recognised(s(5), second, ANNA), "the same visit");
        assert!(presence.end_overdue(s(9)).is_empty());
        assert_eq!(presence.end_overdue(s(10)), [ANNA]);
        assert!(presence.add_recognised(s(11), second, ANNA), "a new visit");
    }

    #[test]
    fn dismissed_person_is_ignored_until_they_leave() {
        let [first, second] = tracks();
        let mut presence = Presence::new(s(4));
        assert!(presence.add_recognised(s(0), first, ANNA));
        presence.dismiss(ANNA);
        assert!(presence.customers().is_empty() && presence.is_resolved(first));
        assert!(!presence.add_recognised(s(3), second, ANNA), "the track broke");
        assert!(presence.is_resolved(second));
        assert!(presence.end_overdue(s(8)).is_empty() && presence.is_empty(), "no event");
        assert!(presence.add_recognised(s(9), second, ANNA), "a new visit");
    }

    #[test]
    fn enrolled_customer_is_present_without_an_arrival() {
        let [track, _] = tracks();
        let mut presence = Presence::new(s(4));
        presence.add_enrolled(s(0), track, ANNA);
        assert_eq!(presence.customers(), [ANNA]);
        assert!(!presence.add_recognised(s(1), track, ANNA));
        assert!(
            presence.end_overdue(s(6)).is_empty(),
            "a departure follows only a reported arrival"
        );
        assert!(presence.customers().is_empty());
    }
}
