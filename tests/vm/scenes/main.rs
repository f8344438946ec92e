//! Draws the scenes that the virtual machine's camera plays: people who stand at the entrance, from
//! the portraits of the demonstration. `scenes FOLDER` writes one file a scene, frame after frame in
//! YUYV, 640 x 480.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use instored::camera::scene::Stage;
use instored::camera::{Camera, Pace, read_picture};
use instored::vision::Picture;

const SIDES: (u32, u32) = (640, 480);
const FPS: u32 = 5;
/// Four seconds, which are played again and again.
const FRAMES: usize = 20;
/// Until somebody who walks in stands there.
const WALK: usize = 15;
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
    std::fs::create_dir_all(folder)?;
    let portraits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../src/demo/portraits");
    for (seed, (name, portrait)) in SCENES.into_iter().enumerate() {
        let (mut stage, director) = Stage::new(SIDES.0, SIDES.1, FPS, Pace::Fast, 1 + seed as u64);
        if let Some(portrait) = portrait {
            director.enter(&read_picture(&portraits.join(portrait))?);
            for _ in 0..WALK {
                stage.next_frame()?;
            }
        }
        let mut file = BufWriter::new(File::create(folder.join(format!("{name}.yuyv")))?);
        for _ in 0..FRAMES {
            file.write_all(&yuyv(&stage.next_frame()?.picture))?;
        }
        file.flush()?;
    }
    Ok(())
}

/// The picture as a webcam sends it: BT.601 in the limited range, a colour for two pixels.
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
