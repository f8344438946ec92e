//! Brightness and sharpness of a picture.

use instored_imaging::Picture;

/// Returns the mean of all pixel values, from 0 to 255.
pub(super) fn brightness(picture: &Picture) -> u64 {
    let rgb = picture.rgb();
    rgb.iter().map(|value| u64::from(*value)).sum::<u64>() / rgb.len() as u64
}

/// Returns the mean absolute Laplacian of the green channel, from 0 (one colour) to 1020.
pub(super) fn sharpness(picture: &Picture) -> f64 {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if width < 3 || height < 3 {
        return 0.0;
    }
    let green = |x: usize, y: usize| i64::from(picture.rgb()[(y * width + x) * 3 + 1]);
    let interior = (1..height - 1).flat_map(|y| (1..width - 1).map(move |x| (x, y)));
    let sum: i64 = interior
        .map(|(x, y)| {
            let neighbours = green(x - 1, y) + green(x + 1, y) + green(x, y - 1) + green(x, y + 1);
            (4 * green(x, y) - neighbours).abs()
        })
        .sum();
    sum as f64 / ((width - 2) * (height - 2)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_picture_has_mean_brightness_and_no_sharpness() {
        let plain = Picture::filled(8, 8, [30, 60, 90]);
        assert_eq!((brightness(&plain), sharpness(&plain)), (60, 0.0));
        assert_eq!(sharpness(&Picture::filled(2, 2, [0; 3])), 0.0);
    }

    #[test]
    fn picture_with_edges_is_sharper_than_blurred_one() {
        let stripes = |levels: [u8; 4]| {
            let rgb = (0..16 * 16).flat_map(|i| [levels[i % 4]; 3]).collect();
            sharpness(&Picture::new(16, 16, rgb).unwrap())
        };
        assert!(stripes([0, 255, 0, 255]) > stripes([0, 128, 255, 128]));
        assert!(stripes([0, 128, 255, 128]) > stripes([100, 110, 120, 110]));
    }
}
