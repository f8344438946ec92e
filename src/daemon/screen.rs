//! The page's own wiring: what is heard on the bus is shown, and what customers want done is asked
//! of the box. A display is a subscriber like any
//! other; it runs beside the box or far from it.

use std::time::Duration;

use instored_display::{Asked, DisplayError, Shown};
use instored_domain::{BoxId, Refusal, RefusalCode};
use instored_mqtt::{BusError, CallError, Heard, Trust};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// How long a customer waits for the box.
const PATIENCE: Duration = Duration::from_secs(10);
/// Wishes that may wait to be sent.
const ASKED_AT_ONCE: usize = 16;

/// Why the page cannot be shown.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ScreenError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Display(#[from] DisplayError),
}

/// Serves the page of a box on `listener` until `shutdown`.
///
/// # Errors
/// When the bus cannot be set up or the page cannot be served.
pub async fn show(
    listener: TcpListener,
    settings: &instored_display::Settings,
    broker: &instored_mqtt::Settings,
    box_id: &BoxId,
    trust: Trust,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ScreenError> {
    let (mut heard, caller, connection) = instored_mqtt::listen(broker, Some(box_id), trust)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let bus = tokio::spawn(connection.run(async {
        // Fails when `stop` is dropped, which is the signal.
        let _ = stopped.await;
    }));
    let (tell, shown) = mpsc::channel(64);
    let relay = tokio::spawn(async move {
        while let Some(heard) = heard.recv().await {
            if tell.send(shown_of(heard)).await.is_err() {
                return;
            }
        }
    });
    let (asks, mut asked) = mpsc::channel::<Asked>(ASKED_AT_ONCE);
    let asked_of = box_id.clone();
    let asking = tokio::spawn(async move {
        while let Some(Asked { command, answer }) = asked.recv().await {
            let (caller, box_id) = (caller.clone(), asked_of.clone());
            tokio::spawn(async move {
                let told = caller.call(&box_id, &command, PATIENCE).await;
                // Whoever asked may have left the page.
                let _ = answer.send(told.map_err(refusal));
            });
        }
    });
    let served = instored_display::serve(listener, settings, shown, asks, shutdown).await;
    drop(stop);
    // All end by themselves now; none has anything left to say.
    let _ = tokio::join!(bus, relay, asking);
    Ok(served?)
}

fn refusal(error: CallError) -> Refusal {
    match error {
        CallError::Refused(refusal) => refusal,
        error => Refusal::new(RefusalCode::Internal, error.to_string()),
    }
}

fn shown_of(heard: Heard) -> Shown {
    match heard {
        Heard::Visit(_, event) => Shown::Visit(event),
        Heard::Enrolment(_, event) => Shown::Enrolment(event),
        Heard::List(_, event) => Shown::List(event),
        Heard::State(_, state) => Shown::State(state),
        Heard::Online(_, online) => Shown::Online(online),
        Heard::Link(up) => Shown::Link(up),
    }
}
