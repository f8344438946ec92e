//! Bridge between the MQTT subscription and the display server.
//!
//! Events from the broker update the page, and commands from the page are sent to the box. The display
//! may run on the box or on another machine.

use std::time::Duration;

use instored_display::{CommandRequest, DisplayError, DisplayEvent};
use instored_domain::{BoxId, Command, CommandFailure, CommandFailureCode};
use instored_mqtt::{BoxEvent, CommandClient, CommandError, MqttError, TrustStore};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// Maximum time for the response of the box to a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of requests for the present customers each time the box becomes available.
const PRESENCE_ATTEMPTS_MAX: u32 = 3;
/// Maximum number of commands that wait to be sent.
const COMMAND_QUEUE_LENGTH: usize = 16;
/// Maximum number of events that wait for the display server.
const EVENT_QUEUE_LENGTH: usize = 64;

/// Error of the display's connection or page.
#[derive(Debug, thiserror::Error)]
pub enum DisplayBridgeError {
    /// The MQTT connection cannot be set up.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// The page cannot be served.
    #[error(transparent)]
    Display(#[from] DisplayError),
}

/// Serves the page of a box on `listener` until `shutdown` completes.
///
/// # Errors
/// Returns an error if the MQTT connection cannot be set up, or if the page cannot be served.
pub async fn serve(
    listener: TcpListener,
    settings: &instored_display::Settings,
    mqtt_settings: &instored_mqtt::Settings,
    box_id: &BoxId,
    trust: TrustStore,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), DisplayBridgeError> {
    let (mut box_events, client, connection) =
        instored_mqtt::subscribe(mqtt_settings, Some(box_id), trust)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mqtt_task = tokio::spawn(connection.run(async {
        // The signal is that `stop` is dropped. The receiver then returns an error.
        let _ = stopped.await;
    }));
    let (event_sender, events) = mpsc::channel(EVENT_QUEUE_LENGTH);
    let presence_client = client.clone();
    let event_task = tokio::spawn(async move {
        while let Some(event) = box_events.recv().await {
            // Availability is retained: it arrives after each connection, and when the box returns.
            if let BoxEvent::Availability(box_id, true) = &event {
                tokio::spawn(request_greetings(presence_client.clone(), box_id.clone()));
            }
            if event_sender.send(display_event(event)).await.is_err() {
                return;
            }
        }
    });
    let (command_sender, mut commands) = mpsc::channel::<CommandRequest>(COMMAND_QUEUE_LENGTH);
    let box_id = box_id.clone();
    let command_task = tokio::spawn(async move {
        while let Some(CommandRequest { command, response_sender }) = commands.recv().await {
            let (client, box_id) = (client.clone(), box_id.clone());
            tokio::spawn(async move {
                let result = client.send(&box_id, &command, COMMAND_TIMEOUT).await;
                // Fails if the browser has closed the request.
                let _ = response_sender.send(result.map_err(command_failure));
            });
        }
    });
    let result =
        instored_display::serve(listener, settings, events, command_sender, shutdown).await;
    drop(stop);
    // The tasks end because their channels are closed.
    let _ = tokio::join!(mqtt_task, event_task, command_task);
    Ok(result?)
}

/// Requests the greetings of the customers who are present, because their arrival was missed.
async fn request_greetings(client: CommandClient, box_id: BoxId) {
    let command = Command::Present { republishes_greetings: true };
    for _ in 0..PRESENCE_ATTEMPTS_MAX {
        match client.send(&box_id, &command, COMMAND_TIMEOUT).await {
            Ok(_) => return,
            Err(CommandError::NoResponse) => {}
            Err(error) => {
                return tracing::warn!("customers who are present already are not shown: {error}");
            }
        }
    }
    tracing::warn!(
        "customers who are present already are not shown: the box does not respond to `present`; allow \
         the command in the broker's access rules"
    );
}

fn command_failure(error: CommandError) -> CommandFailure {
    match error {
        CommandError::Rejected(failure) => failure,
        error => CommandFailure::new(CommandFailureCode::Internal, error.to_string()),
    }
}

fn display_event(event: BoxEvent) -> DisplayEvent {
    match event {
        BoxEvent::Visit(_, event) => DisplayEvent::Visit(event),
        BoxEvent::Enrolment(_, event) => DisplayEvent::Enrolment(event),
        BoxEvent::List(_, event) => DisplayEvent::List(event),
        BoxEvent::State(_, state) => DisplayEvent::State(state),
        BoxEvent::Availability(_, is_online) => DisplayEvent::Availability(is_online),
        BoxEvent::BrokerConnection(is_connected) => DisplayEvent::BrokerConnection(is_connected),
        BoxEvent::BrokerSilent => DisplayEvent::BrokerSilent,
    }
}
