//! Tests of single sequences of events. The package `tests/simulated` tests random sequences.

use std::time::Duration;

use confique::Config as _;
use instored_consent::{Confirmation, ConsentTexts};
use instored_domain::{
    AddOrderOutcome, CameraState, Command, CommandFailure, CommandResponse, Customer, CustomerId,
    Embedding, EnrolmentFailure, EnrolmentStep, ModelId, Order, Preferences, RecognitionEvent,
    ResponseAddress, TrackId, VisitKind,
};
use instored_panel::ButtonEvent;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::*;

mod consent;

const ADA: CustomerId = CustomerId(Uuid::from_u128(1));

/// Controller with a clock that the test sets.
struct Fixture {
    controller: Controller,
    now: Timestamp,
    uptime: Duration,
}

impl Fixture {
    fn new() -> Self {
        Self::with_customers(Vec::new())
    }

    fn with_customers(customers: Vec<Customer>) -> Self {
        Self::with(customers, Confirmation::SecondPressOrTouch)
    }

    fn with_confirmation(confirmation: Confirmation) -> Self {
        Self::with(Vec::new(), confirmation)
    }

    fn with(customers: Vec<Customer>, confirmation: Confirmation) -> Self {
        let now = start();
        let settings = Settings::builder().load().unwrap();
        let data = InitialData {
            model: ModelId("test".into()),
            customers,
            rejected_records: 0,
            recommender: Default::default(),
            catalogue: Default::default(),
        };
        let mut last = 0;
        let uuids = move || {
            last += 1;
            Uuid::from_u128(last << 64 | last)
        };
        let box_id = "entrance".parse().unwrap();
        let readings = readings(now, Duration::ZERO);
        let consent = instored_consent::Settings::builder().load().unwrap();
        let rules = Rules {
            is_on_request: false,
            confirmation,
            consent_texts: ConsentTexts::load(&consent).unwrap(),
        };
        let (controller, _) = Controller::start(settings, box_id, rules, data, uuids, readings);
        let mut fixture = Self { controller, now, uptime: Duration::ZERO };
        fixture.handle(Event::CameraStateChanged(CameraState::Streaming));
        fixture
    }

    fn handle(&mut self, event: Event) -> Vec<Effect> {
        self.controller.handle(event, readings(self.now, self.uptime))
    }

    fn recognise(&mut self, event: RecognitionEvent) -> Vec<Effect> {
        self.handle(Event::Recognition { event, delivered: Duration::ZERO })
    }

    /// Handles an event that causes one operation on the vault. Returns this operation.
    fn request(&mut self, event: Event) -> StoreRequest {
        let effects = self.handle(event);
        let requests = effects.into_iter().filter_map(|effect| match effect {
            Effect::Store(request) => Some(request),
            _ => None,
        });
        let [request] = requests.collect::<Vec<_>>().try_into().unwrap();
        request
    }

    fn press(&mut self) -> Vec<Effect> {
        self.handle(Event::Button(ButtonEvent::ShortPress))
    }

    /// Sends a command, and returns the response.
    fn send(&mut self, command: Command) -> Result<CommandResponse, CommandFailure> {
        let topic = "instored/entrance/reply/display".to_owned();
        let address = Some(ResponseAddress { topic, correlation_data: None });
        let effects = self.handle(Event::Command { command, address });
        let response = effects.into_iter().find_map(|effect| match effect {
            Effect::Respond { response, .. } => Some(response),
            _ => None,
        });
        response.unwrap()
    }

    /// Changes the list of a customer, and returns the number of its items.
    fn change_list(&mut self, command: Command) -> usize {
        let address = None;
        let request = self.request(Event::Command { command, address });
        let StoreRequest::FindBuyer { action, address, .. } = request else {
            panic!("{request:?}")
        };
        let found = StoreResponse::BuyerFound { action, address, result: Ok(ADA) };
        let effects = self.handle(Event::Stored(found));
        let response = effects.into_iter().find_map(|effect| match effect {
            Effect::Respond { response: Ok(CommandResponse::List(list)), .. } => Some(list),
            _ => None,
        });
        response.unwrap().items.len()
    }

    /// Starts an enrolment and captures its views. Returns the enrolment to store.
    fn capture(&mut self) -> Box<NewCustomer> {
        self.press();
        self.capture_after_press()
    }

    /// Starts an offered enrolment by a press, and captures its views.
    fn capture_after_press(&mut self) -> Box<NewCustomer> {
        self.press();
        self.captured()
    }

