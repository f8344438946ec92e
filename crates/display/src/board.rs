//! The situation at the entrance, as far as a display knows it.

use std::collections::HashMap;

use instored_domain::{
    CameraState, CustomerId, EnrolmentEvent, EnrolmentStep, ListEvent, ListItem, VisitEvent,
    VisitKind,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Shown;

/// How long the end of an enrolment stays, whatever its expiry says: long enough to be read by one
/// person, and the claim code to be noted, but not to be read by the next.
const READING: SignedDuration = SignedDuration::from_secs(8);
const NOTING: SignedDuration = SignedDuration::from_secs(20);

/// What is known now. Pure: time comes in from above.
#[derive(Clone, Debug)]
pub(super) struct Board {
    guests: Vec<VisitEvent>,
    lists: HashMap<CustomerId, ListEvent>,
    enrolment: Option<EnrolmentEvent>,
    camera: Option<CameraState>,
    online: bool,
    link: bool,
}

/// What the shop has set for its page.
#[derive(Debug, Serialize)]
pub(super) struct Shop {
    pub title: String,
    pub language: Option<String>,
    pub curtain: bool,
}

/// Who is here, with what is on their list.
#[derive(Debug, Serialize)]
pub(super) struct Guest<'a> {
    #[serde(flatten)]
    pub visit: &'a VisitEvent,
    pub list: &'a [ListItem],
}

/// What the page is sent.
#[derive(Debug, Serialize)]
pub(super) struct Situation<'a> {
    #[serde(flatten)]
    pub shop: &'a Shop,
    /// The server's clock, so that the page can tell expiry by its own.
    pub now: Timestamp,
    /// Who is here, in the order in which they came.
    pub guests: Vec<Guest<'a>>,
    pub enrolment: Option<&'a EnrolmentEvent>,
    pub camera: Option<CameraState>,
    pub online: bool,
    pub link: bool,
}

impl Default for Board {
    /// Nobody is here, and no trouble is known.
    fn default() -> Self {
        Self {
            guests: vec![],
            lists: HashMap::new(),
            enrolment: None,
            camera: None,
            online: true,
            link: true,
        }
    }
}

impl Board {
    /// Takes in what happened.
    pub fn apply(&mut self, shown: Shown, now: Timestamp) {
        self.forget_expired(now);
        match shown {
            Shown::Visit(visit) => self.visit(visit, now),
            Shown::Enrolment(event) => self.enrolment(event, now),
            Shown::List(list) => {
                self.lists.insert(list.list.customer, list);
            }
            Shown::State(state) => self.camera = Some(state.camera),
            Shown::Online(online) => self.online = online,
            Shown::Link(link) => self.link = link,
        }
    }

    /// Forgets whoever and whatever has expired.
    pub fn forget_expired(&mut self, now: Timestamp) {
        self.guests.retain(|guest| guest.expires > now);
        self.lists.retain(|_, list| list.expires > now);
        self.enrolment.take_if(|event| event.expires <= now);
    }

    /// When the next thing expires.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let guests = self.guests.iter().map(|guest| guest.expires);
        guests.chain(self.enrolment.iter().map(|event| event.expires)).min()
    }

    /// Whether a customer is shown at `now`.
    pub fn shows(&self, customer: CustomerId, now: Timestamp) -> bool {
        self.guests.iter().any(|guest| guest.customer.id == customer && guest.expires > now)
    }

    /// What the page is told at `now`.
    pub fn situation<'a>(&'a self, shop: &'a Shop, now: Timestamp) -> Situation<'a> {
        let list = |customer| {
            let list = self.lists.get(customer).filter(|list| list.expires > now);
            list.map_or(&[][..], |list| &list.list.items)
        };
        let guests = self.guests.iter().filter(|guest| guest.expires > now);
        Situation {
            shop,
            now,
            guests: guests.map(|visit| Guest { visit, list: list(&visit.customer.id) }).collect(),
            enrolment: self.enrolment.as_ref().filter(|event| event.expires > now),
            camera: self.camera,
            online: self.online,
            link: self.link,
        }
    }

    fn visit(&mut self, visit: VisitEvent, now: Timestamp) {
        let place = self.guests.iter().position(|guest| guest.customer.id == visit.customer.id);
        match (visit.event, place) {
            (VisitKind::Left, _) => self.dismiss(visit.customer.id),
            _ if visit.expires <= now => {}
            (VisitKind::Arrived | VisitKind::Changed, Some(place)) => self.guests[place] = visit,
            // Of somebody who is not shown: they were dismissed, or came before this display.
            (VisitKind::Changed, None) => {}
            (VisitKind::Arrived, None) => {
                self.guests.push(visit);
                // Whoever enrolled has made room for the next.
                self.enrolment.take_if(|event| ending(&event.step).is_some());
            }
        }
    }

    fn enrolment(&mut self, mut event: EnrolmentEvent, now: Timestamp) {
        if let EnrolmentStep::Withdrawn { customer } = event.step {
            self.dismiss(customer);
        }
        if let Some(stays) = ending(&event.step) {
            event.expires = event.expires.min(now.saturating_add(stays).unwrap_or(event.expires));
        }
        // An old step must not outlive the news that it is over, even if that comes late.
        self.enrolment = Some(event).filter(|event| event.expires > now);
    }

    fn dismiss(&mut self, customer: CustomerId) {
        self.guests.retain(|guest| guest.customer.id != customer);
        self.lists.remove(&customer);
    }
}

