//! Conversion of YUV (YCbCr) rows to RGB.

use crate::InstructionSet;
use crate::simd::{Kernel, Simd};

/// Coefficients of the conversion. The factors are in units of 1/65536.
#[derive(Clone, Copy, Debug)]
pub struct YuvMatrix {
    /// Luma of black.
    pub black: i32,
    /// Factor of luma in each colour.
    pub luma: i32,
    /// Factor of V in red.
    pub red_v: i32,
    /// Factor of U that is subtracted from green.
    pub green_u: i32,
    /// Factor of V that is subtracted from green.
    pub green_v: i32,
    /// Factor of U in blue.
    pub blue_u: i32,
}

/// Coefficients of ITU-R BT.601.
impl YuvMatrix {
    /// Limited range, as in broadcasting: luma of 16 to 235, chroma of 16 to 240. Luma is scaled by
    /// 255/219, chroma by 255/224.
    pub const LIMITED: Self = Self {
        black: 16,
        luma: 76_309,
        red_v: 104_597,
        green_u: 25_675,
        green_v: 53_279,
        blue_u: 132_201,
    };

    /// Full range, as in JPEG: luma and chroma of 0 to 255.
    pub const FULL: Self = Self {
        black: 0,
        luma: 65_536,
        red_v: 91_881,
        green_u: 22_554,
        green_v: 46_802,
        blue_u: 116_130,
    };
}

/// Converter of rows whose pixels share their chroma in pairs.
#[derive(Debug)]
pub struct YuvToRgb {
    isa: InstructionSet,
    matrix: YuvMatrix,
    /// Contribution of chroma to red, green and blue for each pair of pixels, plus the offset of black
    /// and the rounding constant. The unit is 1/65536.
    chroma: [Vec<i32>; 3],
    /// One row each of red, green and blue values.
    channels: [Vec<u8>; 3],
}

impl YuvToRgb {
    /// Creates a converter for rows of `width` pixels, an even number.
    pub fn new(isa: InstructionSet, matrix: YuvMatrix, width: usize) -> Self {
        let chroma = std::array::from_fn(|_| vec![0; width / 2]);
        let channels = std::array::from_fn(|_| vec![0; width]);
        Self { isa, matrix, chroma, channels }
    }

    /// Converts a row into `rgb`, three bytes per pixel.
    ///
    /// # Panics
    /// If a row does not have the width of the converter.
    pub fn convert_row(&mut self, luma: &[u8], u: &[u8], v: &[u8], rgb: &mut [u8]) {
        let pairs = self.chroma[0].len();
        assert_eq!([luma.len(), u.len(), v.len(), rgb.len()], [2 * pairs, pairs, pairs, 6 * pairs]);
        let Self { isa, matrix, chroma, channels } = self;
        isa.run(Row { matrix, luma, u, v, chroma, channels, rgb });
    }
}

struct Row<'a> {
    matrix: &'a YuvMatrix,
    luma: &'a [u8],
    u: &'a [u8],
    v: &'a [u8],
    chroma: &'a mut [Vec<i32>; 3],
    channels: &'a mut [Vec<u8>; 3],
    rgb: &'a mut [u8],
}

/// The loops are plain Rust. The compiler vectorises them for each instruction set.
impl Kernel for Row<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { matrix: m, luma, u, v, chroma, channels, rgb } = self;
        let base = (1 << 15) - m.luma * m.black;
        let [red, green, blue] = &mut *chroma;
        for ((((u, v), red), green), blue) in u.iter().zip(v).zip(red).zip(green).zip(blue) {
            let (u, v) = (i32::from(*u) - 128, i32::from(*v) - 128);
            *red = base + m.red_v * v;
            *green = base - m.green_u * u - m.green_v * v;
            *blue = base + m.blue_u * u;
        }
        let luma = luma.as_chunks::<2>().0;
        for (channel, chroma) in channels.iter_mut().zip(chroma) {
            let pairs = channel.as_chunks_mut::<2>().0.iter_mut().zip(luma).zip(chroma);
            for ((out, luma), chroma) in pairs {
                let mix = |luma| (m.luma * i32::from(luma) + *chroma) >> 16;
                *out = luma.map(|luma| mix(luma).clamp(0, 255) as u8);
            }
        }
        let [red, green, blue] = channels;
        let colours = red.iter().zip(green).zip(blue);
        for (rgb, ((red, green), blue)) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(colours) {
            *rgb = [*red, *green, *blue];
        }
    }
}
