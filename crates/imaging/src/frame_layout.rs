//! How the bytes of a camera's frames lie.

use super::PixelFormat;

/// Where each byte of a frame belongs. Made once, when the camera is opened.
#[derive(Clone, Copy, Debug)]
pub struct FrameLayout {
    pub pixel_format: PixelFormat,
    pub width: usize,
    pub height: usize,
    /// Bytes from one row of the first plane to the next.
    pub stride: usize,
    pub range: LumaRange,
}

/// Which levels of luma are black and white.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LumaRange {
    /// 16 and 235, as in broadcasting: what V4L2 means where a driver says nothing.
    Limited,
    /// 0 and 255, as in JPEG.
    Full,
}

impl FrameLayout {
    /// The layout of frames of `width` x `height` pixels with rows `stride` bytes apart; of
    /// [`PixelFormat::Mjpg`] the stride does not matter.
    ///
    /// # Errors
    /// Why no such frame can be read: a side of 0, an odd side where colours are shared by two
    /// pixels, or rows that do not fit into their stride.
    pub fn new(
        pixel_format: PixelFormat,
        width: u32,
        height: u32,
        stride: u32,
        range: LumaRange,
    ) -> Result<Self, String> {
        let name = pixel_format.fourcc().escape_ascii().to_string();
        let (across, down) = match pixel_format {
            PixelFormat::Yuyv | PixelFormat::Uyvy => (2, 1),
            PixelFormat::Nv12 | PixelFormat::Yu12 => (2, 2),
            PixelFormat::Rgb3 | PixelFormat::Bgr3 | PixelFormat::Grey | PixelFormat::Mjpg => (1, 1),
        };
        let multiple = |side: u32, of: u32| side > 0 && side.is_multiple_of(of);
        if !multiple(width, across) || !multiple(height, down) {
            return Err(format!("{width}x{height} is no size that {name} can have"));
        }
        let layout = Self {
            pixel_format,
            width: width as usize,
            height: height as usize,
            stride: stride as usize,
            range,
        };
        // The rows of YU12's chroma have half the stride.
        let halves = if pixel_format == PixelFormat::Yu12 { 2 } else { 1 };
        if layout.stride < layout.row() || !layout.stride.is_multiple_of(halves) {
            return Err(format!("{width} pixels of {name} are no row of {stride} bytes"));
        }
        Ok(layout)
    }

    /// Bytes of a row of the first plane.
    pub fn row(&self) -> usize {
        match self.pixel_format {
            PixelFormat::Rgb3 | PixelFormat::Bgr3 => self.width * 3,
            PixelFormat::Yuyv | PixelFormat::Uyvy => self.width * 2,
            PixelFormat::Nv12 | PixelFormat::Yu12 | PixelFormat::Grey => self.width,
            PixelFormat::Mjpg => 0,
        }
    }

    /// Bytes of a whole frame; the last row may go without its padding.
    pub fn needed(&self) -> usize {
        let Self { width, height, stride, .. } = *self;
        match self.pixel_format {
            PixelFormat::Nv12 => stride * (height + height / 2 - 1) + width,
            PixelFormat::Yu12 => stride * height + stride / 2 * (height - 1) + width / 2,
            _ => stride * (height - 1) + self.row(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_that_a_format_cannot_have_are_refused_with_a_sentence() {
        for pixel_format in PixelFormat::ALL {
            assert!(
                FrameLayout::new(pixel_format, 0, 4, 64, LumaRange::Limited).is_err(),
                "{pixel_format:?}"
            );
        }
        for (pixel_format, width, height) in [
            (PixelFormat::Yuyv, 639, 480),
            (PixelFormat::Uyvy, 639, 480),
            (PixelFormat::Nv12, 640, 479),
            (PixelFormat::Yu12, 639, 479),
        ] {
            let refusal = FrameLayout::new(pixel_format, width, height, 4000, LumaRange::Limited)
                .unwrap_err();
            assert!(refusal.contains(&format!("{width}x{height} is no size")), "{refusal}");
        }
        assert!(FrameLayout::new(PixelFormat::Rgb3, 639, 479, 1917, LumaRange::Limited).is_ok());
        let refusal =
            FrameLayout::new(PixelFormat::Rgb3, 640, 480, 1919, LumaRange::Limited).unwrap_err();
        assert_eq!(refusal, "640 pixels of RGB3 are no row of 1919 bytes");
    }
}
