//! How a picture is lit, and whether it shows anything.

use instored_imaging::Picture;

/// The mean of all levels, 0 to 255.
pub(super) fn brightness(picture: &Picture) -> u64 {
    let rgb = picture.rgb();
    rgb.iter().map(|level| u64::from(*level)).sum::<u64>() / rgb.len() as u64
}

/// How much neighbouring pixels differ: the mean over the picture of the absolute Laplacian of the
/// green levels, from 0 for a plain wall.
pub(super) fn sharpness(picture: &Picture) -> f64 {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if width < 3 || height < 3 {
        return 0.0;
    }
    let green = |x: usize, y: usize| i64::from(picture.rgb()[(y * width + x) * 3 + 1]);
    let inside = (1..height - 1).flat_map(|y| (1..width - 1).map(move |x| (x, y)));
    let sum: i64 = inside
        .map(|(x, y)| {
            let around = green(x - 1, y) + green(x + 1, y) + green(x, y - 1) + green(x, y + 1);
            (4 * green(x, y) - around).abs()
        })
        .sum();
    sum as f64 / ((width - 2) * (height - 2)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_picture_is_as_bright_as_its_colour_and_has_no_edges() {
        let plain = Picture::filled(8, 8, [30, 60, 90]);
        assert_eq!((brightness(&plain), sharpness(&plain)), (60, 0.0));
        assert_eq!(sharpness(&Picture::filled(2, 2, [0; 3])), 0.0);
    }

    #[test]
    fn a_picture_with_edges_is_sharper_than_the_same_blurred() {
        let stripes = |levels: [u8; 4]| {
            let rgb = (0..16 * 16).flat_map(|i| [levels[i % 4]; 3]).collect();
            sharpness(&Picture::new(16, 16, rgb).unwrap())
        };
        assert!(stripes([0, 255, 0, 255]) > stripes([0, 128, 255, 128]));
        assert!(stripes([0, 128, 255, 128]) > stripes([100, 110, 120, 110]));
    }
}
