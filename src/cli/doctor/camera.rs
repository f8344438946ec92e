//! Check of the camera: brightness and sharpness of its frames.

use super::exposure::{brightness, sharpness};
use crate::config::Config;
use crate::hardware;

/// Frames that a camera needs to adjust its exposure.
const WARM_UP_FRAMES: usize = 5;
/// Accepted mean pixel values, in a range of 0 to 255. Other frames are too dark or too bright.
const BRIGHTNESS: std::ops::RangeInclusive<u64> = 20..=235;
/// Minimum sharpness. A covered lens, or a lens far out of focus, has a lower value.
const SHARPNESS_MIN: f64 = 1.0;

/// Opens the camera and checks a frame.
pub(super) fn check(config: &Config) -> anyhow::Result<String> {
    let mut camera = hardware::camera_opener(config.camera.clone())()?;
    let mut frame = camera.next_frame()?;
    for _ in 1..WARM_UP_FRAMES {
        frame = camera.next_frame()?;
    }
    let (brightness, sharpness) = (brightness(&frame.picture), sharpness(&frame.picture));
    let camera = camera.describe();
    anyhow::ensure!(
        BRIGHTNESS.contains(&brightness),
        "{camera} delivers frames, but their mean brightness is {brightness} of 255: change the \
         light, or remove the lens cap"
    );
    anyhow::ensure!(
        sharpness >= SHARPNESS_MIN,
        "{camera} delivers frames, but they have no edges (sharpness {sharpness:.1}): uncover the \
         lens, clean it, or adjust its focus"
    );
    Ok(format!("{camera}, brightness {brightness} of 255, sharpness {sharpness:.1}"))
}
