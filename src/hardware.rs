//! Camera and panel as configured, including the simulated ones.

use instored_camera::{self as camera, Camera, CameraError, Opener, Pacing};
use instored_imaging::read_picture;
use instored_panel::{self as panel, Driver, Panel, PanelError};
use instored_simulation::{VisitLoop, panel as simulated};

/// Returns a function that opens the configured camera, again after each loss.
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

/// Opens the configured panel, and returns a handle to it where it is simulated.
///
/// # Errors
/// When the driver or one of its GPIO lines cannot be opened.
pub fn open_panel(
    settings: &panel::Settings,
) -> Result<(Panel, Option<simulated::PanelHandle>), PanelError> {
    if settings.driver == Driver::Simulated {
        let (button, light, handle) = simulated::panel(simulated::Clock::real());
        return Ok(((Box::new(button), Box::new(light)), Some(handle)));
    }
    Ok((panel::open(settings)?, None))
}
