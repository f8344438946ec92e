//! From luma and chroma to red, green and blue.

use crate::InstructionSet;
use crate::simd::{Kernel, Simd};

/// What of luma and chroma goes into each colour, in 1/65536.
#[derive(Clone, Copy, Debug)]
pub struct YuvMatrix {
    /// The level of luma that is black.
    pub black: i32,
    /// Of luma, into each colour.
    pub luma: i32,
    /// Of V, into red.
    pub red_v: i32,
    /// Of U, out of green.
    pub green_u: i32,
    /// Of V, out of green.
    pub green_v: i32,
    /// Of U, into blue.
    pub blue_u: i32,
}

/// ITU-R BT.601.
impl YuvMatrix {
    /// Luma of 16 to 235 and chroma of 16 to 240, as in broadcasting: luma over 255/219, chroma over
    /// 255/224.
    pub const LIMITED: Self = Self {
        black: 16,
        luma: 76_309,
        red_v: 104_597,
        green_u: 25_675,
        green_v: 53_279,
        blue_u: 132_201,
    };

    /// Both of 0 to 255, as in JPEG.
    pub const FULL: Self = Self {
        black: 0,
        luma: 65_536,
        red_v: 91_881,
        green_u: 22_554,
        green_v: 46_802,
        blue_u: 116_130,
    };
}

/// Turns rows of luma, two pixels of which share their chroma, into RGB.
#[derive(Debug)]
pub struct YuvToRgb {
    isa: InstructionSet,
    matrix: YuvMatrix,
    /// What the chroma of each pair adds to red, green and blue, rounding included.
    shades: [Vec<i32>; 3],
    /// A row of red, one of green, one of blue.
    channels: [Vec<u8>; 3],
}

impl YuvToRgb {
    /// For rows of `width` pixels, an even number.
    pub fn new(isa: InstructionSet, matrix: YuvMatrix, width: usize) -> Self {
        let shades = std::array::from_fn(|_| vec![0; width / 2]);
        let channels = std::array::from_fn(|_| vec![0; width]);
        Self { isa, matrix, shades, channels }
    }

    /// Fills a row of RGB, three bytes a pixel.
    ///
    /// # Panics
    /// When a row is not of the width that this is for.
    pub fn row(&mut self, luma: &[u8], u: &[u8], v: &[u8], rgb: &mut [u8]) {
        let pairs = self.shades[0].len();
        assert_eq!([luma.len(), u.len(), v.len(), rgb.len()], [2 * pairs, pairs, pairs, 6 * pairs]);
        let Self { isa, matrix, shades, channels } = self;
        isa.run(Row { matrix, luma, u, v, shades, channels, rgb });
    }
}

struct Row<'a> {
    matrix: &'a YuvMatrix,
    luma: &'a [u8],
    u: &'a [u8],
    v: &'a [u8],
    shades: &'a mut [Vec<i32>; 3],
    channels: &'a mut [Vec<u8>; 3],
    rgb: &'a mut [u8],
}

/// Plain loops: the compiler makes vectors of them, for each instruction set its own.
impl Kernel for Row<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { matrix: m, luma, u, v, shades, channels, rgb } = self;
        let base = (1 << 15) - m.luma * m.black;
        let [red, green, blue] = &mut *shades;
        for ((((u, v), red), green), blue) in u.iter().zip(v).zip(red).zip(green).zip(blue) {
            let (u, v) = (i32::from(*u) - 128, i32::from(*v) - 128);
            *red = base + m.red_v * v;
            *green = base - m.green_u * u - m.green_v * v;
            *blue = base + m.blue_u * u;
        }
        let luma = luma.as_chunks::<2>().0;
        for (channel, shades) in channels.iter_mut().zip(shades) {
            let pairs = channel.as_chunks_mut::<2>().0.iter_mut().zip(luma).zip(shades);
            for ((out, luma), shade) in pairs {
                let mix = |luma| (m.luma * i32::from(luma) + *shade) >> 16;
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
