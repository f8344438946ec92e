//! How the bytes of a camera's frames lie.

use super::Encoding;

/// Where each byte of a frame belongs. Made once, when the camera is opened.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub encoding: Encoding,
    pub width: usize,
    pub height: usize,
    /// Bytes from one row of the first plane to the next.
    pub stride: usize,
    pub range: Range,
}

/// Which levels of luma are black and white.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Range {
    /// 16 and 235, as in broadcasting: what V4L2 means where a driver says nothing.
    Limited,
    /// 0 and 255, as in JPEG.
    Full,
}

impl Layout {
    /// The layout of frames of `width` x `height` pixels with rows `stride` bytes apart; of
    /// [`Encoding::Mjpg`] the stride does not matter.
    ///
    /// # Errors
    /// Why no such frame can be read: a side of 0, an odd side where colours are shared by two
    /// pixels, or rows that do not fit into their stride.
    pub fn new(
        encoding: Encoding,
        width: u32,
        height: u32,
        stride: u32,
        range: Range,
    ) -> Result<Self, String> {
        let name = encoding.fourcc().escape_ascii().to_string();
        let (across, down) = match encoding {
            Encoding::Yuyv | Encoding::Uyvy => (2, 1),
            Encoding::Nv12 | Encoding::Yu12 => (2, 2),
            Encoding::Rgb3 | Encoding::Bgr3 | Encoding::Grey | Encoding::Mjpg => (1, 1),
        };
        let multiple = |side: u32, of: u32| side > 0 && side.is_multiple_of(of);
        if !multiple(width, across) || !multiple(height, down) {
            return Err(format!("{width}x{height} is no size that {name} can have"));
        }
        let layout = Self {
            encoding,
            width: width as usize,
            height: height as usize,
            stride: stride as usize,
            range,
        };
        // The rows of YU12's chroma have half the stride.
        let halves = if encoding == Encoding::Yu12 { 2 } else { 1 };
        if layout.stride < layout.row() || !layout.stride.is_multiple_of(halves) {
            return Err(format!("{width} pixels of {name} are no row of {stride} bytes"));
        }
        Ok(layout)
    }

    /// Bytes of a row of the first plane.
    pub fn row(&self) -> usize {
        match self.encoding {
            Encoding::Rgb3 | Encoding::Bgr3 => self.width * 3,
            Encoding::Yuyv | Encoding::Uyvy => self.width * 2,
            Encoding::Nv12 | Encoding::Yu12 | Encoding::Grey => self.width,
            Encoding::Mjpg => 0,
        }
    }

    /// Bytes of a whole frame; the last row may go without its padding.
    pub fn needed(&self) -> usize {
        let Self { width, height, stride, .. } = *self;
        match self.encoding {
            Encoding::Nv12 => stride * (height + height / 2 - 1) + width,
            Encoding::Yu12 => stride * height + stride / 2 * (height - 1) + width / 2,
            _ => stride * (height - 1) + self.row(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_that_a_format_cannot_have_are_refused_with_a_sentence() {
        for encoding in Encoding::ALL {
            assert!(Layout::new(encoding, 0, 4, 64, Range::Limited).is_err(), "{encoding:?}");
        }
        for (encoding, width, height) in [
            (Encoding::Yuyv, 639, 480),
            (Encoding::Uyvy, 639, 480),
            (Encoding::Nv12, 640, 479),
            (Encoding::Yu12, 639, 479),
        ] {
            let refusal = Layout::new(encoding, width, height, 4000, Range::Limited).unwrap_err();
            assert!(refusal.contains(&format!("{width}x{height} is no size")), "{refusal}");
        }
        assert!(Layout::new(Encoding::Rgb3, 639, 479, 1917, Range::Limited).is_ok());
        let refusal = Layout::new(Encoding::Rgb3, 640, 480, 1919, Range::Limited).unwrap_err();
        assert_eq!(refusal, "640 pixels of RGB3 are no row of 1919 bytes");
    }
}
