//! State of the display: present customers, enrolment, box and connection.

use std::collections::HashMap;

use instored_domain::{
    CameraState, CustomerId, EnrolmentEvent, EnrolmentStep, ListEvent, ListItem, VisitEvent,
    VisitKind,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::DisplayEvent;

/// Maximum display time of an enrolment's result. The next person must not see the result.
const RESULT_DISPLAY_TIME: SignedDuration = SignedDuration::from_secs(8);
/// Maximum display time of a claim code. The customer needs this time to write the code down.
const CLAIM_CODE_DISPLAY_TIME: SignedDuration = SignedDuration::from_secs(20);

/// Maximum display time of personal data after the connection to the box is lost: the departure of a
/// customer would not be received.
const OUTAGE_DISPLAY_TIME: SignedDuration = SignedDuration::from_secs(5);
/// Display time of a customer who has left the camera's view but uses the page, after each touch.
const TOUCH_DISPLAY_TIME: SignedDuration = SignedDuration::from_secs(20);

/// Use of the page by a customer who is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum PageUse {
    /// The customer touched the page.
    Touched(CustomerId),
    /// The customer ended the visit on the page.
    Ended(CustomerId),
}

/// Departure of a customer.
#[derive(Clone, Debug)]
struct Departure {
    /// Issue time of the event.
    issued: Timestamp,
    /// Expiry time of the event.
    expires: Timestamp,
    /// Expiry time of the visit that ended, if it was shown.
    visit_expires: Option<Timestamp>,
}

/// Current state of the display. No method reads the clock: the caller passes the time.
#[derive(Clone, Debug)]
pub(super) struct DisplayState {
    visits: Vec<VisitEvent>,
    /// Departures, until their events expire.
    departures: HashMap<CustomerId, Departure>,
    /// Time until which a customer who uses the page is shown after their departure.
    held_until: HashMap<CustomerId, Timestamp>,
    lists: HashMap<CustomerId, ListEvent>,
    enrolment: Option<EnrolmentEvent>,
    camera: Option<CameraState>,
    is_box_online: bool,
    is_broker_connected: bool,
}

/// Settings that the page receives.
#[derive(Debug, Serialize)]
pub(super) struct PageSettings {
    pub title: String,
    pub language: Option<String>,
    /// True if a greeting shows only the first name until the customer touches the greeting.
    #[serde(rename = "curtain")]
    pub is_private: bool,
    /// Version of the program and its page. A page of another version reloads itself.
    pub version: String,
}

/// Visit of a present customer, with the customer's shopping list.
#[derive(Debug, Serialize)]
pub(super) struct PresentCustomer<'a> {
    #[serde(flatten)]
    pub visit: &'a VisitEvent,
    pub list: &'a [ListItem],
}

/// Complete content of the page, sent as one event.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot<'a> {
    #[serde(flatten)]
    pub settings: &'a PageSettings,
    /// Time of the server, by which the page corrects its own clock.
    pub now: Timestamp,
    /// Present customers in the order of their arrival.
    #[serde(rename = "guests")]
    pub customers: Vec<PresentCustomer<'a>>,
    pub enrolment: Option<&'a EnrolmentEvent>,
    pub camera: Option<CameraState>,
    #[serde(rename = "online")]
    pub is_box_online: bool,
    #[serde(rename = "link")]
    pub is_broker_connected: bool,
}

impl Default for DisplayState {
    /// Creates a state without customers, with the box online and the broker connected.
    fn default() -> Self {
        Self {
            visits: vec![],
            departures: HashMap::new(),
            held_until: HashMap::new(),
            lists: HashMap::new(),
            enrolment: None,
            camera: None,
            is_box_online: true,
            is_broker_connected: true,
        }
    }
}

