//! Rectangles in a picture.

/// Axis-aligned rectangle in pixels. It may extend beyond the picture.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Rect {
    /// Left edge, as an x coordinate.
    pub x: f32,
    /// Upper edge, as a y coordinate.
    pub y: f32,
    /// Width, greater than 0.
    pub width: f32,
    /// Height, greater than 0.
    pub height: f32,
}

impl Rect {
    /// Returns the intersection over union, 0 to 1.
    pub fn iou(&self, other: &Self) -> f32 {
        let overlap = |a: f32, a_length: f32, b: f32, b_length: f32| {
            ((a + a_length).min(b + b_length) - a.max(b)).max(0.0)
        };
        let intersection = overlap(self.x, self.width, other.x, other.width)
            * overlap(self.y, self.height, other.y, other.height);
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }

    /// Returns the area in square pixels.
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// Returns the centre, (x, y).
    pub fn centre(&self) -> [f32; 2] {
        [self.x + self.width / 2.0, self.y + self.height / 2.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_is_one_third_at_half_overlap_and_zero_without() {
        let rect = |x| Rect { x, y: 0.0, width: 10.0, height: 10.0 };
        assert!((rect(0.0).iou(&rect(5.0)) - 1.0 / 3.0).abs() < 1e-6);
        assert!(rect(0.0).iou(&rect(20.0)).abs() < 1e-6);
    }
}
