//! Frames of luma and chroma, converted to RGB on demand.

use instored_kernels::{InstructionSet, YuvMatrix, YuvToRgb};

use super::frame_layout::{FrameLayout, LumaRange};
use super::{LazyFrame, PixelFormat};

/// Frame in YUYV, UYVY, NV12 or YU12.
pub(super) struct YuvFrame {
    pub layout: FrameLayout,
    /// Contents of the frame, of at least [`FrameLayout::frame_bytes`] bytes.
    pub bytes: Vec<u8>,
}

impl LazyFrame for YuvFrame {
    fn to_rgb(&self) -> Vec<u8> {
        let FrameLayout { width, height, luma_range, .. } = self.layout;
        let isa = InstructionSet::detect().unwrap_or_else(InstructionSet::portable);
        let mut converter = YuvToRgb::new(isa, luma_range.matrix(), width);
        let mut planes = RowPlanes::new(width);
        let mut rgb = vec![0; width * height * 3];
        for (y, to) in rgb.chunks_exact_mut(width * 3).enumerate() {
            self.separate(y, &mut planes);
            converter.convert_row(&planes.luma, &planes.u, &planes.v, to);
        }
        rgb
    }

    fn sample_luma(&self, y: usize, step: usize, into: &mut Vec<u8>) {
        let (first, distance) = match self.layout.pixel_format {
            PixelFormat::Yuyv => (0, 2),
            PixelFormat::Uyvy => (1, 2),
            _ => (0, 1),
        };
        into.clear();
        into.extend(self.row(y)[first..].iter().step_by(step * distance));
    }
}

impl YuvFrame {
    /// Returns a row of the first plane.
    fn row(&self, y: usize) -> &[u8] {
        &self.bytes[y * self.layout.stride..][..self.layout.row_bytes()]
    }

    /// Copies luma and chroma of row `y` to separate planes.
    fn separate(&self, y: usize, planes: &mut RowPlanes) {
        let FrameLayout { pixel_format, width, height, stride, .. } = self.layout;
        let from = self.row(y);
        // In planar formats, the chroma planes follow the luma plane, and two rows share their
        // chroma.
        let chroma_from = |start| &self.bytes[stride * height + start..];
        match pixel_format {
            PixelFormat::Yuyv => planes.unpack(from, |[y0, u, y1, v]| ([y0, y1], u, v)),
            PixelFormat::Uyvy => planes.unpack(from, |[u, y0, v, y1]| ([y0, y1], u, v)),
            PixelFormat::Nv12 => {
                let chroma = chroma_from(y / 2 * stride).as_chunks::<2>().0;
                planes.luma.copy_from_slice(from);
                for ((u, v), pair) in planes.u.iter_mut().zip(&mut planes.v).zip(chroma) {
                    [*u, *v] = *pair;
                }
            }
            PixelFormat::Yu12 => {
                let (half_stride, pairs) = (stride / 2, width / 2);
                let row = |plane_start| &chroma_from(plane_start + y / 2 * half_stride)[..pairs];
                planes.luma.copy_from_slice(from);
                planes.u.copy_from_slice(row(0));
                planes.v.copy_from_slice(row(half_stride * (height / 2)));
            }
            _ => {}
        }
    }
}

/// Luma of a row, and the chroma that each pair of pixels shares.
struct RowPlanes {
    luma: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl RowPlanes {
    fn new(width: usize) -> Self {
        Self { luma: vec![0; width], u: vec![0; width / 2], v: vec![0; width / 2] }
    }

    /// Unpacks a packed row. `split` splits four bytes into two luma values, U and V.
    fn unpack(&mut self, row: &[u8], split: impl Fn([u8; 4]) -> ([u8; 2], u8, u8)) {
        let pairs = self.luma.as_chunks_mut::<2>().0.iter_mut().zip(&mut self.u).zip(&mut self.v);
        for (((luma, u), v), bytes) in pairs.zip(row.as_chunks::<4>().0) {
            (*luma, *u, *v) = split(*bytes);
        }
    }
}

impl LumaRange {
    fn matrix(self) -> YuvMatrix {
        match self {
            Self::Limited => YuvMatrix::LIMITED,
            Self::Full => YuvMatrix::FULL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampled_luma_equals_green_of_grey_picture() {
        for pixel_format in
            [PixelFormat::Yuyv, PixelFormat::Uyvy, PixelFormat::Nv12, PixelFormat::Yu12]
        {
            let (width, height) = (16, 4);
            let is_packed = matches!(pixel_format, PixelFormat::Yuyv | PixelFormat::Uyvy);
            let stride = if is_packed { 32 } else { 16 };
            let layout =
                FrameLayout::new(pixel_format, width, height, stride, LumaRange::Full).unwrap();
            // A chroma of 128 is grey. The luma increases by 1 from pixel to pixel.
            let mut bytes = vec![128; stride as usize * 6];
            let position = |x: usize, y: usize| match pixel_format {
                PixelFormat::Yuyv => y * 32 + 2 * x,
                PixelFormat::Uyvy => y * 32 + 2 * x + 1,
                _ => y * 16 + x,
            };
            for (x, y) in (0..16).flat_map(|x| (0..4).map(move |y| (x, y))) {
                bytes[position(x, y)] = (16 * y + x) as u8;
            }
            let picture = layout.decode(&bytes).unwrap();
            let mut luma = Vec::new();
            picture.sample_luma(2, 4, &mut luma);
            assert_eq!(luma, [32, 36, 40, 44], "{pixel_format:?}");
            let green: Vec<_> = picture.rgb()[3 * 32..].iter().skip(1).step_by(12).collect();
            assert_eq!(green[..4], [&32, &36, &40, &44], "{pixel_format:?}");
        }
    }
}
