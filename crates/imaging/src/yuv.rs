//! Frames of luma and chroma, whose colours are made when somebody asks for them.

use instored_kernels::{InstructionSet, YuvMatrix, YuvToRgb};

use super::frame_layout::{FrameLayout, LumaRange};
use super::{LazyFrame, PixelFormat};

/// A frame in YUYV, UYVY, NV12 or YU12.
pub(super) struct YuvFrame {
    pub layout: FrameLayout,
    /// As many as the layout needs.
    pub bytes: Vec<u8>,
}

impl LazyFrame for YuvFrame {
    fn to_rgb(&self) -> Vec<u8> {
        let FrameLayout { width, height, range, .. } = self.layout;
        let isa = InstructionSet::detect().unwrap_or_else(InstructionSet::portable);
        let mut colours = YuvToRgb::new(isa, range.matrix(), width);
        let mut planes = Planes::new(width);
        let mut rgb = vec![0; width * height * 3];
        for (y, to) in rgb.chunks_exact_mut(width * 3).enumerate() {
            self.separate(y, &mut planes);
            colours.row(&planes.luma, &planes.u, &planes.v, to);
        }
        rgb
    }

    fn sample_luma(&self, y: usize, step: usize, into: &mut Vec<u8>) {
        let (first, apart) = match self.layout.pixel_format {
            PixelFormat::Yuyv => (0, 2),
            PixelFormat::Uyvy => (1, 2),
            _ => (0, 1),
        };
        into.clear();
        into.extend(self.row(y)[first..].iter().step_by(step * apart));
    }
}

impl YuvFrame {
    /// A row of the first plane.
    fn row(&self, y: usize) -> &[u8] {
        &self.bytes[y * self.layout.stride..][..self.layout.row()]
    }

    /// Takes a row's luma and chroma out of the frame.
    fn separate(&self, y: usize, planes: &mut Planes) {
        let FrameLayout { pixel_format, width, height, stride, .. } = self.layout;
        let from = self.row(y);
        // What lies behind the luma, of the formats that have planes; two rows share their chroma.
        let behind = |start| &self.bytes[stride * height + start..];
        match pixel_format {
            PixelFormat::Yuyv => planes.unpack(from, |[y0, u, y1, v]| ([y0, y1], u, v)),
            PixelFormat::Uyvy => planes.unpack(from, |[u, y0, v, y1]| ([y0, y1], u, v)),
            PixelFormat::Nv12 => {
                let chroma = behind(y / 2 * stride).as_chunks::<2>().0;
                planes.luma.copy_from_slice(from);
                for ((u, v), pair) in planes.u.iter_mut().zip(&mut planes.v).zip(chroma) {
                    [*u, *v] = *pair;
                }
            }
            PixelFormat::Yu12 => {
                let (half, pairs) = (stride / 2, width / 2);
                let row = |start| &behind(start + y / 2 * half)[..pairs];
                planes.luma.copy_from_slice(from);
                planes.u.copy_from_slice(row(0));
                planes.v.copy_from_slice(row(half * (height / 2)));
            }
            _ => {}
        }
    }
}

/// A row's luma, and the chroma that each two pixels share.
struct Planes {
    luma: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Planes {
    fn new(width: usize) -> Self {
        Self { luma: vec![0; width], u: vec![0; width / 2], v: vec![0; width / 2] }
    }

    /// From a row in which both lie side by side.
    fn unpack(&mut self, row: &[u8], order: impl Fn([u8; 4]) -> ([u8; 2], u8, u8)) {
        let pairs = self.luma.as_chunks_mut::<2>().0.iter_mut().zip(&mut self.u).zip(&mut self.v);
        for (((luma, u), v), four) in pairs.zip(row.as_chunks::<4>().0) {
            (*luma, *u, *v) = order(*four);
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
    fn levels_are_the_luma_and_of_a_grey_picture_its_green() {
        for pixel_format in
            [PixelFormat::Yuyv, PixelFormat::Uyvy, PixelFormat::Nv12, PixelFormat::Yu12]
        {
            let (width, height) = (16, 4);
            let stride =
                if matches!(pixel_format, PixelFormat::Yuyv | PixelFormat::Uyvy) { 32 } else { 16 };
            let layout =
                FrameLayout::new(pixel_format, width, height, stride, LumaRange::Full).unwrap();
            // Chroma says grey; luma counts up.
            let mut bytes = vec![128; stride as usize * 6];
            let place = |x: usize, y: usize| match pixel_format {
                PixelFormat::Yuyv => y * 32 + 2 * x,
                PixelFormat::Uyvy => y * 32 + 2 * x + 1,
                _ => y * 16 + x,
            };
            for (x, y) in (0..16).flat_map(|x| (0..4).map(move |y| (x, y))) {
                bytes[place(x, y)] = (16 * y + x) as u8;
            }
            let picture = layout.decode(&bytes).unwrap();
            let mut levels = Vec::new();
            picture.sample_luma(2, 4, &mut levels);
            assert_eq!(levels, [32, 36, 40, 44], "{pixel_format:?}");
            let green: Vec<_> = picture.rgb()[3 * 32..].iter().skip(1).step_by(12).collect();
            assert_eq!(green[..4], [&32, &36, &40, &44], "{pixel_format:?}");
        }
    }
}
