//! From what cameras deliver to RGB.

use super::CameraError;
use crate::vision::Picture;

/// Converts YUYV 4:2:2 (BT.601, limited range), rows `stride` bytes apart.
///
/// # Errors
/// [`CameraError::Frame`] when `bytes` end before the last row does, or the width is odd or a side 0.
pub(super) fn yuyv(
    bytes: &[u8],
    width: u32,
    height: u32,
    stride: usize,
) -> Result<Picture, CameraError> {
    let damaged = |reason: String| CameraError::Frame(reason);
    let (w, h) = (width as usize, height as usize);
    let row = w * 2;
    if w == 0 || h == 0 || !w.is_multiple_of(2) || stride < row {
        return Err(damaged(format!(
            "no YUYV has {height} rows of {width} pixels in {stride} bytes"
        )));
    }
    let needed = stride * (h - 1) + row;
    if bytes.len() < needed {
        return Err(damaged(format!("{} of {needed} bytes arrived", bytes.len())));
    }
    let mut rgb = vec![0; w * h * 3];
    for (to, from) in rgb.chunks_exact_mut(w * 3).zip(bytes.chunks(stride)) {
        for (to, from) in to.chunks_exact_mut(6).zip(from[..row].chunks_exact(4)) {
            let [y0, u, y1, v] = [from[0], from[1], from[2], from[3]].map(i32::from);
            let (u, v) = (u - 128, v - 128);
            // 255/219 and the BT.601 coefficients over 255/224, in 1/65536, half added to round.
            let (red, green, blue) = (104_597 * v, -25_675 * u - 53_279 * v, 132_201 * u);
            for (to, y) in to.chunks_exact_mut(3).zip([y0, y1]) {
                let y = 76_309 * (y - 16) + 32_768;
                to[0] = ((y + red) >> 16).clamp(0, 255) as u8;
                to[1] = ((y + green) >> 16).clamp(0, 255) as u8;
                to[2] = ((y + blue) >> 16).clamp(0, 255) as u8;
            }
        }
    }
    Picture::new(width, height, rgb).map_err(|err| damaged(err.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(y: u8, u: u8, v: u8) -> [u8; 3] {
        let y = (f64::from(y) - 16.0) * 255.0 / 219.0;
        let [u, v] = [u, v].map(|c| (f64::from(c) - 128.0) * 255.0 / 224.0);
        let (kr, kg, kb) = (0.299, 0.587, 0.114);
        let (r, b) = (2.0 * (1.0 - kr) * v, 2.0 * (1.0 - kb) * u);
        let g = -(kr * r + kb * b) / kg;
        [y + r, y + g, y + b].map(|c| c.round().clamp(0.0, 255.0) as u8)
    }

    #[test]
    fn every_colour_is_within_one_of_the_reference_and_nearly_all_exact() {
        let (mut off, mut all) = (0u32, 0u32);
        for u in (0..=255u8).step_by(5) {
            for v in (0..=255u8).step_by(5) {
                let bytes: Vec<u8> = (0..128).flat_map(|y| [2 * y, u, 2 * y + 1, v]).collect();
                let seen = yuyv(&bytes, 256, 1, 512).unwrap();
                for (y, pixel) in seen.rgb().chunks_exact(3).enumerate() {
                    for (seen, expected) in pixel.iter().zip(reference(y as u8, u, v)) {
                        assert!(seen.abs_diff(expected) <= 1, "{y} {u} {v}");
                        off += u32::from(*seen != expected);
                        all += 1;
                    }
                }
            }
        }
        assert!(off < all / 1000, "{off} of {all}");
    }

    #[test]
    fn black_white_and_the_primaries_come_out_pure() {
        for (yuv, rgb) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
        ] {
            let [y, u, v] = yuv;
            let seen = yuyv(&[y, u, y, v], 2, 1, 4).unwrap();
            assert_eq!(seen.rgb(), [rgb, rgb].concat(), "{yuv:?}");
        }
    }

    #[test]
    fn padding_between_rows_is_not_shown() {
        let row = [16, 128, 235, 128];
        let bytes = [&row[..], &[99; 4], &row].concat();
        assert_eq!(yuyv(&bytes, 2, 2, 8).unwrap().rgb(), [[0, 0, 0, 255, 255, 255]; 2].concat());
    }

    proptest! {
        #[test]
        fn no_buffer_and_no_size_makes_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            width in 0u32..20, height in 0u32..10, stride in 0usize..50,
        ) {
            match yuyv(&bytes, width, height, stride) {
                Ok(seen) => prop_assert_eq!((seen.width(), seen.height()), (width, height)),
                Err(err) => prop_assert!(err.is_transient()),
            }
        }
    }
}
