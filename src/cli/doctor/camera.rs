//! Does the camera deliver, and is there anything to be seen?

use super::picture::{brightness, sharpness};
use crate::config::Config;
use crate::hardware;

/// Frames until a camera has set its exposure.
const WARM_UP: usize = 5;
/// Means of a picture, of 255, between which there is light, and not too much of it.
const LIT: std::ops::RangeInclusive<u64> = 20..=235;
/// Below it a picture shows nothing: a lens that is covered, or far out of focus.
const SHARP: f64 = 1.0;

pub(super) fn look(config: &Config) -> anyhow::Result<String> {
    let mut camera = hardware::camera_opener(config.camera.clone())()?;
    let mut frame = camera.next_frame()?;
    for _ in 1..WARM_UP {
        frame = camera.next_frame()?;
    }
    let (brightness, sharpness) = (brightness(&frame.picture), sharpness(&frame.picture));
    let what = camera.describe();
    anyhow::ensure!(
        LIT.contains(&brightness),
        "{what} delivers, but the picture's mean is {brightness} of 255: mend the light, or take off \
         the lens cap"
    );
    anyhow::ensure!(
        sharpness >= SHARP,
        "{what} delivers, but the picture has no edges (sharpness {sharpness:.1}): uncover the lens, \
         clean it, or set its focus"
    );
    Ok(format!("{what}, brightness {brightness} of 255, sharpness {sharpness:.1}"))
}
