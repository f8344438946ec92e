//! What the demonstration prints: the story in plain words, or every message as a line of JSON.

use std::fmt::{Arguments, Display};

use instored_domain::{
    CustomerName, CustomerRef, EnrolmentFailure, EnrolmentStep, OrderSummary, VisitEvent, VisitKind,
};
use instored_mqtt::{BoxEvent, versioned};
use serde_json::json;

/// Prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Plain words.
    Words,
    /// Every message of the bus, a JSON line each.
    Json,
}

impl Output {
    /// Tells what is played.
    pub fn say(self, words: Arguments<'_>) {
        if self == Self::Words {
            print_line(format_args!("\n{words}"));
        }
    }

    /// Tells what was heard on the bus.
    pub fn heard(self, heard: &BoxEvent) {
        match self {
            Self::Json => {
                if let Some(message) = message(heard) {
                    print_line(message);
                }
            }
            Self::Words => {
                if let Some(words) = words(heard) {
                    print_line(format_args!("    {words}"));
                }
            }
        }
    }
}

/// Prints a line. The demonstration goes on if standard output cannot be written.
fn print_line(text: impl Display) {
    let _ = crate::output::print_line(text);
}

fn message(heard: &BoxEvent) -> Option<serde_json::Value> {
    let (name, leaf, payload) = match heard {
        BoxEvent::Visit(name, event) => (name, "visit", json!(versioned(event))),
        BoxEvent::Enrolment(name, event) => (name, "enrolment", json!(versioned(event))),
        BoxEvent::List(name, event) => (name, "list", json!(versioned(event))),
        BoxEvent::State(name, state) => (name, "state", json!(versioned(state))),
        BoxEvent::Availability(name, online) => {
            (name, "availability", json!(if *online { "online" } else { "offline" }))
        }
        BoxEvent::BrokerConnection(_) => return None,
    };
    Some(json!({ "topic": format!("instored/{name}/{leaf}"), "payload": payload }))
}

fn words(heard: &BoxEvent) -> Option<String> {
    Some(match heard {
        BoxEvent::Visit(_, event) => match event.event {
            VisitKind::Arrived => greeting(event),
            VisitKind::Changed => return None,
            VisitKind::Left => format!("{} has left.", name(&event.customer)),
        },
        BoxEvent::Enrolment(_, event) => match &event.step {
            EnrolmentStep::Offered => {
                "The box: we do not know you yet; press once more to opt in.".to_owned()
            }
            EnrolmentStep::Started => "The box: welcome!".to_owned(),
            EnrolmentStep::LookHere => "The box: please look here.".to_owned(),
            EnrolmentStep::Captured { count, of } => format!("The box: view {count} of {of}."),
            EnrolmentStep::Done { claim_code, .. } => {
                format!("The box: done. Show {claim_code} at the till to link an order.")
            }
            EnrolmentStep::Failed { reason } => format!("The box: {}", failure(*reason)),
            EnrolmentStep::Withdrawn { .. } => "The box: you are forgotten.".to_owned(),
        },
        BoxEvent::List(..)
        | BoxEvent::State(..)
        | BoxEvent::Availability(..)
        | BoxEvent::BrokerConnection(_) => return None,
    })
}

fn name(customer: &CustomerRef) -> &str {
    customer.name.as_ref().map_or("A customer", CustomerName::as_str)
}

fn greeting(event: &VisitEvent) -> String {
    let mut words = format!("The box: welcome back, {}!", name(&event.customer));
    if let Some(order) = event.orders.first() {
        words += &format!("\n      last time: {}", basket(order));
    }
    for r in &event.recommendations {
        words += &format!("\n      again? {}, {}", r.name, r.reason);
    }
    words
}

fn basket(order: &OrderSummary) -> String {
    let products: Vec<_> = order.lines.iter().map(|l| l.name.as_str()).collect();
    format!("{} ({})", products.join(", "), order.currency.display(order.total))
}

fn failure(reason: EnrolmentFailure) -> &'static str {
    match reason {
        EnrolmentFailure::TimedOut => "that took too long; nothing was kept.",
        EnrolmentFailure::SeveralFaces => "one at a time, please; nothing was kept.",
        EnrolmentFailure::AlreadyEnrolled => "you are a customer already.",
        EnrolmentFailure::FaceChanged => "somebody else stepped in; nothing was kept.",
        EnrolmentFailure::NotStored => "it could not be stored; nothing was kept.",
        EnrolmentFailure::PresentationAttackSuspected => {
            "that looks like a picture; nothing was kept."
        }
        EnrolmentFailure::NoCamera => "the camera is out of order; nothing was kept.",
    }
}
