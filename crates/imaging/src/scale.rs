//! Resizing of pictures.

use fast_image_resize as fir;
use fir::images::{TypedImage, TypedImageRef};
// The code is limited to one pixel type, because code for all pixel types would add 2 MB to the
// program.
use fir::pixels::U8x3;

use super::Picture;

/// Resizer of pictures that reuses its buffers.
#[derive(Default)]
pub struct Scaler(fir::Resizer);

/// Part of a picture, in pixels: left, top, width, height. It must lie inside the picture.
pub type CropRect = [f32; 4];

impl Scaler {
    /// Resizes a picture with a bilinear filter over all of its pixels, which prevents aliasing.
    pub fn resize(&mut self, picture: &Picture, width: u32, height: u32) -> Picture {
        let bilinear = fir::ResizeAlg::Convolution(fir::FilterType::Bilinear);
        self.scale(picture, width, height, &fir::ResizeOptions::new().resize_alg(bilinear))
    }

    /// Resizes a part of a picture by interpolating between the four nearest pixels, without
    /// antialiasing.
    pub fn crop_and_resize(
        &mut self,
        picture: &Picture,
        crop: CropRect,
        width: u32,
        height: u32,
    ) -> Picture {
        let bilinear = fir::ResizeAlg::Interpolation(fir::FilterType::Bilinear);
        let [left, top, crop_width, crop_height] = crop.map(f64::from);
        let options =
            fir::ResizeOptions::new().resize_alg(bilinear).crop(left, top, crop_width, crop_height);
        self.scale(picture, width, height, &options)
    }

    fn scale(
        &mut self,
        from: &Picture,
        width: u32,
        height: u32,
        options: &fir::ResizeOptions,
    ) -> Picture {
        let mut scaled = Picture::filled(width, height, [0; 3]);
        let source = TypedImageRef::<U8x3>::from_buffer(from.width(), from.height(), from.rgb());
        let target = TypedImage::<U8x3>::from_buffer(width, height, scaled.rgb_mut());
        let (source, mut target) = source.ok().zip(target.ok()).expect("buffers match their sizes");
        self.0.resize_typed(&source, &mut target, options).expect("crop is inside the picture");
        scaled
    }
}
