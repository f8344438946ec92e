//! Renders the scenes of the virtual machine's camera: people of the demo's portraits at the entrance.
//!
//! `scenes FOLDER` writes one file per scene into `FOLDER/scenes`, consecutive frames in YUYV, and one
//! picture in each camera format into `FOLDER/stills`. All pictures are 640 x 480.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use instored_camera::{Camera, Pacing};
use instored_imaging::{Picture, read_picture};
use instored_simulation::SceneCamera;

/// Width and height in pixels.
const SIZE: (u32, u32) = (640, 480);
/// Frames per second.
const FPS: u32 = 5;
/// Number of frames of a scene: four seconds, repeated by the camera.
const FRAME_COUNT: usize = 20;
/// Number of frames until a person who enters stands still.
const ENTRY_FRAMES: usize = 15;
/// Names and portraits of the scenes.
const SCENES: [(&str, Option<&str>); 6] = [
    ("nobody", None),
    ("alex", Some("person_a_1.jpg")),
    ("alex-later", Some("person_a_2.jpg")),
    ("bea", Some("person_b_1.jpg")),
    ("bea-later", Some("person_b_2.jpg")),
    ("stranger", Some("impostor_1.jpg")),
];

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: scenes FOLDER")?;
    let folder = Path::new(&folder);
    let (scenes, stills) = (folder.join("scenes"), folder.join("stills"));
    std::fs::create_dir_all(&scenes)?;
    std::fs::create_dir_all(&stills)?;
    let portraits =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../crates/simulation/portraits");
    for (seed, (name, portrait)) in SCENES.into_iter().enumerate() {
        let (mut camera, controller) =
            SceneCamera::new(SIZE.0, SIZE.1, FPS, Pacing::Unlimited, 1 + seed as u64);
        if let Some(portrait) = portrait {
            controller.enter(&read_picture(&portraits.join(portrait))?);
            for _ in 0..ENTRY_FRAMES {
                camera.next_frame()?;
            }
        }
        let mut file = BufWriter::new(File::create(scenes.join(format!("{name}.yuyv")))?);
        for _ in 0..FRAME_COUNT {
            file.write_all(&yuyv(&camera.next_frame()?.picture))?;
        }
        file.flush()?;
        if name == "alex" {
            write_stills(&camera.next_frame()?.picture, &stills)?;
        }
    }
    Ok(())
}

/// Writes the picture in each format, into a file with the name of the format.
fn write_stills(picture: &Picture, folder: &Path) -> anyhow::Result<()> {
    let (rgb, yuyv) = (picture.rgb(), yuyv(picture));
    let pixels = rgb.as_chunks::<3>().0;
    let pairs = yuyv.as_chunks::<4>().0;
    let luma = pairs.iter().flat_map(|[y0, _, y1, _]| [*y0, *y1]);
    // Chroma of every second row.
    let rows = || pairs.chunks_exact(SIZE.0 as usize / 2).step_by(2).flatten();
    let (u, v) = (rows().map(|pair| pair[1]), rows().map(|pair| pair[3]));
    let mut jpeg = Vec::new();
    JpegEncoder::new(&mut jpeg).encode(rgb, SIZE.0, SIZE.1, ExtendedColorType::Rgb8)?;
    let to_full_range = |y: u8| ((f32::from(y) - 16.0) / 219.0 * 255.0).round() as u8;
    for (name, bytes) in [
        ("RGB3", rgb.to_vec()),
        ("BGR3", pixels.iter().flat_map(|[r, g, b]| [*b, *g, *r]).collect()),
        ("UYVY", pairs.iter().flat_map(|[y0, u, y1, v]| [*u, *y0, *v, *y1]).collect()),
        ("NV12", luma.clone().chain(u.clone().zip(v.clone()).flat_map(<[u8; 2]>::from)).collect()),
        ("YU12", luma.clone().chain(u).chain(v).collect()),
        ("GREY", luma.map(to_full_range).collect()),
        ("MJPG", jpeg),
        ("YUYV", yuyv.clone()),
    ] {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

/// Converts the picture to YUYV: BT.601, limited range, one chroma sample for two pixels.
fn yuyv(picture: &Picture) -> Vec<u8> {
    let yuv = |[r, g, b]: [u8; 3]| {
        let [r, g, b] = [r, g, b].map(|level| f32::from(level) / 255.0);
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        [16.0 + 219.0 * y, 128.0 + 224.0 * (b - y) / 1.772, 128.0 + 224.0 * (r - y) / 1.402]
    };
    let pairs = picture.rgb().as_chunks::<6>().0;
    pairs
        .iter()
        .flat_map(|[a, b, c, d, e, f]| {
            let ([y0, u0, v0], [y1, u1, v1]) = (yuv([*a, *b, *c]), yuv([*d, *e, *f]));
            [y0, (u0 + u1) / 2.0, y1, (v0 + v1) / 2.0].map(|value| value.round() as u8)
        })
        .collect()
}