    /// Captures the views of an enrolment. Returns the enrolment to store.
    fn captured(&mut self) -> Box<NewCustomer> {
        let embeddings = vec![Embedding::normalised(vec![1.0, 2.0]).unwrap()];
        let event = RecognitionEvent::Enrolled { embeddings, track: TrackId(7), resembles: None };
        let request = self.request(Event::Recognition { event, delivered: Duration::ZERO });
        let StoreRequest::Enrol(new) = request else { panic!("{request:?}") };
        new
    }
}

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn readings(now: Timestamp, uptime: Duration) -> Readings {
    Readings { now: now.to_zoned(TimeZone::UTC), uptime, counters: Counters::default() }
}

fn customer(id: CustomerId) -> Customer {
    Customer {
        id,
        name: None,
        enrolled: Timestamp::UNIX_EPOCH,
        visits: 1,
        last_visit: None,
        deletion_due: None,
        has_unconfirmed_time: false,
        preferences: Preferences::default(),
    }
}

/// Returns an order of Ada that was placed this number of days ago.
fn order(fixture: &Fixture, id: &str, days: i64) -> Order {
    let placed = fixture.now - SignedDuration::from_hours(24 * days);
    serde_json::from_value(serde_json::json!({
        "id": id, "customer": ADA, "placed": format!("{placed}[UTC]"), "currency": "EUR", "total": 120,
        "lines": [{ "sku": "1", "name": "Milk", "quantity": 1, "unit_price": 120 }],
    }))
    .unwrap()
}

/// Returns the kinds of the published visits.
fn visits(effects: &[Effect]) -> Vec<VisitKind> {
    let visit = |effect: &Effect| match effect {
        Effect::Publish(Message::Visit(event)) => Some(event.event),
        _ => None,
    };
    effects.iter().filter_map(visit).collect()
}

/// Returns the reason of the published failure of an enrolment.
fn failure(effects: &[Effect]) -> Option<EnrolmentFailure> {
    effects.iter().find_map(|effect| match effect {
        Effect::Publish(Message::Enrolment(event)) => match event.step {
            EnrolmentStep::Failed { reason } => Some(reason),
            _ => None,
        },
        _ => None,
    })
}

fn recorded(arrival: u64, result: StoreResult<Option<Greeting>>) -> Event {
    Event::Stored(StoreResponse::VisitRecorded { customer: ADA, arrival, result })
}

fn greeting() -> StoreResult<Option<Greeting>> {
    Ok(Some(Greeting { customer: customer(ADA), orders: Vec::new() }))
}

#[test]
fn customer_is_greeted_after_visit_is_stored() {
    let mut fixture = Fixture::new();
    assert!(visits(&fixture.recognise(RecognitionEvent::Arrived(ADA))).is_empty());
    assert_eq!(visits(&fixture.handle(recorded(1, greeting()))), [VisitKind::Arrived]);
    assert_eq!(visits(&fixture.recognise(RecognitionEvent::Left(ADA))), [VisitKind::Left]);
}

#[test]
fn customer_who_left_before_visit_is_stored_is_not_greeted() {
    let mut fixture = Fixture::new();
    fixture.recognise(RecognitionEvent::Arrived(ADA));
    fixture.recognise(RecognitionEvent::Left(ADA));
    fixture.recognise(RecognitionEvent::Arrived(ADA));
    assert!(visits(&fixture.handle(recorded(1, greeting()))).is_empty());
    assert_eq!(visits(&fixture.handle(recorded(2, greeting()))), [VisitKind::Arrived]);
}

#[test]
fn customer_is_greeted_if_visit_cannot_be_stored() {
    let mut fixture = Fixture::new();
    fixture.recognise(RecognitionEvent::Arrived(ADA));
    let failed = Err(StoreError::Failed("the disk is full".into()));
    let request = fixture.request(recorded(1, failed));
    let StoreRequest::ReadGreeting { customer, arrival, .. } = request else {
        panic!("{request:?}")
    };
    let response = StoreResponse::GreetingRead { customer, arrival, result: greeting() };
    assert_eq!(visits(&fixture.handle(Event::Stored(response))), [VisitKind::Arrived]);
}

#[test]
fn enrolment_with_code_in_use_is_stored_with_other_codes() {
    let mut fixture = Fixture::new();
    let mut new = fixture.capture();
    for attempt in 1..4 {
        let (id, claim, receipt) = (new.consent.customer, new.claim, new.consent.receipt);
        let result = Err(StoreError::CodeTaken);
        let request = fixture.request(Event::Stored(StoreResponse::Enrolled { new, result }));
        let StoreRequest::Enrol(next) = request else { panic!("{request:?}") };
        assert_eq!((next.consent.customer, next.attempt), (id, attempt + 1));
        assert!(next.claim != claim && next.consent.receipt != receipt);
        new = next;
    }
    let result = Err(StoreError::CodeTaken);
    let effects = fixture.handle(Event::Stored(StoreResponse::Enrolled { new, result }));
    assert_eq!(failure(&effects), Some(EnrolmentFailure::NotStored));
}

