//! Pictures in another size.

use fast_image_resize as fir;
use fir::images::{TypedImage, TypedImageRef};
// Of one kind of pixel, since code for all of them would be 2 MB of the program.
use fir::pixels::U8x3;

use super::Picture;

/// Scales pictures, and keeps its buffers from one to the next.
#[derive(Default)]
pub struct Scaler(fir::Resizer);

/// A part of a picture in pixels, as far as it lies in it: left, top, width, height.
pub type CropRect = [f32; 4];

impl Scaler {
    /// The whole picture, every pixel of it taken part in.
    pub fn resize(&mut self, picture: &Picture, width: u32, height: u32) -> Picture {
        let bilinear = fir::ResizeAlg::Convolution(fir::FilterType::Bilinear);
        self.scale(picture, width, height, &fir::ResizeOptions::new().resize_alg(bilinear))
    }

    /// A part of the picture, between the nearest four pixels each: not smoothed.
    pub fn crop_and_resize(
        &mut self,
        picture: &Picture,
        part: CropRect,
        width: u32,
        height: u32,
    ) -> Picture {
        let bilinear = fir::ResizeAlg::Interpolation(fir::FilterType::Bilinear);
        let [left, top, across, down] = part.map(f64::from);
        let options = fir::ResizeOptions::new().resize_alg(bilinear).crop(left, top, across, down);
        self.scale(picture, width, height, &options)
    }

    fn scale(
        &mut self,
        from: &Picture,
        width: u32,
        height: u32,
        how: &fir::ResizeOptions,
    ) -> Picture {
        let mut scaled = Picture::filled(width, height, [0; 3]);
        let source = TypedImageRef::<U8x3>::from_buffer(from.width(), from.height(), from.rgb());
        let target = TypedImage::<U8x3>::from_buffer(width, height, scaled.rgb_mut());
        let (source, mut target) =
            source.ok().zip(target.ok()).expect("both have the bytes of their size");
        self.0.resize_typed(&source, &mut target, how).expect("the part lies in the picture");
        scaled
    }
}