/// How long a step stays that ends an enrolment; `None`: it goes on.
fn ending(step: &EnrolmentStep) -> Option<SignedDuration> {
    match step {
        EnrolmentStep::Started | EnrolmentStep::LookHere | EnrolmentStep::Captured { .. } => None,
        EnrolmentStep::Done { .. } => Some(NOTING),
        EnrolmentStep::Offered | EnrolmentStep::Failed { .. } | EnrolmentStep::Withdrawn { .. } => {
            Some(READING)
        }
    }
}

#[cfg(test)]
mod tests {
    use instored_domain::{CustomerRef, EventId};
    use uuid::Uuid;

    use super::*;

    static SHOP: Shop = Shop { title: String::new(), language: None, curtain: false };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn visit(customer: u128, event: VisitKind, expires: i64) -> Shown {
        Shown::Visit(VisitEvent {
            id: EventId(Uuid::from_u128(1)),
            event,
            customer: CustomerRef { id: CustomerId(Uuid::from_u128(customer)), name: None },
            visits: 1,
            orders: vec![],
            recommendations: vec![],
            issued: at(0),
            expires: at(expires),
        })
    }

    fn step(step: EnrolmentStep, expires: i64) -> Shown {
        let id = EventId(Uuid::from_u128(2));
        Shown::Enrolment(EnrolmentEvent { id, step, issued: at(0), expires: at(expires) })
    }

    fn here(board: &Board, now: i64) -> Vec<u128> {
        let situation = board.situation(&SHOP, at(now));
        situation.guests.iter().map(|guest| guest.visit.customer.id.0.as_u128()).collect()
    }

    #[test]
    fn guests_stay_until_they_leave_or_expire_and_are_there_once() {
        let mut board = Board::default();
        board.apply(visit(1, VisitKind::Arrived, 100), at(0));
        board.apply(visit(2, VisitKind::Arrived, 50), at(1));
        board.apply(visit(1, VisitKind::Arrived, 120), at(2));
        assert_eq!(here(&board, 3), [1, 2]);
        assert_eq!(board.next_expiry(), Some(at(50)));
        assert_eq!(
            here(&board, 50),
            [1],
            "what has expired is not told, even before it is forgotten"
        );
        board.apply(visit(1, VisitKind::Left, 60), at(55));
        assert_eq!(here(&board, 56), [0_u128; 0]);
        board.apply(visit(3, VisitKind::Arrived, 10), at(60));
        assert_eq!(here(&board, 61), [0_u128; 0]);
    }

    #[test]
    fn an_enrolment_shows_its_latest_step() {
        let mut board = Board::default();
        board.apply(step(EnrolmentStep::Started, 30), at(0));
        board.apply(step(EnrolmentStep::Captured { count: 2, of: 5 }, 30), at(1));
        let json = serde_json::to_value(board.situation(&SHOP, at(2))).unwrap();
        assert_eq!(json["enrolment"]["event"], "captured");
        assert_eq!((&json["title"], &json["now"]), (&"".into(), &"1970-01-01T00:00:02Z".into()));
        board.forget_expired(at(30));
        assert!(board.situation(&SHOP, at(30)).enrolment.is_none());
    }

    #[test]
    fn who_withdraws_is_no_longer_greeted_and_told_so_for_a_moment() {
        let mut board = Board::default();
        let customer = CustomerId(Uuid::from_u128(1));
        board.apply(visit(1, VisitKind::Arrived, 100), at(0));
        board.apply(step(EnrolmentStep::Withdrawn { customer }, 100), at(10));
        assert!(here(&board, 11).is_empty());
        assert!(board.situation(&SHOP, at(17)).enrolment.is_some());
        assert!(board.situation(&SHOP, at(18)).enrolment.is_none());
    }
}