impl DisplayState {
    /// Removes expired data, then applies an event.
    pub fn apply(&mut self, event: DisplayEvent, now: Timestamp) {
        self.remove_expired(now);
        match event {
            DisplayEvent::Visit(visit) => self.apply_visit(visit, now),
            DisplayEvent::Enrolment(event) => self.apply_enrolment(event, now),
            DisplayEvent::List(list) => {
                self.lists.insert(list.list.customer, list);
            }
            DisplayEvent::State(state) => self.camera = Some(state.camera),
            DisplayEvent::Availability(is_online) => {
                self.is_box_online = is_online;
                self.limit_personal_data(is_online, now);
            }
            DisplayEvent::BrokerConnection(is_connected) => {
                self.is_broker_connected = is_connected;
                self.limit_personal_data(is_connected, now);
            }
            DisplayEvent::BrokerSilent => {
                self.visits.clear();
                self.lists.clear();
            }
        }
    }

    /// Shows a customer who uses the page for longer than the camera sees them, but not beyond the
    /// expiry of their visit.
    pub fn apply_use(&mut self, page_use: PageUse, now: Timestamp) {
        match page_use {
            PageUse::Touched(customer) if self.is_shown(customer, now) => {
                let until = now.saturating_add(TOUCH_DISPLAY_TIME).unwrap_or(now);
                self.held_until.insert(customer, until);
                let limit = self.departures.get(&customer).and_then(|d| d.visit_expires);
                let visit = self.visits.iter_mut().find(|visit| visit.customer.id == customer);
                if let (Some(limit), Some(visit)) = (limit, visit) {
                    visit.expires = until.min(limit);
                }
            }
            PageUse::Touched(_) => {}
            PageUse::Ended(customer) => {
                self.held_until.remove(&customer);
                if self.departures.contains_key(&customer) {
                    self.remove_customer(customer);
                }
            }
        }
    }

    /// Limits the display of personal data if the box cannot be reached.
    fn limit_personal_data(&mut self, is_reachable: bool, now: Timestamp) {
        if is_reachable {
            return;
        }
        let limit = now.saturating_add(OUTAGE_DISPLAY_TIME).unwrap_or(now);
        for visit in &mut self.visits {
            visit.expires = visit.expires.min(limit);
        }
        for departure in self.departures.values_mut() {
            departure.visit_expires = departure.visit_expires.map(|expires| expires.min(limit));
        }
    }

    /// Removes expired visits, lists and enrolment steps.
    pub fn remove_expired(&mut self, now: Timestamp) {
        self.visits.retain(|visit| visit.expires > now);
        self.lists.retain(|_, list| list.expires > now);
        self.departures.retain(|_, departure| departure.expires > now);
        self.held_until.retain(|_, until| *until > now);
        self.enrolment.take_if(|event| event.expires <= now);
    }

