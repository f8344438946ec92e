//! Tests that the same face is detected at the same position in every pixel format.

use image::codecs::jpeg::JpegEncoder;
use instored_imaging::{FrameLayout, LumaRange, Picture, PixelFormat};
use instored_vision::{Detector, Embedder, Model, Purpose, Rect, Role, align};

/// Returns a portrait of at most 640 × 480 pixels, with even sides.
fn portrait(name: &str) -> Picture {
    let path = format!("{}/../simulation/portraits/{name}", env!("CARGO_MANIFEST_DIR"));
    let rgb = image::open(path).unwrap().thumbnail(640, 480).into_rgb8();
    let (width, height) = (rgb.width() / 2 * 2, rgb.height() / 2 * 2);
    let even = image::imageops::crop_imm(&rgb, 0, 0, width, height).to_image();
    Picture::new(width, height, even.into_raw()).unwrap()
}

/// Converts a pixel to luma and chroma by the definition of BT.601, limited range.
fn yuv([r, g, b]: [u8; 3]) -> [f64; 3] {
    let [r, g, b] = [r, g, b].map(|c| f64::from(c) / 255.0);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    let (u, v) = ((b - y) / 1.772, (r - y) / 1.402);
    [16.0 + 219.0 * y, 128.0 + 224.0 * u, 128.0 + 224.0 * v]
}

/// Encodes a picture in a camera's pixel format, without row padding.
fn encode(picture: &Picture, pixel_format: PixelFormat) -> Vec<u8> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let rgb = picture.rgb().as_chunks::<3>().0;
    let yuv_pixels: Vec<_> = rgb.iter().map(|pixel| yuv(*pixel)).collect();
    let luma = |x: usize, y: usize| yuv_pixels[y * width + x][0].round() as u8;
    // Mean over a block of 2 columns and `rows` rows, with its upper left corner at (x, y).
    let chroma = |component: usize, x: usize, y: usize, rows: usize| {
        let block = (0..rows).flat_map(|dy| [(x, y + dy), (x + 1, y + dy)]);
        let sum: f64 = block.map(|(x, y)| yuv_pixels[y * width + x][component]).sum();
        (sum / (2 * rows) as f64).round() as u8
    };
    let pixels = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let corners =
        |rows| (0..height).step_by(rows).flat_map(|y| (0..width).step_by(2).map(move |x| (x, y)));
    let plane = |component| corners(2).map(move |(x, y)| chroma(component, x, y, 2));
    let grey = || pixels().map(|(x, y)| luma(x, y));
    match pixel_format {
        PixelFormat::Rgb3 => rgb.concat(),
        PixelFormat::Bgr3 => rgb.iter().flat_map(|[r, g, b]| [*b, *g, *r]).collect(),
        PixelFormat::Yuyv => corners(1)
            .flat_map(|(x, y)| [luma(x, y), chroma(1, x, y, 1), luma(x + 1, y), chroma(2, x, y, 1)])
            .collect(),
        PixelFormat::Uyvy => corners(1)
            .flat_map(|(x, y)| [chroma(1, x, y, 1), luma(x, y), chroma(2, x, y, 1), luma(x + 1, y)])
            .collect(),
        PixelFormat::Nv12 => {
            grey().chain(plane(1).zip(plane(2)).flat_map(|(u, v)| [u, v])).collect()
        }
        PixelFormat::Yu12 => grey().chain(plane(1)).chain(plane(2)).collect(),
        // Cameras encode grey in the full range.
        PixelFormat::Grey => {
            yuv_pixels.iter().map(|[y, ..]| ((y - 16.0) / 219.0 * 255.0) as u8).collect()
        }
        PixelFormat::Mjpg => {
            let mut jpeg = Vec::new();
            JpegEncoder::new_with_quality(&mut jpeg, 90)
                .encode(
                    picture.rgb(),
                    picture.width(),
                    picture.height(),
                    image::ExtendedColorType::Rgb8,
                )
                .unwrap();
            jpeg
        }
    }
}

/// Encodes and decodes a picture.
fn round_trip(picture: &Picture, pixel_format: PixelFormat) -> Picture {
    let (width, height) = (picture.width(), picture.height());
    let stride = width * pixel_format.pixel_bytes() as u32;
    FrameLayout::new(pixel_format, width, height, stride, LumaRange::Limited)
        .unwrap()
        .decode(&encode(picture, pixel_format))
        .unwrap()
}

/// Compares a picture with its round trip through each pixel format. Returns the largest error of the
/// box's sides, in pixels, and the cosine of the templates.
fn compare_all(picture: &Picture) -> Vec<(PixelFormat, f32, f32)> {
    let detector = Model::load("yunet", Role::Detector).unwrap();
    let mut detector = Detector::new(&detector, 320, 256).unwrap();
    let embedder = Embedder::load("blend").unwrap();
    let mut box_and_template = |picture: &Picture| {
        let face = detector.detect(picture).unwrap().swap_remove(0);
        let aligned = align(picture, &face.landmarks).unwrap();
        let template = embedder.embed(&aligned, &Purpose::recognition(&())).unwrap().unwrap();
        let Rect { x, y, width, height } = face.bounds;
        ([x, y, x + width, y + height], template)
    };
    let (sides, template) = box_and_template(picture);
    let compare = |pixel_format| {
        let (found, probe) = box_and_template(&round_trip(picture, pixel_format));
        let error = sides.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        (pixel_format, error, template.cosine(&probe))
    };
    PixelFormat::ALL.into_iter().map(compare).collect()
}

#[test]
fn colour_formats_yield_same_box_and_template() {
    for name in ["person_a_1.jpg", "person_b_2.jpg", "astronaut.png"] {
        for (pixel_format, error, cosine) in compare_all(&portrait(name)) {
            // Without colour, the box and the template differ more.
            if pixel_format == PixelFormat::Grey {
                assert!(cosine >= 0.9, "{name} without colour: {cosine}");
            } else {
                assert!(error <= 2.0, "{name} as {pixel_format:?} has an error of {error} px");
                assert!(cosine >= 0.98, "{name} as {pixel_format:?}: {cosine}");
            }
        }
    }
}

#[test]
fn grey_picture_is_the_same_in_all_formats() {
    let portrait = portrait("person_a_1.jpg");
    let grey = round_trip(&portrait, PixelFormat::Grey);
    for (pixel_format, error, cosine) in compare_all(&grey) {
        assert!(error <= 2.0, "{pixel_format:?} has an error of {error} px");
        assert!(cosine >= 0.98, "{pixel_format:?}: {cosine}");
    }
}
