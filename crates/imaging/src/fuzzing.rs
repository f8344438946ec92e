//! Entry points of the fuzz targets in `fuzz/`: buffers of cameras.
//!
//! A buffer is rejected, or decoded to a picture of the announced size. Bytes outside of the frame do
//! not change the picture.

use crate::{FrameLayout, LumaRange, PixelFormat};

/// Maximum side of a picture, in pixels. Larger ones only take more time.
const SIDE_MAX: u32 = 256;

/// Decodes a Motion JPEG frame. The first byte selects what is added to the data: nothing, an end marker,
/// or all segments of a picture before the first coded bits. Returns true if the frame is decoded.
pub fn mjpeg(data: &[u8]) -> bool {
    let Some((selector, data)) = data.split_first() else { return false };
    let jpeg = match selector % 3 {
        0 => data.to_vec(),
        1 => [data, &END_MARKER].concat(),
        _ => [&segments(selector / 3)[..], data, &END_MARKER].concat(),
    };
    let (width, height) = announced_size(&jpeg).unwrap_or((16, 16));
    if width.max(height) > SIDE_MAX {
        return false;
    }
    let layout = FrameLayout::new(PixelFormat::Mjpg, width, height, 0, LumaRange::Full);
    let Ok(layout) = layout else { return false };
    let decoded = layout.decode(&jpeg);
    if let Err(error) = &decoded {
        assert!(error.0.starts_with("MJPG: "), "{error}");
        return false;
    }
    let picture = decoded.expect("decoded");
    assert_eq!((picture.width(), picture.height()), (width, height));
    assert_eq!(picture.rgb().len() as u32, width * height * 3);
    let padded = layout.decode(&[&jpeg[..], &[0; 9]].concat());
    assert_eq!(
        padded.ok().as_ref(),
        Some(&picture),
        "bytes after the end marker change the picture"
    );
    true
}

/// Decodes a frame in any other pixel format. The first five bytes are the pixel format, the width, the
/// height, the padding of each row, and the range of luma. Returns true if the frame is decoded.
pub fn camera_buffer(data: &[u8]) -> bool {
    let Some(([format, width, height, padding, range], buffer)) = data.split_first_chunk() else {
        return false;
    };
    let formats = PixelFormat::ALL.into_iter().filter(|format| *format != PixelFormat::Mjpg);
    let format = formats.cycle().nth((*format).into()).expect("a cycle has no end");
    let (width, height) = (u32::from(width % 64), u32::from(height % 64));
    let stride = (width * format.pixel_bytes() as u32 + u32::from(padding % 16)).saturating_sub(2);
    let range = if range % 2 == 0 { LumaRange::Limited } else { LumaRange::Full };
    let Ok(layout) = FrameLayout::new(format, width, height, stride, range) else { return false };
    let decoded = layout.decode(buffer);
    assert_eq!(decoded.is_ok(), buffer.len() >= layout.frame_bytes());
    let Ok(picture) = decoded else { return false };
    assert_eq!((picture.width(), picture.height()), (width, height));
    check_luma(&picture, width, height);
    assert_eq!(picture.rgb().len() as u32, width * height * 3);

    let frame = &buffer[..layout.frame_bytes()];
    assert_eq!(layout.decode(frame).ok().as_ref(), Some(&picture), "bytes after the frame");
    if !matches!(format, PixelFormat::Nv12 | PixelFormat::Yu12) {
        let rows = frame.chunks(stride as usize);
        let packed: Vec<u8> = rows.flat_map(|row| &row[..layout.row_bytes()]).copied().collect();
        let packed_layout =
            FrameLayout::new(format, width, height, layout.row_bytes() as u32, range);
        let unpadded = packed_layout.expect("a valid size").decode(&packed);
        assert_eq!(unpadded.ok().as_ref(), Some(&picture), "the padding changes the picture");
    }
    true
}

fn check_luma(picture: &crate::Picture, width: u32, height: u32) {
    let mut luma = Vec::new();
    for step in [1, 3] {
        for y in 0..height as usize {
            picture.sample_luma(y, step, &mut luma);
            assert_eq!(luma.len(), (width as usize).div_ceil(step));
        }
    }
}

const END_MARKER: [u8; 2] = [0xFF, 0xD9];

/// Returns the segments of a picture of 16 × 16 pixels before its coded bits. The lowest bits of
/// `selector` select the number of colours, the subsampling, and whether the picture is progressive.
fn segments(selector: u8) -> Vec<u8> {
    let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    jpeg.extend([1; 64]);
    let components = if selector & 1 == 0 { 3 } else { 1 };
    let sampling = [0x11, 0x21, 0x22, 0x12][usize::from(selector >> 1 & 3)];
    let frame_type = if selector & 8 == 0 { 0xC0 } else { 0xC2 };
    jpeg.extend([0xFF, frame_type, 0, 8 + 3 * components, 8, 0, 16, 0, 16, components]);
    for id in 1..=components {
        jpeg.extend([id, if id == 1 { sampling } else { 0x11 }, 0]);
    }
    jpeg.extend([0xFF, 0xDA, 0, 6 + 2 * components, components]);
    for id in 1..=components {
        jpeg.extend([id, if id == 1 { 0x00 } else { 0x11 }]);
    }
    jpeg.extend(if frame_type == 0xC0 { [0, 63, 0] } else { [0, 0, 0] });
    jpeg
}

/// Returns the width and height in the first start-of-frame segment.
fn announced_size(jpeg: &[u8]) -> Option<(u32, u32)> {
    let start = jpeg.windows(2).position(|pair| matches!(pair, [0xFF, 0xC0..=0xC2]))?;
    let size = jpeg.get(start + 5..start + 9)?;
    let side = |at| u32::from(u16::from_be_bytes([size[at], size[at + 1]]));
    Some((side(2), side(0)))
}
