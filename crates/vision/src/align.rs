//! Alignment: a face is rotated, scaled and translated so that its landmarks have the positions that
//! the embedders were trained with.

use instored_imaging::Picture;
use zeroize::Zeroizing;

use super::LANDMARK_COUNT;

/// Side of an aligned face, in pixels.
pub const ALIGNED_SIDE: u32 = 112;

/// Positions of the landmarks in an aligned face, (x, y): the ArcFace template, which OpenCV's
/// `FaceRecognizerSF::alignCrop` uses too.
const TEMPLATE: [[f64; 2]; LANDMARK_COUNT] = [
    [38.2946, 51.6963],
    [73.5318, 51.5014],
    [56.0252, 71.7366],
    [41.5493, 92.3655],
    [70.7299, 92.2041],
];

/// Similarity transform: rotation, uniform scale and translation. Maps (x, y) to
/// (a x − b y + tx, b x + a y + ty).
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct SimilarityTransform {
    pub a: f64,
    pub b: f64,
    pub tx: f64,
    pub ty: f64,
}

impl SimilarityTransform {
    /// Returns the least-squares transform from landmarks to the template, in the closed form for
    /// two dimensions without reflection (Umeyama 1991). Returns `None` if all landmarks are the
    /// same point.
    pub fn to_template(landmarks: &[[f32; 2]; LANDMARK_COUNT]) -> Option<Self> {
        let from = landmarks.map(|p| p.map(f64::from));
        let mean = |points: &[[f64; 2]; LANDMARK_COUNT], axis: usize| {
            points.iter().map(|p| p[axis]).sum::<f64>() / LANDMARK_COUNT as f64
        };
        let from_mean = [mean(&from, 0), mean(&from, 1)];
        let to_mean = [mean(&TEMPLATE, 0), mean(&TEMPLATE, 1)];
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (from, to) in from.iter().zip(&TEMPLATE) {
            let (fx, fy) = (from[0] - from_mean[0], from[1] - from_mean[1]);
            let (tx, ty) = (to[0] - to_mean[0], to[1] - to_mean[1]);
            dot += fx * tx + fy * ty;
            cross += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        let (a, b) = (dot / spread, cross / spread);
        let transform = Self {
            a,
            b,
            tx: to_mean[0] - (a * from_mean[0] - b * from_mean[1]),
            ty: to_mean[1] - (b * from_mean[0] + a * from_mean[1]),
        };
        (transform.a.hypot(transform.b) > 1e-6 && a.is_finite()).then_some(transform)
    }

    fn inverse(&self) -> Self {
        let Self { a, b, tx, ty } = *self;
        let square = a * a + b * b;
        let (a, b) = (a / square, -b / square);
        Self { a, b, tx: -(a * tx - b * ty), ty: -(b * tx + a * ty) }
    }
}

/// Returns the aligned face of 112 × 112 pixels, with bilinear interpolation. Pixels outside the
/// picture are black. The face is overwritten when it is dropped. Returns `None` if all landmarks are the
/// same point.
pub fn align(
    picture: &Picture,
    landmarks: &[[f32; 2]; LANDMARK_COUNT],
) -> Option<Zeroizing<Picture>> {
    let to_picture = SimilarityTransform::to_template(landmarks)?.inverse();
    let mut face = Zeroizing::new(Picture::filled(ALIGNED_SIDE, ALIGNED_SIDE, [0; 3]));
    for (i, pixel) in face.rgb_mut().chunks_exact_mut(3).enumerate() {
        let (x, y) = ((i % ALIGNED_SIDE as usize) as f64, (i / ALIGNED_SIDE as usize) as f64);
        let from = [
            to_picture.a * x - to_picture.b * y + to_picture.tx,
            to_picture.b * x + to_picture.a * y + to_picture.ty,
        ];
        pixel.copy_from_slice(&sample(picture, from));
    }
    Some(face)
}

/// Returns the RGB colour at (x, y): the bilinear interpolation, rounded to the nearest integer.
fn sample(picture: &Picture, [x, y]: [f64; 2]) -> [u8; 3] {
    let (left, top) = (x.floor(), y.floor());
    let (right_share, lower_share) = ((x - left) as f32, (y - top) as f32);
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    let (left, top) = (left as i64, top as i64);
    let pixels = picture.rgb().as_chunks::<3>().0;
    let (mut red, mut green, mut blue) = (0.5, 0.5, 0.5);
    for (row, row_share) in [(top, 1.0 - lower_share), (top + 1, lower_share)] {
        for (column, column_share) in [(left, 1.0 - right_share), (left + 1, right_share)] {
            if (0..height).contains(&row) && (0..width).contains(&column) {
                let [r, g, b] = pixels[(row * width + column) as usize];
                let share = row_share * column_share;
                red += f32::from(r) * share;
                green += f32::from(g) * share;
                blue += f32::from(b) * share;
            }
        }
    }
    [red as u8, green as u8, blue as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landmarks_on_template_have_identity_transform() {
        let transform =
            SimilarityTransform::to_template(&TEMPLATE.map(|p| p.map(|v| v as f32))).unwrap();
        assert!((transform.a - 1.0).abs() < 1e-5 && transform.b.abs() < 1e-5, "{transform:?}");
        assert!(transform.tx.abs() < 1e-3 && transform.ty.abs() < 1e-3, "{transform:?}");
    }

    #[test]
    fn rotated_scaled_and_moved_face_is_restored() {
        let (angle, scale) = (0.4f64, 2.5);
        let moved = TEMPLATE.map(|[x, y]| {
            let (sin, cos) = angle.sin_cos();
            [scale * (cos * x - sin * y) + 30.0, scale * (sin * x + cos * y) - 12.0]
        });
        let transform =
            SimilarityTransform::to_template(&moved.map(|p| p.map(|v| v as f32))).unwrap();
        for (from, to) in moved.iter().zip(&TEMPLATE) {
            let x = transform.a * from[0] - transform.b * from[1] + transform.tx;
            let y = transform.b * from[0] + transform.a * from[1] + transform.ty;
            assert!((x - to[0]).abs() < 1e-3 && (y - to[1]).abs() < 1e-3);
        }
    }

    #[test]
    fn identical_landmarks_are_rejected() {
        let picture = Picture::filled(10, 10, [9; 3]);
        assert!(align(&picture, &[[5.0; 2]; LANDMARK_COUNT]).is_none());
        assert!(align(&picture, &[[f32::NAN; 2]; LANDMARK_COUNT]).is_none());
    }

    #[test]
    fn pixels_outside_the_picture_are_black() {
        let picture = Picture::filled(8, 8, [200; 3]);
        let far = TEMPLATE.map(|[x, y]| [x as f32 + 5000.0, y as f32]);
        assert!(align(&picture, &far).unwrap().rgb().iter().all(|v| *v == 0));
    }
}
