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

/// Current state of the display. No method reads the clock: the caller passes the time.
#[derive(Clone, Debug)]
pub(super) struct DisplayState {
    visits: Vec<VisitEvent>,
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
            DisplayEvent::Availability(is_online) => self.is_box_online = is_online,
            DisplayEvent::BrokerConnection(is_connected) => self.is_broker_connected = is_connected,
        }
    }

    /// Removes expired visits, lists and enrolment steps.
    pub fn remove_expired(&mut self, now: Timestamp) {
        self.visits.retain(|visit| visit.expires > now);
        self.lists.retain(|_, list| list.expires > now);
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
        let index = self.visits.iter().position(|known| known.customer.id == visit.customer.id);
        match (visit.event, index) {
            (VisitKind::Left, _) => self.remove_customer(visit.customer.id),
            _ if visit.expires <= now => {}
            (VisitKind::Arrived | VisitKind::Changed, Some(index)) => self.visits[index] = visit,
            // The event is ignored: the customer was removed, or arrived before this display started.
            (VisitKind::Changed, None) => {}
            (VisitKind::Arrived, None) => {
                self.visits.push(visit);
                self.enrolment.take_if(|event| result_display_time(&event.step).is_some());
            }
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

    static SETTINGS: PageSettings =
        PageSettings { title: String::new(), language: None, is_private: false };

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
