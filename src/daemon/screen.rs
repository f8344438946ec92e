//! The page's own wiring: what is heard on the bus is shown. A display is a subscriber like any
//! other; it runs beside the box or far from it.

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::bus::{self, BusError, Heard, Trust};
use crate::display::{self, DisplayError, Shown};
use crate::domain::BoxId;

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
    settings: &display::Settings,
    broker: &bus::Settings,
    box_id: &BoxId,
    trust: Trust,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ScreenError> {
    let (mut heard, _caller, connection) = bus::listen(broker, Some(box_id), trust)?;
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
    let served = display::serve(listener, settings, shown, shutdown).await;
    drop(stop);
    // Both end by themselves now; neither has anything left to say.
    let _ = tokio::join!(bus, relay);
    Ok(served?)
}

fn shown_of(heard: Heard) -> Shown {
    match heard {
        Heard::Visit(_, event) => Shown::Visit(event),
        Heard::Enrolment(_, event) => Shown::Enrolment(event),
        Heard::State(_, state) => Shown::State(state),
        Heard::Online(_, online) => Shown::Online(online),
        Heard::Link(up) => Shown::Link(up),
    }
}
