//! Writes JPEG frames of a shop with frequent visits, for a camera that plays them in a loop.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use instored_camera::{Camera as _, Pacing};
use instored_imaging::read_picture;
use instored_simulation::SceneCamera;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
const FRAMES_PER_SECOND: u32 = 10;
const JPEG_QUALITY: u8 = 90;
/// Seed of background and noise.
const SEED: u64 = 1;
/// Short visits of each customer before a long one.
const SHORT_VISITS: usize = 10;
/// Time from the entrance to the start of leaving. Entering takes two seconds, leaving too.
const SHORT_VISIT: Duration = Duration::from_millis(2600);
/// Time from the entrance to the start of leaving, long enough for an enrolment.
const LONG_VISIT: Duration = Duration::from_secs(10);
/// Time from the start of leaving to the next visit.
const PAUSE: Duration = Duration::from_millis(2800);

/// Writes the film into `folder`. The person of each portrait visits the shop several times.
pub fn render(folder: &Path, portraits: &[&str]) -> Result<()> {
    fs::create_dir_all(folder)?;
    let portrait_folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/simulation/portraits");
    let (mut camera, controller) =
        SceneCamera::new(WIDTH, HEIGHT, FRAMES_PER_SECOND, Pacing::Unlimited, SEED);
    let mut number = 0;
    let mut film = |duration: Duration| -> Result<()> {
        for _ in 0..duration.as_millis() * u128::from(FRAMES_PER_SECOND) / 1000 {
            let frame = camera.next_frame()?;
            let mut jpeg = Vec::new();
            JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode(
                frame.picture.rgb(),
                WIDTH,
                HEIGHT,
                ExtendedColorType::Rgb8,
            )?;
            fs::write(folder.join(format!("{number:05}.jpg")), jpeg)?;
            number += 1;
        }
        Ok(())
    };
    for portrait in portraits {
        let portrait = read_picture(&portrait_folder.join(portrait)).context("a portrait")?;
        for visit in 0..=SHORT_VISITS {
            let person = controller.enter(&portrait);
            if visit == SHORT_VISITS {
                film(LONG_VISIT / 2)?;
                controller.turn_aside(person);
                film(LONG_VISIT / 2)?;
            } else {
                film(SHORT_VISIT)?;
            }
            controller.leave(person);
            film(PAUSE)?;
        }
    }
    Ok(())
}