#[test]
fn camera_lost_during_storing_does_not_fail_enrolment() {
    let mut fixture = Fixture::new();
    let new = fixture.capture();
    let effects = fixture.handle(Event::CameraStateChanged(CameraState::Unavailable));
    assert_eq!(failure(&effects), None);
    let result = Ok(customer(new.consent.customer));
    let effects = fixture.handle(Event::Stored(StoreResponse::Enrolled { new, result }));
    let added = |effect: &Effect| {
        matches!(effect, Effect::Vision(VisionCommand::AddCustomer { track: Some(TrackId(7)), .. }))
    };
    assert!(effects.iter().any(added));
    assert_eq!(fixture.controller.state().customers, 1);
}

#[test]
fn second_enrolment_is_rejected_until_first_is_stored() {
    let mut fixture = Fixture::new();
    let new = fixture.capture();
    assert!(fixture.send(Command::Enrol { language: None }).is_err());
    let result = Ok(customer(new.consent.customer));
    fixture.handle(Event::Stored(StoreResponse::Enrolled { new, result }));
    assert!(fixture.send(Command::Enrol { language: None }).is_ok());
}

#[test]
fn clock_is_not_confirmed_after_a_jump() {
    let mut fixture = Fixture::new();
    let is_confirmed = |fixture: &mut Fixture| {
        let event = RecognitionEvent::Arrived(ADA);
        let request = fixture.request(Event::Recognition { event, delivered: Duration::ZERO });
        let StoreRequest::RecordVisit { is_clock_confirmed, .. } = request else {
            panic!("{request:?}")
        };
        is_clock_confirmed
    };
    assert!(!is_confirmed(&mut fixture));
    fixture.handle(Event::ClockChecked(true));
    assert!(is_confirmed(&mut fixture));
    (fixture.now, fixture.uptime) =
        (fixture.now + SignedDuration::from_hours(30), Duration::from_secs(30 * 3600));
    assert!(is_confirmed(&mut fixture));
    fixture.now -= SignedDuration::from_hours(24);
    assert!(!is_confirmed(&mut fixture));
    fixture.handle(Event::ClockChecked(true));
    assert!(is_confirmed(&mut fixture));
}

#[test]
fn customer_in_the_shop_is_not_deleted_by_retention() {
    let day = SignedDuration::from_hours(24);
    let due = Customer {
        last_visit: Some(start() - 400 * day),
        deletion_due: Some(start() - day),
        ..customer(ADA)
    };
    // The visit of another customer confirms that the clock is plausible.
    let recent =
        Customer { last_visit: Some(start() - day), ..customer(CustomerId(Uuid::from_u128(2))) };
    let is_deleted = |fixture: &mut Fixture| {
        let effects = fixture.handle(Event::ClockChecked(true));
        effects.iter().any(|effect| {
            matches!(effect, Effect::Store(StoreRequest::Forget { customer: ADA, .. }))
        })
    };
    let mut fixture = Fixture::with_customers(vec![due.clone(), recent.clone()]);
    assert!(is_deleted(&mut fixture));

    let mut fixture = Fixture::with_customers(vec![due, recent]);
    fixture.recognise(RecognitionEvent::Arrived(ADA));
    assert!(!is_deleted(&mut fixture));
    fixture.handle(recorded(1, Err(StoreError::Failed("the disk is full".into()))));
    let greeted =
        StoreResponse::GreetingRead { customer: ADA, arrival: Some(1), result: greeting() };
    fixture.handle(Event::Stored(greeted));
    assert!(!is_deleted(&mut fixture));
    fixture.recognise(RecognitionEvent::Left(ADA));
    assert!(is_deleted(&mut fixture));
}

#[test]
fn dismissed_customer_is_not_present_until_they_leave() {
    let mut fixture = Fixture::with_customers(vec![customer(ADA)]);
    fixture.recognise(RecognitionEvent::Arrived(ADA));
    fixture.handle(recorded(1, greeting()));
    let present = |fixture: &mut Fixture| {
        fixture.handle(Event::PresentCustomersChanged(vec![ADA]));
        let command = Command::Present { republishes_greetings: false };
        match fixture.request(Event::Command { command, address: None }) {
            StoreRequest::ReadNames { customers, .. } => customers,
            request => panic!("{request:?}"),
        }
    };
    assert_eq!(present(&mut fixture), [ADA]);
    fixture.handle(Event::Command { command: Command::NotMe { customer: ADA }, address: None });
    assert_eq!(present(&mut fixture), []);
    fixture.handle(Event::PresentCustomersChanged(Vec::new()));
    assert_eq!(present(&mut fixture), [ADA]);
}

