//! Output of the demonstration: sentences, or each MQTT message as a line of JSON.

use std::fmt::{Arguments, Display};

use instored_domain::{
    CustomerName, CustomerRef, EnrolmentFailure, EnrolmentStep, OrderSummary, VisitEvent, VisitKind,
};
use instored_mqtt::{BoxEvent, versioned};
use serde_json::json;

/// Format of the output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// English sentences.
    Text,
    /// Each MQTT message as a line of JSON.
    Json,
}

impl Output {
    /// Prints what happens in the scene.
    pub fn print_scene(self, text: Arguments<'_>) {
        if self == Self::Text {
            print_line(format_args!("\n{text}"));
        }
    }

    /// Prints an event of the box.
    pub fn print_event(self, event: &BoxEvent) {
        match self {
            Self::Json => {
                if let Some(message) = json_message(event) {
                    print_line(message);
                }
            }
            Self::Text => {
                if let Some(sentence) = sentence(event) {
                    print_line(format_args!("    {sentence}"));
                }
            }
        }
    }
}

/// Prints a line. The demonstration continues if standard output cannot be written.
fn print_line(text: impl Display) {
    let _ = crate::output::print_line(text);
}

/// Returns the MQTT message of an event: its topic and payload.
fn json_message(event: &BoxEvent) -> Option<serde_json::Value> {
    let (box_id, leaf, payload) = match event {
        BoxEvent::Visit(box_id, event) => (box_id, "visit", json!(versioned(event))),
        BoxEvent::Enrolment(box_id, event) => (box_id, "enrolment", json!(versioned(event))),
        BoxEvent::List(box_id, event) => (box_id, "list", json!(versioned(event))),
        BoxEvent::State(box_id, state) => (box_id, "state", json!(versioned(state))),
        BoxEvent::Availability(box_id, is_online) => {
            (box_id, "availability", json!(if *is_online { "online" } else { "offline" }))
        }
        BoxEvent::BrokerConnection(_) | BoxEvent::BrokerSilent => return None,
    };
    Some(json!({ "topic": format!("instored/{box_id}/{leaf}"), "payload": payload }))
}

/// Returns a sentence about an event, or `None` for an event that is not printed.
fn sentence(event: &BoxEvent) -> Option<String> {
    Some(match event {
        BoxEvent::Visit(_, event) => match event.event {
            VisitKind::Arrived => greeting(event),
            VisitKind::Changed => return None,
            VisitKind::Left => format!("{} has left.", customer_name(&event.customer)),
        },
        BoxEvent::Enrolment(_, event) => match &event.step {
            EnrolmentStep::Offered => {
                "The box: please read what you agree to, and press again.".to_owned()
            }
            EnrolmentStep::Started => "The box: thank you!".to_owned(),
            EnrolmentStep::LookHere => "The box: please look here.".to_owned(),
            EnrolmentStep::Captured { count, of } => format!("The box: view {count} of {of}."),
            EnrolmentStep::Done { claim_code, .. } => {
                format!("The box: done. Show {claim_code} at the till to link an order.")
            }
            EnrolmentStep::Failed { reason } => format!("The box: {}", failure_text(*reason)),
            EnrolmentStep::Withdrawn { .. } => "The box: your data is deleted.".to_owned(),
        },
        BoxEvent::List(..)
        | BoxEvent::State(..)
        | BoxEvent::Availability(..)
        | BoxEvent::BrokerConnection(_)
        | BoxEvent::BrokerSilent => return None,
    })
}

fn customer_name(customer: &CustomerRef) -> &str {
    customer.name.as_ref().map_or("A customer", CustomerName::as_str)
}

fn greeting(event: &VisitEvent) -> String {
    let mut text = format!("The box: welcome back, {}!", customer_name(&event.customer));
    if let Some(order) = event.orders.first() {
        text += &format!("\n      last time: {}", order_line(order));
    }
    for recommendation in &event.recommendations {
        text += &format!("\n      again? {}, {}", recommendation.name, recommendation.reason);
    }
    text
}

fn order_line(order: &OrderSummary) -> String {
    let products: Vec<_> = order.lines.iter().map(|line| line.name.as_str()).collect();
    format!("{} ({})", products.join(", "), order.currency.display(order.total))
}

fn failure_text(reason: EnrolmentFailure) -> &'static str {
    match reason {
        EnrolmentFailure::TimedOut => "that took too long; nothing was stored.",
        EnrolmentFailure::SeveralFaces => "one person at a time, please; nothing was stored.",
        EnrolmentFailure::AlreadyEnrolled => "you are a customer already.",
        EnrolmentFailure::FaceChanged => "another person stepped in; nothing was stored.",
        EnrolmentFailure::NotStored => "it could not be stored.",
        EnrolmentFailure::PresentationAttackSuspected => {
            "that looks like a photo; nothing was stored."
        }
        EnrolmentFailure::NoCamera => "the camera is out of order; nothing was stored.",
    }
}
