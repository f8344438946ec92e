//! Inputs of the controller.

use std::time::Duration;

use instored_domain::{
    CameraState, Command, CustomerId, EmbeddingCount, FaceCount, RecognitionEvent, ResponseAddress,
};
use instored_panel::ButtonEvent;
use instored_recommend::Ranker;
use jiff::Zoned;

use crate::operator::{ClientId, OperatorRequest};
use crate::settings::Settings;
use crate::store::StoreResponse;

/// Event that the controller handles.
pub enum Event {
    /// Result of recognition.
    Recognition {
        /// The result.
        event: RecognitionEvent,
        /// Uptime at which the camera delivered the frame.
        delivered: Duration,
    },
    /// The camera started to stream, or became unavailable.
    CameraStateChanged(CameraState),
    /// A first face is in view (true), or no face is in view any more (false).
    FaceInViewChanged(bool),
    /// The customers in view changed.
    PresentCustomersChanged(Vec<CustomerId>),
    /// Press or hold of the button.
    Button(ButtonEvent),
    /// Command from MQTT. The next command is passed after the response to this one, so that commands are
    /// executed in their sequence.
    Command {
        /// The command.
        command: Command,
        /// Address for the response; `None` if the client expects none.
        address: Option<ResponseAddress>,
    },
    /// Request of the command line.
    Operator {
        /// The request.
        request: OperatorRequest,
        /// The client to answer.
        client: ClientId,
    },
    /// The broker has acknowledged the message of the outbox with this number.
    Delivered(u64),
    /// Result of the oldest operation on the vault that had no result yet.
    Stored(StoreResponse),
    /// Result of [`Effect::CheckClock`](crate::Effect::CheckClock): true if a time server has set the
    /// clock.
    ClockChecked(bool),
    /// Result of [`Effect::Train`](crate::Effect::Train); `None` if the training failed.
    Trained(Option<Ranker>),
    /// Changed settings.
    SettingsChanged(Settings),
    /// Time for periodic work.
    Tick,
    /// The daemon stops after this event.
    Stopping,
}

/// Time and counters at an event.
#[derive(Clone, Debug)]
pub struct Readings {
    /// System clock, in the time zone of the shop. It may be wrong and may be set back.
    pub now: Zoned,
    /// Time since the start of the daemon. It never decreases.
    pub uptime: Duration,
    /// Counters of other parts.
    pub counters: Counters,
}

/// Counters of recognition and MQTT since the start, for the published state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Embeddings, by purpose.
    pub embeddings: EmbeddingCount,
    /// Faces that were detected, attended and embedded.
    pub faces: FaceCount,
    /// Commands that were rejected.
    pub rejected_commands: u64,
}
