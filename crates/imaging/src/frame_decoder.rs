//! Decoding of camera buffers.

use std::sync::Arc;

use super::frame_layout::FrameLayout;
use super::yuv::YuvFrame;
use super::{FrameError, Picture, PixelFormat, mjpeg};

impl FrameLayout {
    /// Decodes the picture in a buffer.
    ///
    /// # Errors
    /// If `bytes` are shorter than the frame or are damaged.
    pub fn decode(&self, bytes: &[u8]) -> Result<Picture, FrameError> {
        let (width, height) = (self.width as u32, self.height as u32);
        if self.pixel_format == PixelFormat::Mjpg {
            return mjpeg::decode(bytes, width, height);
        }
        if bytes.len() < self.frame_bytes() {
            let (received, expected) = (bytes.len(), self.frame_bytes());
            return Err(FrameError(format!("received {received} of {expected} bytes")));
        }
        let append: fn(&mut Vec<u8>, &[u8]) = match self.pixel_format {
            PixelFormat::Rgb3 => |rgb, row| rgb.extend_from_slice(row),
            PixelFormat::Bgr3 => |rgb, row| {
                let pixels = row.as_chunks().0.iter();
                rgb.extend(pixels.flat_map(|[blue, green, red]| [*red, *green, *blue]));
            },
            PixelFormat::Grey => |rgb, row| rgb.extend(row.iter().flat_map(|level| [*level; 3])),
            _ => {
                let frame = YuvFrame { layout: *self, bytes: bytes[..self.frame_bytes()].to_vec() };
                return Ok(Picture::lazy(width, height, Arc::new(frame)));
            }
        };
        let mut rgb = Vec::with_capacity(self.width * self.height * 3);
        for y in 0..self.height {
            append(&mut rgb, &bytes[y * self.stride..][..self.row_bytes()]);
        }
        Picture::new(width, height, rgb).map_err(|err| FrameError(err.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame_layout::LumaRange;
    use super::*;

    fn layout(pixel_format: PixelFormat, width: u32, height: u32, stride: u32) -> FrameLayout {
        FrameLayout::new(pixel_format, width, height, stride, LumaRange::Limited).unwrap()
    }

    fn yuyv(bytes: &[u8], width: u32, height: u32, range: LumaRange) -> Vec<u8> {
        let layout = FrameLayout::new(PixelFormat::Yuyv, width, height, width * 2, range).unwrap();
        layout.decode(bytes).unwrap().rgb().to_vec()
    }

    fn reference_rgb(y: u8, u: u8, v: u8, range: LumaRange) -> [u8; 3] {
        let (black, luma, chroma) =
            if range == LumaRange::Full { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
        let y = (f64::from(y) - black) * 255.0 / luma;
        let [u, v] = [u, v].map(|c| (f64::from(c) - 128.0) * 255.0 / chroma);
        let (kr, kg, kb) = (0.299, 0.587, 0.114);
        let (r, b) = (2.0 * (1.0 - kr) * v, 2.0 * (1.0 - kb) * u);
        let g = -(kr * r + kb * b) / kg;
        [y + r, y + g, y + b].map(|c| c.round().clamp(0.0, 255.0) as u8)
    }

    #[test]
    fn yuv_colours_match_reference_within_one_level() {
        for range in [LumaRange::Limited, LumaRange::Full] {
            let (mut different, mut all) = (0u32, 0u32);
            for u in (0..=255u8).step_by(5) {
                for v in (0..=255u8).step_by(5) {
                    let bytes: Vec<u8> = (0..128).flat_map(|y| [2 * y, u, 2 * y + 1, v]).collect();
                    let rgb = yuyv(&bytes, 256, 1, range);
                    for (y, pixel) in rgb.chunks_exact(3).enumerate() {
                        for (found, expected) in
                            pixel.iter().zip(reference_rgb(y as u8, u, v, range))
                        {
                            assert!(found.abs_diff(expected) <= 1, "{y} {u} {v} {range:?}");
                            different += u32::from(*found != expected);
                            all += 1;
                        }
                    }
                }
            }
            assert!(different < all / 1000, "{different} of {all}");
        }
    }

    #[test]
    fn black_white_and_primaries_match_standard_values() {
        for (yuv, rgb) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
        ] {
            let [y, u, v] = yuv;
            let found = yuyv(&[y, u, y, v], 2, 1, LumaRange::Limited);
            assert_eq!(found, [rgb, rgb].concat(), "{yuv:?}");
        }
    }

    /// Decodes two padded rows of four pixels: a red and a grey pair in the upper row, a blue and a
    /// grey pair in the lower row. In formats whose rows share their chroma, the lower row is red,
    /// too.
    #[test]
    fn each_pixel_format_is_decoded_without_padding() {
        let (red, blue, grey) = ([254, 0, 0], [0, 0, 255], [128, 128, 128]);
        let [(yr, ur, vr), (yb, ub, vb)] = [(81, 90, 240), (41, 240, 110)];
        let pad = [77; 4];
        let rows = |rows: &[&[u8]]| rows.iter().map(|r| [r, &pad[..]].concat()).collect::<Vec<_>>();
        let two_rows = |upper: [u8; 3], lower: [u8; 3]| {
            [[upper, upper, grey, grey], [lower, lower, grey, grey]].concat().concat()
        };
        let yg = 126;
        for (pixel_format, stride, bytes, expected) in [
            (
                PixelFormat::Yuyv,
                12,
                rows(&[&[yr, ur, yr, vr, yg, 128, yg, 128], &[yb, ub, yb, vb, yg, 128, yg, 128]]),
                two_rows(red, blue),
            ),
            (
                PixelFormat::Uyvy,
                12,
                rows(&[&[ur, yr, vr, yr, 128, yg, 128, yg], &[ub, yb, vb, yb, 128, yg, 128, yg]]),
                two_rows(red, blue),
            ),
            (
                PixelFormat::Nv12,
                8,
                rows(&[&[yr, yr, yg, yg], &[yr, yr, yg, yg], &[ur, vr, 128, 128]]),
                two_rows(red, red),
            ),
            (
                PixelFormat::Yu12,
                8,
                vec![
                    [&[yr, yr, yg, yg], &pad[..], &[yr, yr, yg, yg], &pad[..]].concat(),
                    vec![ur, 128, 77, 77],
                    vec![vr, 128, 77, 77],
                ],
                two_rows(red, red),
            ),
            (
                PixelFormat::Rgb3,
                16,
                rows(&[&[red, red, grey, grey].concat(), &[blue, blue, grey, grey].concat()]),
                two_rows(red, blue),
            ),
            (
                PixelFormat::Bgr3,
                16,
                rows(&[
                    &[[0, 0, 254], [0, 0, 254], grey, grey].concat(),
                    &[[255, 0, 0], [255, 0, 0], grey, grey].concat(),
                ]),
                two_rows(red, blue),
            ),
            (
                PixelFormat::Grey,
                8,
                rows(&[&[9, 9, 128, 128], &[200, 200, 128, 128]]),
                two_rows([9; 3], [200; 3]),
            ),
        ] {
            let picture = layout(pixel_format, 4, 2, stride).decode(&bytes.concat()).unwrap();
            assert_eq!(picture.rgb(), expected, "{pixel_format:?}");
        }
    }

    proptest! {
        #[test]
        fn random_buffer_is_decoded_or_rejected_without_panic(
            format in 0usize..8, bytes in prop::collection::vec(any::<u8>(), 0..400),
            width in 0u32..20, height in 0u32..10, stride in 0u32..70,
        ) {
            if let Ok(layout) = FrameLayout::new(PixelFormat::ALL[format], width, height, stride, LumaRange::Full) {
                match layout.decode(&bytes) {
                    Ok(picture) => {
                        prop_assert_eq!((picture.width(), picture.height()), (width, height))
                    },
                    Err(err) => prop_assert!(!err.to_string().is_empty()),
                }
                if PixelFormat::ALL[format] != PixelFormat::Mjpg {
                    let exact = vec![0; layout.frame_bytes()];
                    prop_assert!(layout.decode(&exact).is_ok());
                    prop_assert!(layout.decode(&exact[1..]).is_err());
                }
            }
        }
    }
}