    /// Returns the time at which the next visit or enrolment step expires.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let visits = self.visits.iter().map(|visit| visit.expires);
        visits.chain(self.enrolment.iter().map(|event| event.expires)).min()
    }

    /// Returns true if the customer is shown at `now`.
    pub fn is_shown(&self, customer: CustomerId, now: Timestamp) -> bool {
        self.visits.iter().any(|visit| visit.customer.id == customer && visit.expires > now)
    }

    /// Returns the content of the page at `now`.
    pub fn snapshot<'a>(&'a self, settings: &'a PageSettings, now: Timestamp) -> Snapshot<'a> {
        let items = |customer| {
            let list = self.lists.get(customer).filter(|list| list.expires > now);
            list.map_or(&[][..], |list| &list.list.items)
        };
        let visits = self.visits.iter().filter(|visit| visit.expires > now);
        Snapshot {
            settings,
            now,
            customers: visits
                .map(|visit| PresentCustomer { visit, list: items(&visit.customer.id) })
                .collect(),
            enrolment: self.enrolment.as_ref().filter(|event| event.expires > now),
            camera: self.camera,
            is_box_online: self.is_box_online,
            is_broker_connected: self.is_broker_connected,
        }
    }

    fn apply_visit(&mut self, visit: VisitEvent, now: Timestamp) {
        let id = visit.customer.id;
        let index = self.visits.iter().position(|known| known.customer.id == id);
        let has_left =
            self.departures.get(&id).is_some_and(|departure| visit.issued <= departure.issued);
        match (visit.event, index) {
            (VisitKind::Left, _) => self.end_visit(&visit, index, now),
            _ if visit.expires <= now => {}
            (VisitKind::Changed, _) if has_left => {}
            (VisitKind::Arrived | VisitKind::Changed, Some(index)) => {
                self.departures.remove(&id);
                self.visits[index] = visit;
            }
            // The customer arrived before this display started, or during an outage.
            (VisitKind::Changed, None) => self.visits.push(visit),
            (VisitKind::Arrived, None) => {
                self.departures.remove(&id);
                self.visits.push(visit);
                self.enrolment.take_if(|event| result_display_time(&event.step).is_some());
            }
        }
    }

    /// Ends a visit, at once or after the customer has ceased to use the page.
    fn end_visit(&mut self, left: &VisitEvent, index: Option<usize>, now: Timestamp) {
        let id = left.customer.id;
        let visit_expires = index.map(|index| self.visits[index].expires);
        let departure = Departure { issued: left.issued, expires: left.expires, visit_expires };
        self.departures.insert(id, departure);
        match (index, self.held_until.get(&id)) {
            (Some(index), Some(until)) if *until > now => {
                let visit = &mut self.visits[index];
                visit.expires = visit.expires.min(*until);
            }
            _ => self.remove_customer(id),
        }
    }

    fn apply_enrolment(&mut self, mut event: EnrolmentEvent, now: Timestamp) {
        match &event.step {
            EnrolmentStep::Withdrawn { customer } => {
                self.remove_customer(*customer);
                if self.is_stale(&event, *customer, now) {
                    return;
                }
            }
            EnrolmentStep::Done { customer, .. } if self.is_stale(&event, customer.id, now) => {
                return;
            }
            _ => {}
        }
        if let Some(time) = result_display_time(&event.step) {
            event.expires = event.expires.min(now.saturating_add(time).unwrap_or(event.expires));
        }
        // An expired event is not shown, but it ends the previous step.
        self.enrolment = Some(event).filter(|event| event.expires > now);
    }

    /// Returns true if the event is older than [`CLAIM_CODE_DISPLAY_TIME`] and its customer is not
    /// shown. After an outage, another person could otherwise see the message or the claim code.
    fn is_stale(&self, event: &EnrolmentEvent, customer: CustomerId, now: Timestamp) -> bool {
        now.duration_since(event.issued) > CLAIM_CODE_DISPLAY_TIME && !self.is_shown(customer, now)
    }

    fn remove_customer(&mut self, customer: CustomerId) {
        self.visits.retain(|visit| visit.customer.id != customer);
        self.lists.remove(&customer);
    }
}

/// Returns the maximum display time of a step that ends an enrolment, or `None` for other steps.
fn result_display_time(step: &EnrolmentStep) -> Option<SignedDuration> {
    match step {
        EnrolmentStep::Started | EnrolmentStep::LookHere | EnrolmentStep::Captured { .. } => None,
        EnrolmentStep::Done { .. } => Some(CLAIM_CODE_DISPLAY_TIME),
        EnrolmentStep::Offered | EnrolmentStep::Failed { .. } | EnrolmentStep::Withdrawn { .. } => {
            Some(RESULT_DISPLAY_TIME)
        }
    }
}

#[cfg(test)]
mod tests {
    use instored_domain::{CustomerRef, EventId};
    use uuid::Uuid;

    use super::*;

