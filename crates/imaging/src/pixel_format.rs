//! Pixel formats of cameras.

/// Four-character code of a pixel format, as in V4L2.
pub type FourCc = [u8; 4];

/// Pixel format of a frame. The variants are in order of preference: formats that take less time to
/// decode come first, formats without colour last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PixelFormat {
    /// Red, green, blue.
    Rgb3,
    /// Blue, green, red.
    Bgr3,
    /// 4:2:2, packed as luma, U, luma, V.
    Yuyv,
    /// 4:2:2, packed as U, luma, V, luma.
    Uyvy,
    /// 4:2:0, with a plane of luma and a plane of interleaved U and V values.
    Nv12,
    /// 4:2:0, with a plane each of luma, U and V.
    Yu12,
    /// Motion JPEG.
    Mjpg,
    /// Luma only.
    Grey,
}

impl PixelFormat {
    /// All pixel formats, in order of preference.
    pub const ALL: [Self; 8] = [
        Self::Rgb3,
        Self::Bgr3,
        Self::Yuyv,
        Self::Uyvy,
        Self::Nv12,
        Self::Yu12,
        Self::Mjpg,
        Self::Grey,
    ];

    /// Returns the four-character code.
    pub fn fourcc(self) -> FourCc {
        match self {
            Self::Rgb3 => *b"RGB3",
            Self::Bgr3 => *b"BGR3",
            Self::Yuyv => *b"YUYV",
            Self::Uyvy => *b"UYVY",
            Self::Nv12 => *b"NV12",
            Self::Yu12 => *b"YU12",
            Self::Mjpg => *b"MJPG",
            Self::Grey => *b"GREY",
        }
    }

    /// Returns the bytes of a pixel in the first plane; 0 for [`PixelFormat::Mjpg`].
    pub fn pixel_bytes(self) -> usize {
        match self {
            Self::Rgb3 | Self::Bgr3 => 3,
            Self::Yuyv | Self::Uyvy => 2,
            Self::Nv12 | Self::Yu12 | Self::Grey => 1,
            Self::Mjpg => 0,
        }
    }

    /// Returns the width and height in pixels of the blocks that share their chroma. The sides of a
    /// frame are multiples of them.
    pub fn chroma_block(self) -> (u32, u32) {
        match self {
            Self::Yuyv | Self::Uyvy => (2, 1),
            Self::Nv12 | Self::Yu12 => (2, 2),
            Self::Rgb3 | Self::Bgr3 | Self::Grey | Self::Mjpg => (1, 1),
        }
    }

    /// Returns the format with this code, or `None` if the format is not supported.
    pub fn from_fourcc(fourcc: FourCc) -> Option<Self> {
        Self::ALL.into_iter().find(|pixel_format| pixel_format.fourcc() == fourcc)
    }
}