#[test]
fn old_orders_are_deleted_while_the_clock_is_confirmed() {
    let ada = Customer { last_visit: Some(start()), ..customer(ADA) };
    let mut fixture = Fixture::with_customers(vec![ada]);
    let orders = vec![order(&fixture, "new", 700), order(&fixture, "old", 740)];
    let client = ClientId(1);
    let result = Ok(vec![AddOrderOutcome::Added; 2]);
    fixture.handle(Event::Stored(StoreResponse::OrdersAdded { orders, client, result }));
    let removal = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Store(StoreRequest::RemoveOrders { customer, until, at }) => {
                Some((customer, at.duration_since(until).as_hours() / 24))
            }
            _ => None,
        })
    };
    assert_eq!(removal(fixture.handle(Event::ClockChecked(false))), None);
    let (customer, days) = removal(fixture.handle(Event::ClockChecked(true))).unwrap();
    assert!(customer == ADA && (729..=732).contains(&days), "{days}");
    let result = Ok((1, vec![]));
    fixture.handle(Event::Stored(StoreResponse::OrdersRemoved { customer, result }));
    assert_eq!(removal(fixture.handle(Event::ClockChecked(true))), None);
}

#[test]
fn failed_training_after_a_deletion_is_repeated_after_an_hour() {
    let mut fixture = Fixture::with_customers(vec![customer(ADA)]);
    let is_trained = |effects: Vec<Effect>| effects.iter().any(|e| matches!(e, Effect::Train(_)));
    let orders = vec![order(&fixture, "1", 1), order(&fixture, "2", 2)];
    let result = Ok(vec![AddOrderOutcome::Added; 2]);
    let client = ClientId(1);
    fixture.handle(Event::Stored(StoreResponse::OrdersAdded { orders, client, result }));
    assert!(is_trained(fixture.handle(Event::Tick)));
    fixture.handle(Event::Trained(Some(Default::default())));
    let removed = StoreResponse::OrdersRemoved { customer: ADA, result: Ok((1, vec![])) };
    fixture.handle(Event::Stored(removed));
    assert!(is_trained(fixture.handle(Event::Tick)));
    fixture.handle(Event::Trained(None));
    assert!(!is_trained(fixture.handle(Event::Tick)));
    fixture.uptime += Duration::from_secs(3600);
    assert!(is_trained(fixture.handle(Event::Tick)));
}

#[test]
fn repeated_order_leaves_the_list_unchanged() {
    let mut fixture = Fixture::with_customers(vec![customer(ADA)]);
    let list = |add: &[&str]| Command::List {
        buyer: instored_domain::BuyerRef::Customer(ADA),
        add: add.iter().map(ToString::to_string).collect(),
        remove: Vec::new(),
    };
    let orders = vec![order(&fixture, "1", 1)];
    let result = Ok(vec![AddOrderOutcome::Added]);
    let client = ClientId(1);
    let added = StoreResponse::OrdersAdded { orders, client, result };
    fixture.handle(Event::Stored(added));
    fixture.change_list(list(&["1"]));
    for (outcome, expected) in [(AddOrderOutcome::AlreadyKnown, 1), (AddOrderOutcome::Added, 0)] {
        let (order, till, address) = (order(&fixture, "2", 0), None, None);
        let stored = StoreResponse::OrderAdded { order, till, address, result: Ok(outcome) };
        fixture.handle(Event::Stored(stored));
        assert_eq!(fixture.change_list(list(&[])), expected, "{outcome:?}");
    }
}

#[test]
fn face_alone_opens_no_history_if_the_shop_decides_so() {
    let mut fixture = Fixture::with_customers(vec![customer(ADA)]);
    let mut read_orders = |face_opens| {
        let settings = Settings { face_opens, ..Settings::builder().load().unwrap() };
        fixture.handle(Event::SettingsChanged(settings));
        let event = RecognitionEvent::Arrived(ADA);
        let request = fixture.request(Event::Recognition { event, delivered: Duration::ZERO });
        let StoreRequest::RecordVisit { orders_shown, .. } = request else { panic!("{request:?}") };
        orders_shown
    };
    assert_eq!([FaceOpens::History, FaceOpens::Greeting].map(&mut read_orders), [3, 0]);
    let page = instored_domain::Page { page: 1, limit: 20 };
    let view = instored_domain::HistoryView::Time;
    let failure = fixture.send(Command::History { customer: ADA, view, page }).unwrap_err();
    assert_eq!(failure.code, instored_domain::CommandFailureCode::SwitchedOff);
}
