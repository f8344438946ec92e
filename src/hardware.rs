//! Camera and panel that the configuration selects, real or simulated.

use instored_camera::{self as camera, Camera, CameraError, Opener, Pacing};
use instored_imaging::read_picture;
use instored_panel::{self as panel, Driver, Monitor, Panel};
use instored_simulation::{VisitLoop, panel as simulated};

/// Returns a function that opens the configured camera. It can be called again after a loss of the
/// camera.
pub fn camera_opener(
    settings: camera::Settings,
) -> impl FnMut() -> Result<Box<dyn Camera>, CameraError> + Send + use<> {
    let mut opener = Opener::new(settings.clone());
    move || match settings.device.strip_prefix("scene:") {
        Some(portrait) => {
            let portrait = read_picture(portrait.as_ref())?;
            let visits = VisitLoop::new(&settings, portrait, Pacing::RealTime);
            Ok(camera::oriented(Box::new(visits), &settings))
        }
        None => opener.open(),
    }
}

/// Opens the configured panel, and returns a handle to it if it is simulated. The supervisor reopens
/// a real panel after a failure.
pub fn open_panel(settings: &panel::Settings) -> (Panel, Option<simulated::PanelHandle>) {
    if settings.driver == Driver::Simulated {
        let (panel, handle) = simulated_panel(simulated::Clock::real());
        (panel, Some(handle))
    } else {
        (panel::supervise(settings), None)
    }
}

/// Creates a simulated panel, and the handle that controls it.
pub fn simulated_panel(clock: simulated::Clock) -> (Panel, simulated::PanelHandle) {
    let (button, led, handle) = simulated::panel(clock);
    let panel = Panel {
        button: Box::new(button),
        led: Box::new(led),
        monitor: Monitor::always_ready("simulated button and status LED"),
    };
    (panel, handle)
}
