//! Golden test for the formats of published and stored data. Each test value is serialised as JSON
//! and CBOR, compared with its lines in `wire_format.txt`, and deserialised again.

use std::fmt::{Debug, Write as _};

use instored_domain::*;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

#[test]
fn payloads_and_records_keep_their_format() {
    let golden = include_str!("wire_format.txt");
    let written = golden_text();
    if written != golden {
        std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/wire_format.txt"), &written).unwrap();
    }
    for (written, golden) in written.lines().zip(golden.lines()) {
        assert_eq!(written, golden);
    }
    assert_eq!(written.lines().count(), golden.lines().count());
}

/// Text with one JSON line and one CBOR line for each value.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, value: &T) {
        let json = serde_json::to_string(value).unwrap();
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value, "{name}");
        let mut cbor = Vec::new();
        ciborium::into_writer(value, &mut cbor).unwrap();
        assert_eq!(ciborium::from_reader::<T, _>(cbor.as_slice()).unwrap(), *value, "{name}");
        writeln!(self.0, "{name} json {json}").unwrap();
        let cbor: String = cbor.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.0, "{name} cbor {cbor}").unwrap();
    }
}

fn golden_text() -> String {
    let mut lines = Lines::default();
    records(&mut lines);
    events(&mut lines);
    commands(&mut lines);
    histories(&mut lines);
    lines.0
}