    static SETTINGS: PageSettings = PageSettings {
        title: String::new(),
        language: None,
        is_private: false,
        version: String::new(),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn visit(customer: u128, event: VisitKind, expires: i64) -> DisplayEvent {
        DisplayEvent::Visit(VisitEvent {
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

    fn visit_issued(event: VisitKind, issued: i64) -> DisplayEvent {
        let DisplayEvent::Visit(visit) = visit(1, event, 300) else { unreachable!() };
        DisplayEvent::Visit(VisitEvent { issued: at(issued), ..visit })
    }

    fn enrolment(step: EnrolmentStep, expires: i64) -> DisplayEvent {
        let id = EventId(Uuid::from_u128(2));
        DisplayEvent::Enrolment(EnrolmentEvent { id, step, issued: at(0), expires: at(expires) })
    }

    fn shown_customers(state: &DisplayState, now: i64) -> Vec<u128> {
        let snapshot = state.snapshot(&SETTINGS, at(now));
        snapshot.customers.iter().map(|shown| shown.visit.customer.id.0.as_u128()).collect()
    }

    #[test]
    fn customer_is_shown_once_until_visit_ends_or_expires() {
        let mut state = DisplayState::default();
        state.apply(visit(1, VisitKind::Arrived, 100), at(0));
        state.apply(visit(2, VisitKind::Arrived, 50), at(1));
        state.apply(visit(1, VisitKind::Arrived, 120), at(2));
        assert_eq!(shown_customers(&state, 3), [1, 2]);
        assert_eq!(state.next_expiry(), Some(at(50)));
        assert_eq!(shown_customers(&state, 50), [1], "a snapshot omits an expired visit");
        state.apply(visit(1, VisitKind::Left, 60), at(55));
        assert_eq!(shown_customers(&state, 56), [0_u128; 0]);
        state.apply(visit(3, VisitKind::Arrived, 10), at(60));
        assert_eq!(shown_customers(&state, 61), [0_u128; 0], "an expired event is ignored");
    }

    #[test]
    fn customers_disappear_5_seconds_after_lost_connection() {
        for event in [DisplayEvent::BrokerConnection(false), DisplayEvent::Availability(false)] {
            let mut state = DisplayState::default();
            state.apply(visit(1, VisitKind::Arrived, 300), at(0));
            state.apply(event.clone(), at(10));
            assert_eq!(shown_customers(&state, 14), [1], "{event:?}");
            assert_eq!(state.next_expiry(), Some(at(15)));
            assert_eq!(shown_customers(&state, 15), [0_u128; 0], "{event:?}");
            state.apply(DisplayEvent::BrokerConnection(true), at(12));
            assert_eq!(shown_customers(&state, 15), [0_u128; 0], "not confirmed after {event:?}");
            state.apply(visit(1, VisitKind::Changed, 300), at(13));
            assert_eq!(shown_customers(&state, 100), [1], "confirmed after {event:?}");
        }
    }

    #[test]
    fn customers_disappear_at_once_after_silent_connection() {
        let mut state = DisplayState::default();
        state.apply(visit(1, VisitKind::Arrived, 300), at(0));
        state.apply(DisplayEvent::BrokerSilent, at(10));
        assert_eq!(shown_customers(&state, 10), [0_u128; 0]);
    }

    #[test]
    fn changed_customer_is_shown_unless_they_left_later() {
        let mut state = DisplayState::default();
        state.apply(visit_issued(VisitKind::Changed, 10), at(10));
        assert_eq!(shown_customers(&state, 11), [1], "arrived before the display started");
        state.apply(visit_issued(VisitKind::Left, 20), at(20));
        state.apply(visit_issued(VisitKind::Changed, 15), at(21));
        assert_eq!(shown_customers(&state, 21), [0_u128; 0], "left meanwhile");
        state.apply(visit_issued(VisitKind::Arrived, 30), at(30));
        state.apply(visit_issued(VisitKind::Changed, 31), at(31));
        assert_eq!(shown_customers(&state, 31), [1]);
    }

    #[test]
    fn touch_keeps_customer_for_20_seconds_after_departure() {
        let customer = CustomerId(Uuid::from_u128(1));
        let mut state = DisplayState::default();
        state.apply(visit_issued(VisitKind::Arrived, 0), at(0));
        state.apply_use(PageUse::Touched(customer), at(5));
        state.apply(visit_issued(VisitKind::Left, 9), at(9));
        assert!(state.is_shown(customer, at(24)) && !state.is_shown(customer, at(25)));
        state.apply_use(PageUse::Touched(customer), at(20));
        assert!(state.is_shown(customer, at(39)) && !state.is_shown(customer, at(40)));
        state.apply_use(PageUse::Ended(customer), at(21));
        assert!(!state.is_shown(customer, at(21)), "the customer ended the visit");

        state.apply(visit_issued(VisitKind::Arrived, 50), at(50));
        state.apply_use(PageUse::Touched(customer), at(51));
        state.apply(visit_issued(VisitKind::Left, 80), at(80));
        assert!(!state.is_shown(customer, at(80)), "the last touch was long ago");
        state.apply_use(PageUse::Touched(customer), at(81));
        assert!(!state.is_shown(customer, at(81)), "a touch does not bring a customer back");

        state.apply(visit_issued(VisitKind::Arrived, 90), at(90));
        state.apply_use(PageUse::Touched(customer), at(290));
        state.apply(visit_issued(VisitKind::Left, 291), at(291));
        state.apply_use(PageUse::Touched(customer), at(299));
        assert!(!state.is_shown(customer, at(300)), "the visit expires");
    }

    #[test]
    fn snapshot_contains_latest_enrolment_step() {
        let mut state = DisplayState::default();
        state.apply(enrolment(EnrolmentStep::Started, 30), at(0));
        state.apply(enrolment(EnrolmentStep::Captured { count: 2, of: 5 }, 30), at(1));
        let json = serde_json::to_value(state.snapshot(&SETTINGS, at(2))).unwrap();
        assert_eq!(json["enrolment"]["event"], "captured");
        assert_eq!((&json["title"], &json["now"]), (&"".into(), &"1970-01-01T00:00:02Z".into()));
        state.remove_expired(at(30));
        assert!(state.snapshot(&SETTINGS, at(30)).enrolment.is_none());
    }

    #[test]
    fn snapshot_has_field_names_that_page_reads() {
        let mut state = DisplayState::default();
        state.apply(visit(1, VisitKind::Arrived, 100), at(0));
        let json = serde_json::to_value(state.snapshot(&SETTINGS, at(2))).unwrap();
        let names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "camera",
            "curtain",
            "enrolment",
            "guests",
            "language",
            "link",
            "now",
            "online",
            "title",
            "version",
        ];
        assert_eq!(names, expected);
        assert_eq!(json["guests"][0]["list"], serde_json::json!([]));
    }

    #[test]
    fn late_claim_code_is_shown_only_if_customer_is_present() {
        let done_event = || {
            let customer = CustomerRef { id: CustomerId(Uuid::from_u128(1)), name: None };
            let code = instored_domain::ClaimCode::from_random([1; 8]);
            let receipt = instored_domain::ConsentReceipt(code);
            let step = EnrolmentStep::Done {
                customer,
                claim_code: code,
                receipt,
                resembles_another: false,
            };
            enrolment(step, 86_400)
        };
        let is_shown =
            |state: &DisplayState, now| state.snapshot(&SETTINGS, at(now)).enrolment.is_some();
        let mut state = DisplayState::default();
        state.apply(done_event(), at(370));
        assert!(!is_shown(&state, 370));
        state.apply(visit(2, VisitKind::Arrived, 900), at(380));
        state.apply(done_event(), at(381));
        assert!(!is_shown(&state, 381));
        state.apply(visit(1, VisitKind::Arrived, 900), at(390));
        state.apply(done_event(), at(391));
        assert!(is_shown(&state, 391) && !is_shown(&state, 411));
        let customer = CustomerId(Uuid::from_u128(1));
        state.apply(enrolment(EnrolmentStep::Withdrawn { customer }, 86_400), at(400));
        assert_eq!(shown_customers(&state, 401), [2]);
    }

    #[test]
    fn withdrawal_removes_greeting_and_is_shown_for_8_seconds() {
        let mut state = DisplayState::default();
        let customer = CustomerId(Uuid::from_u128(1));
        state.apply(visit(1, VisitKind::Arrived, 100), at(0));
        state.apply(enrolment(EnrolmentStep::Withdrawn { customer }, 100), at(10));
        assert!(shown_customers(&state, 11).is_empty());
        assert!(state.snapshot(&SETTINGS, at(17)).enrolment.is_some());
        assert!(state.snapshot(&SETTINGS, at(18)).enrolment.is_none());
    }
}
