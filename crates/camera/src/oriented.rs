//! A camera that hangs on its side or upside down, or is seen in a mirror.

use instored_imaging::{Frame, Picture};

use super::{Camera, CameraError, Rotation};

/// A camera whose pictures are turned, and then mirrored.
pub(super) struct Oriented {
    camera: Box<dyn Camera>,
    rotation: Rotation,
    mirror: bool,
}

impl Oriented {
    /// The camera as it is to be seen; itself where nothing is to be turned.
    pub(super) fn by(camera: Box<dyn Camera>, rotation: Rotation, mirror: bool) -> Box<dyn Camera> {
        if rotation == Rotation::None && !mirror {
            return camera;
        }
        Box::new(Self { camera, rotation, mirror })
    }
}

impl Camera for Oriented {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let Frame { mut picture, captured_at } = self.camera.next_frame()?;
        if self.rotation != Rotation::None {
            picture = turned(&picture, self.rotation);
        }
        if self.mirror {
            picture = picture.mirrored();
        }
        Ok(Frame { picture, captured_at })
    }

    fn describe(&self) -> String {
        let turned = match self.rotation {
            Rotation::None => "",
            Rotation::Quarter => ", turned by 90 degrees",
            Rotation::Half => ", turned by 180 degrees",
            Rotation::ThreeQuarters => ", turned by 270 degrees",
        };
        let mirrored = if self.mirror { ", mirrored" } else { "" };
        format!("{}{turned}{mirrored}", self.camera.describe())
    }
}

/// The picture, turned clockwise.
fn turned(picture: &Picture, rotation: Rotation) -> Picture {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (across, down) = match rotation {
        Rotation::None | Rotation::Half => (width, height),
        Rotation::Quarter | Rotation::ThreeQuarters => (height, width),
    };
    let mut seen = Picture::filled(across as u32, down as u32, [0; 3]);
    let from = picture.rgb().as_chunks::<3>().0;
    let to = seen.rgb_mut().as_chunks_mut::<3>().0;
    for (y, row) in to.chunks_exact_mut(across).enumerate() {
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
    seen
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A picture whose pixels tell their numbers.
    fn numbered(width: u32, height: u32, numbers: &[u8]) -> Picture {
        Picture::new(width, height, numbers.iter().flat_map(|n| [*n; 3]).collect()).unwrap()
    }

    struct Once(Picture);

    impl Camera for Once {
        fn next_frame(&mut self) -> Result<Frame, CameraError> {
            Ok(Frame { picture: self.0.clone(), captured_at: Duration::ZERO })
        }

        fn describe(&self) -> String {
            "a picture".into()
        }
    }

    fn seen(rotation: Rotation, mirror: bool) -> (Picture, String) {
        let camera = Box::new(Once(numbered(3, 2, &[1, 2, 3, 4, 5, 6])));
        let mut camera = Oriented::by(camera, rotation, mirror);
        (camera.next_frame().unwrap().picture, camera.describe())
    }

    #[test]
    fn a_camera_is_turned_clockwise_and_then_mirrored() {
        for (rotation, mirror, expected, said) in [
            (Rotation::None, false, numbered(3, 2, &[1, 2, 3, 4, 5, 6]), "a picture"),
            (Rotation::None, true, numbered(3, 2, &[3, 2, 1, 6, 5, 4]), "a picture, mirrored"),
            (
                Rotation::Quarter,
                false,
                numbered(2, 3, &[4, 1, 5, 2, 6, 3]),
                "a picture, turned by 90 degrees",
            ),
            (
                Rotation::Half,
                false,
                numbered(3, 2, &[6, 5, 4, 3, 2, 1]),
                "a picture, turned by 180 degrees",
            ),
            (
                Rotation::ThreeQuarters,
                true,
                numbered(2, 3, &[6, 3, 5, 2, 4, 1]),
                "a picture, turned by 270 degrees, mirrored",
            ),
        ] {
            assert_eq!(seen(rotation, mirror), (expected, said.to_owned()));
        }
    }
}
