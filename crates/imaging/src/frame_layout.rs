//! Memory layout of camera frames.

use super::PixelFormat;

/// Memory layout of a camera's frames. It is created once, when the camera is opened.
#[derive(Clone, Copy, Debug)]
pub struct FrameLayout {
    /// Pixel format.
    pub pixel_format: PixelFormat,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Bytes from one row of the first plane to the next.
    pub stride: usize,
    /// Range of luma values.
    pub luma_range: LumaRange,
}

/// Range of luma values, from black to white.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LumaRange {
    /// 16 to 235, as in broadcasting. The default of V4L2.
    Limited,
    /// 0 to 255, as in JPEG.
    Full,
}

impl FrameLayout {
    /// Creates the layout of frames of `width` × `height` pixels with `stride` bytes per row. The
    /// stride of [`PixelFormat::Mjpg`] is ignored.
    ///
    /// # Errors
    /// Returns the reason if a side is 0, if a side is odd although pairs of pixels share their
    /// chroma, or if a row is longer than the stride.
    pub fn new(
        pixel_format: PixelFormat,
        width: u32,
        height: u32,
        stride: u32,
        luma_range: LumaRange,
    ) -> Result<Self, String> {
        let name = pixel_format.fourcc().escape_ascii().to_string();
        let (width_unit, height_unit) = pixel_format.chroma_block();
        let is_valid = |side: u32, unit: u32| side > 0 && side.is_multiple_of(unit);
        if !is_valid(width, width_unit) || !is_valid(height, height_unit) {
            return Err(format!("{name} does not support a size of {width}x{height} pixels"));
        }
        let layout = Self {
            pixel_format,
            width: width as usize,
            height: height as usize,
            stride: stride as usize,
            luma_range,
        };
        // The chroma rows of YU12 have half the stride.
        let divisor = if pixel_format == PixelFormat::Yu12 { 2 } else { 1 };
        if layout.stride < layout.row_bytes() || !layout.stride.is_multiple_of(divisor) {
            return Err(format!(
                "{width} pixels of {name} do not fit into a row of {stride} bytes"
            ));
        }
        Ok(layout)
    }

    /// Returns the number of bytes of a row of the first plane, without padding. Returns 0 for
    /// [`PixelFormat::Mjpg`].
    pub fn row_bytes(&self) -> usize {
        self.width * self.pixel_format.pixel_bytes()
    }

    /// Returns the number of bytes of a whole frame, without the padding of the last row.
    pub fn frame_bytes(&self) -> usize {
        let Self { width, height, stride, .. } = *self;
        match self.pixel_format {
            PixelFormat::Nv12 => stride * (height + height / 2 - 1) + width,
            PixelFormat::Yu12 => stride * height + stride / 2 * (height - 1) + width / 2,
            _ => stride * (height - 1) + self.row_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout_error(
        pixel_format: PixelFormat,
        width: u32,
        height: u32,
        stride: u32,
    ) -> Option<String> {
        FrameLayout::new(pixel_format, width, height, stride, LumaRange::Limited).err()
    }

    #[test]
    fn unsupported_size_or_stride_is_rejected_with_reason() {
        for pixel_format in PixelFormat::ALL {
            assert!(layout_error(pixel_format, 0, 4, 64).is_some(), "{pixel_format:?}");
        }
        for (pixel_format, width, height) in [
            (PixelFormat::Yuyv, 639, 480),
            (PixelFormat::Uyvy, 639, 480),
            (PixelFormat::Nv12, 640, 479),
            (PixelFormat::Yu12, 639, 479),
        ] {
            let reason = layout_error(pixel_format, width, height, 4000).unwrap();
            assert!(reason.contains(&format!("a size of {width}x{height}")), "{reason}");
        }
        assert_eq!(layout_error(PixelFormat::Rgb3, 639, 479, 1917), None);
        assert_eq!(
            layout_error(PixelFormat::Rgb3, 640, 480, 1919).unwrap(),
            "640 pixels of RGB3 do not fit into a row of 1919 bytes"
        );
    }
}