fn customer() -> CustomerId {
    CustomerId(Uuid::from_u128(7))
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn code() -> ClaimCode {
    "K7QM-3DXV".parse().unwrap()
}

fn customer_reference() -> CustomerRef {
    CustomerRef { id: customer(), name: Some("Zoë".parse().unwrap()) }
}

fn preferences() -> Preferences {
    Preferences {
        can_recommend: true,
        can_show_history: false,
        allergens: [Allergen::Nuts, Allergen::Milk].into(),
    }
}

fn product() -> Product {
    Product {
        sku: "4001".into(),
        name: "Pears, loose".into(),
        category: Some("fruit".into()),
        is_available: false,
        is_age_restricted: true,
        allergens: [Allergen::Gluten].into(),
    }
}

fn order() -> Order {
    let line = LineItem {
        sku: "4001".into(),
        name: "Pears, loose".into(),
        quantity: "0.345".parse().unwrap(),
        unit: Unit::Kg,
        unit_price: 299,
        is_void: false,
    };
    let void_line = LineItem {
        quantity: "-1".parse().unwrap(),
        unit: Unit::Piece,
        is_void: true,
        ..line.clone()
    };
    Order {
        id: OrderId("T1-1".into()),
        customer: customer(),
        placed: parse_order_time("2026-03-29T09:15:00+02:00[Europe/Berlin]").unwrap(),
        currency: "EUR".parse().unwrap(),
        lines: vec![line, void_line],
        total: -196,
        till: Some("2".into()),
        replaces: Some(OrderId("T1-0".into())),
    }
}

fn till_order() -> TillOrder {
    let placed = parse_order_time("2026-03-29T09:15:00+02:00").unwrap();
    Order { placed, till: None, replaces: None, ..order().with_customer(NoCustomer) }
}

fn records(lines: &mut Lines) {
    lines.add("order", &order());
    lines.add("till_order", &till_order());
    lines.add("product", &product());
    let bare = Product { category: None, allergens: [].into(), ..product() };
    lines.add("bare_product", &bare);
    lines.add(
        "customer",
        &Customer {
            id: customer(),
            name: None,
            enrolled: time(0),
            visits: 3,
            last_visit: Some(time(60)),
            deletion_due: None,
            has_unconfirmed_time: false,
            preferences: preferences(),
        },
    );
    lines.add(
        "consent",
        &Consent {
            customer: customer(),
            given: time(0),
            method: ConsentMethod::Button,
            box_id: "entrance".parse().unwrap(),
            text_version: "1".into(),
            language: "de".into(),
            text_hash: None,
            receipt: ConsentReceipt(code()),
        },
    );
    lines.add(
        "consent_with_text",
        &Consent {
            customer: customer(),
            given: time(0),
            method: ConsentMethod::Display,
            box_id: "entrance".parse().unwrap(),
            text_version: "1".into(),
            language: "de".into(),
            text_hash: Some(ConsentTextHash::of("text")),
            receipt: ConsentReceipt(code()),
        },
    );
    lines.add("consent_method", &ConsentMethod::Command);
}

fn reasons() -> Vec<Reason> {
    vec![
        Reason::Usual { baskets: 6, of: 8 },
        Reason::Due { every_days: 7, since_days: 8 },
        Reason::LastTime,
        Reason::Once { days_ago: 40 },
        Reason::BoughtTogether { with: "Bread".into(), with_sku: "2".into(), baskets: 9, of: 14 },
        Reason::LikedHere { customers: 31 },
        Reason::PopularAtThisHour { customers: 4, from_hour: 11, to_hour: 14, days: 60 },
    ]
}

fn events(lines: &mut Lines) {
    let (id, issued, expires) = (EventId(Uuid::from_u128(9)), time(0), time(20));
    let summary = OrderSummary::from(order());
    let recommendations: Vec<_> =
        reasons().into_iter().map(|reason| Recommendation::new("1", "Milk", reason)).collect();
    for event in [VisitKind::Arrived, VisitKind::Changed, VisitKind::Left] {
        lines.add(
            "visit",
            &VisitEvent {
                id,
                event,
                customer: customer_reference(),
                visits: 4,
                orders: vec![summary.clone()],
                recommendations: recommendations.clone(),
                issued,
                expires,
            },
        );
    }
    lines.add("presence", &PresenceEvent { event: VisitKind::Left, issued, expires });
    let list = list();
    lines.add("list_event", &ListEvent { id, list, issued, expires });
    for step in [
        EnrolmentStep::Offered,
        EnrolmentStep::Started,
        EnrolmentStep::LookHere,
        EnrolmentStep::Captured { count: 2, of: 5 },
        EnrolmentStep::Withdrawn { customer: customer() },
        EnrolmentStep::Done {
            customer: customer_reference(),
            claim_code: code(),
            receipt: ConsentReceipt(code()),
            resembles_another: true,
        },
        EnrolmentStep::Done {
            customer: customer_reference(),
            claim_code: code(),
            receipt: ConsentReceipt(code()),
            resembles_another: false,
        },
        EnrolmentStep::Failed { reason: EnrolmentFailure::TimedOut },
        EnrolmentStep::Failed { reason: EnrolmentFailure::SeveralFaces },
        EnrolmentStep::Failed { reason: EnrolmentFailure::AlreadyEnrolled },
        EnrolmentStep::Failed { reason: EnrolmentFailure::FaceChanged },
        EnrolmentStep::Failed { reason: EnrolmentFailure::NotStored },
        EnrolmentStep::Failed { reason: EnrolmentFailure::NoCamera },
        EnrolmentStep::Failed { reason: EnrolmentFailure::PresentationAttackSuspected },
    ] {
        lines.add("enrolment", &EnrolmentEvent { id, step, issued, expires });
    }
    for (mode, camera) in [
        (Mode::Watching, CameraState::Starting),
        (Mode::Waiting, CameraState::Streaming),
        (Mode::Enrolling, CameraState::Unavailable),
    ] {
        lines.add(
            "state",
            &BoxState {
                mode,
                camera,
                model: ModelId("sface".into()),
                customers: 1,
                rejected_records: 2,
                embeddings: EmbeddingCount { enrolment: 3, recognition: 4 },
                faces: FaceCount { seen: 10, attended: 11, embedded: 12 },
                suspected_attacks: 5,
                visits_today: 6,
                not_me_reports: 7,
                rejected_commands: 8,
                retention: RetentionStatus::ClockNotConfirmed,
                due_customers: 9,
                version: "0.1.0".into(),
                issued,
            },
        );
    }
}

fn list() -> ShoppingList {
    let item = ListItem { sku: "1".into(), name: "Milk".into() };
    ShoppingList { customer: customer(), items: vec![item] }
}

fn commands(lines: &mut Lines) {
    let customer = customer();
    let buyer = BuyerRef::AtTill("2".into());
    for command in [
        Command::Present { republishes_greetings: false },
        Command::Present { republishes_greetings: true },
        Command::Enrol { language: Some("de".into()) },
        Command::Agree { code: AgreementCode(Uuid::from_u128(7)) },
        Command::Forget { customer, code: code() },
        Command::NotMe { customer },
        Command::Rename { customer, name: customer_reference().name },
        Command::Preferences {
            customer,
            can_recommend: Some(false),
            can_show_history: Some(true),
            allergens: Some([Allergen::Fish].into()),
        },
        Command::AtTill { buyer: BuyerRef::ClaimCode(code()), till: "2".into() },
        Command::Order { buyer: BuyerRef::Customer(customer), order: till_order() },
        Command::List { buyer, add: vec!["1".into()], remove: vec!["2".into()] },
        Command::Catalogue { products: vec![product()], remove: vec!["2".into()] },
    ] {
        // Commands have no CBOR format.
        let json = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), command);
        writeln!(lines.0, "command json {json}").unwrap();
    }
    for view in [HistoryView::Time, HistoryView::Product, HistoryView::Repeats] {
        let command = Command::History { customer, view, page: Page { page: 2, limit: 10 } };
        let json = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), command);
        writeln!(lines.0, "command json {json}").unwrap();
    }
    for response in [
        CommandResponse::Present(vec![customer_reference()]),
        CommandResponse::Offered(EnrolmentOffer {
            code: AgreementCode(Uuid::from_u128(7)),
            expires: time(120),
            consent: ConsentText { language: "de".into(), text: "text".into() },
        }),
        CommandResponse::Enrolling {},
        CommandResponse::Forgotten(customer),
        CommandResponse::Dismissed(customer),
        CommandResponse::Renamed(customer_reference()),
        CommandResponse::Preferences { customer, preferences: preferences() },
        CommandResponse::AtTill { customer, till: "2".into(), until: time(600) },
        CommandResponse::List(list()),
        CommandResponse::Catalogue(CatalogueChange {
            added: 1,
            changed: 2,
            unchanged: 3,
            removed: 4,
        }),
        CommandResponse::Order { id: order().id, customer, is_new: true },
    ] {
        lines.add("response", &response);
    }
    for code in [
        CommandFailureCode::UnknownCommand,
        CommandFailureCode::Malformed,
        CommandFailureCode::NotFound,
        CommandFailureCode::Conflict,
        CommandFailureCode::SwitchedOff,
        CommandFailureCode::TooMany,
        CommandFailureCode::Internal,
    ] {
        lines.add("failure", &CommandFailure::new(code, "a message"));
    }
}

fn histories(lines: &mut Lines) {
    let (first, last) = (till_order().placed, order().placed);
    let product = PurchasedProduct {
        sku: "1".into(),
        name: "Milk".into(),
        orders: 3,
        quantity: "2.5".parse().unwrap(),
        unit: Unit::L,
        spent: 360,
        currency: "EUR".parse().unwrap(),
        first,
        last: last.clone(),
    };
    let repeated = RepeatedProduct {
        sku: "1".into(),
        name: "Milk".into(),
        orders: 2,
        quantity: 1.into(),
        unit: Unit::Piece,
        last,
        days_since: 4,
        every_days: Some(7),
    };
    for entries in [
        HistoryEntries::Orders(vec![till_order()]),
        HistoryEntries::Products(vec![product]),
        HistoryEntries::Repeats(vec![
            repeated.clone(),
            RepeatedProduct { every_days: None, ..repeated },
        ]),
    ] {
        let history = History { customer: customer(), page: 1, pages: 2, entry_count: 3, entries };
        let json = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<History>(&json).unwrap(), history);
        writeln!(lines.0, "history json {json}").unwrap();
    }
}
