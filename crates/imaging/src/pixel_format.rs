//! Pixel formats.

/// A pixel format's four characters, as V4L2 names it.
pub type FourCc = [u8; 4];

/// How the bytes of a frame are to be read. In the order of preference: what is cheaper to read
/// comes first, and what has no colour last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PixelFormat {
    /// Red, green, blue.
    Rgb3,
    /// Blue, green, red.
    Bgr3,
    /// 4:2:2, a luma first.
    Yuyv,
    /// 4:2:2, a chroma first.
    Uyvy,
    /// 4:2:0, the chroma of both kinds in one plane.
    Nv12,
    /// 4:2:0, three planes.
    Yu12,
    /// Motion JPEG.
    Mjpg,
    /// Luma alone.
    Grey,
}

impl PixelFormat {
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

    pub fn from_fourcc(fourcc: FourCc) -> Option<Self> {
        Self::ALL.into_iter().find(|pixel_format| pixel_format.fourcc() == fourcc)
    }
}
