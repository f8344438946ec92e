//! Frames of luma and chroma, whose colours are made when somebody asks for them.

use instored_kernels::{Colours, Matrix, Processor};

use super::layout::{Layout, Range};
use super::{Encoding, Negative};

/// A frame in YUYV, UYVY, NV12 or YU12.
pub(super) struct YuvFrame {
    pub layout: Layout,
    /// As many as the layout needs.
    pub bytes: Vec<u8>,
}

impl Negative for YuvFrame {
    fn develop(&self) -> Vec<u8> {
        let Layout { width, height, range, .. } = self.layout;
        let processor = Processor::detect().unwrap_or_else(Processor::portable);
        let mut colours = Colours::new(processor, range.matrix(), width);
        let mut planes = Planes::new(width);
        let mut rgb = vec![0; width * height * 3];
        for (y, to) in rgb.chunks_exact_mut(width * 3).enumerate() {
            self.separate(y, &mut planes);
            colours.row(&planes.luma, &planes.u, &planes.v, to);
        }
        rgb
    }

    fn levels(&self, y: usize, step: usize, into: &mut Vec<u8>) {
        let (first, apart) = match self.layout.encoding {
            Encoding::Yuyv => (0, 2),
            Encoding::Uyvy => (1, 2),
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
        let Layout { encoding, width, height, stride, .. } = self.layout;
        let from = self.row(y);
        // What lies behind the luma, of the formats that have planes; two rows share their chroma.
        let behind = |start| &self.bytes[stride * height + start..];
        match encoding {
            Encoding::Yuyv => planes.unpack(from, |[y0, u, y1, v]| ([y0, y1], u, v)),
            Encoding::Uyvy => planes.unpack(from, |[u, y0, v, y1]| ([y0, y1], u, v)),
            Encoding::Nv12 => {
                let chroma = behind(y / 2 * stride).as_chunks::<2>().0;
                planes.luma.copy_from_slice(from);
                for ((u, v), pair) in planes.u.iter_mut().zip(&mut planes.v).zip(chroma) {
                    [*u, *v] = *pair;
                }
            }
            Encoding::Yu12 => {
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

impl Range {
    fn matrix(self) -> Matrix {
        match self {
            Self::Limited => Matrix::LIMITED,
            Self::Full => Matrix::FULL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_the_luma_and_of_a_grey_picture_its_green() {
        for encoding in [Encoding::Yuyv, Encoding::Uyvy, Encoding::Nv12, Encoding::Yu12] {
            let (width, height) = (16, 4);
            let stride = if matches!(encoding, Encoding::Yuyv | Encoding::Uyvy) { 32 } else { 16 };
            let layout = Layout::new(encoding, width, height, stride, Range::Full).unwrap();
            // Chroma says grey; luma counts up.
            let mut bytes = vec![128; stride as usize * 6];
            let place = |x: usize, y: usize| match encoding {
                Encoding::Yuyv => y * 32 + 2 * x,
                Encoding::Uyvy => y * 32 + 2 * x + 1,
                _ => y * 16 + x,
            };
            for (x, y) in (0..16).flat_map(|x| (0..4).map(move |y| (x, y))) {
                bytes[place(x, y)] = (16 * y + x) as u8;
            }
            let picture = layout.picture(&bytes).unwrap();
            let mut levels = Vec::new();
            picture.levels(2, 4, &mut levels);
            assert_eq!(levels, [32, 36, 40, 44], "{encoding:?}");
            let green: Vec<_> = picture.rgb()[3 * 32..].iter().skip(1).step_by(12).collect();
            assert_eq!(green[..4], [&32, &36, &40, &44], "{encoding:?}");
        }
    }
}
