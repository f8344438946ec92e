//! Rotation and mirroring of a camera's pictures.

use instored_imaging::{Frame, Picture};

use crate::{Camera, CameraError, Rotation, Settings};

/// Returns the camera with the rotation and the mirroring that `settings` configure.
pub fn oriented(camera: Box<dyn Camera>, settings: &Settings) -> Box<dyn Camera> {
    Oriented::wrap(camera, settings.rotate, settings.mirror)
}

/// A camera whose pictures are first rotated and then mirrored.
struct Oriented {
    camera: Box<dyn Camera>,
    rotation: Rotation,
    is_mirrored: bool,
}

impl Oriented {
    /// Wraps the camera, or returns it unchanged if neither rotation nor mirroring is configured.
    fn wrap(camera: Box<dyn Camera>, rotation: Rotation, is_mirrored: bool) -> Box<dyn Camera> {
        if rotation == Rotation::None && !is_mirrored {
            return camera;
        }
        Box::new(Self { camera, rotation, is_mirrored })
    }
}

impl Camera for Oriented {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let Frame { mut picture, captured_at } = self.camera.next_frame()?;
        if self.rotation != Rotation::None {
            picture = rotated(&picture, self.rotation);
        }
        if self.is_mirrored {
            picture = picture.mirrored();
        }
        Ok(Frame { picture, captured_at })
    }

    fn describe(&self) -> String {
        let rotated = match self.rotation {
            Rotation::None => "",
            Rotation::Quarter => ", rotated by 90 degrees",
            Rotation::Half => ", rotated by 180 degrees",
            Rotation::ThreeQuarters => ", rotated by 270 degrees",
        };
        let mirrored = if self.is_mirrored { ", mirrored" } else { "" };
        format!("{}{rotated}{mirrored}", self.camera.describe())
    }
}

/// Returns the picture rotated clockwise.
fn rotated(picture: &Picture, rotation: Rotation) -> Picture {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (new_width, new_height) = match rotation {
        Rotation::None | Rotation::Half => (width, height),
        Rotation::Quarter | Rotation::ThreeQuarters => (height, width),
    };
    let mut rotated = Picture::filled(new_width as u32, new_height as u32, [0; 3]);
    let from = picture.rgb().as_chunks::<3>().0;
    let to = rotated.rgb_mut().as_chunks_mut::<3>().0;
    for (y, row) in to.chunks_exact_mut(new_width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (x, y) = match rotation {
                Rotation::None => (x, y),
                Rotation::Quarter => (y, height - 1 - x),
                Rotation::Half => (width - 1 - x, height - 1 - y),
                Rotation::ThreeQuarters => (width - 1 - y, x),
            };
            *pixel = from[y * width + x];
        }
    }
    rotated
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Returns a picture with one number in all channels of each pixel.
    fn numbered(width: u32, height: u32, numbers: &[u8]) -> Picture {
        Picture::new(width, height, numbers.iter().flat_map(|n| [*n; 3]).collect()).unwrap()
    }

    struct StillCamera(Picture);

    impl Camera for StillCamera {
        fn next_frame(&mut self) -> Result<Frame, CameraError> {
            Ok(Frame { picture: self.0.clone(), captured_at: Duration::ZERO })
        }

        fn describe(&self) -> String {
            "a picture".into()
        }
    }

    #[test]
    fn pictures_are_rotated_clockwise_and_then_mirrored() {
        for (rotation, is_mirrored, expected, description) in [
            (Rotation::None, false, numbered(3, 2, &[1, 2, 3, 4, 5, 6]), "a picture"),
            (Rotation::None, true, numbered(3, 2, &[3, 2, 1, 6, 5, 4]), "a picture, mirrored"),
            (
                Rotation::Quarter,
                false,
                numbered(2, 3, &[4, 1, 5, 2, 6, 3]),
                "a picture, rotated by 90 degrees",
            ),
            (
                Rotation::Half,
                false,
                numbered(3, 2, &[6, 5, 4, 3, 2, 1]),
                "a picture, rotated by 180 degrees",
            ),
            (
                Rotation::ThreeQuarters,
                true,
                numbered(2, 3, &[6, 3, 5, 2, 4, 1]),
                "a picture, rotated by 270 degrees, mirrored",
            ),
        ] {
            let camera = Box::new(StillCamera(numbered(3, 2, &[1, 2, 3, 4, 5, 6])));
            let mut camera = Oriented::wrap(camera, rotation, is_mirrored);
            assert_eq!(camera.next_frame().unwrap().picture, expected);
            assert_eq!(camera.describe(), description);
        }
    }
}
