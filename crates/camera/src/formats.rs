//! Choice of a camera's format among the formats that the camera offers.

use std::fmt::Write;

use instored_imaging::{FourCc, PixelFormat};

/// Configured size and rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Target {
    pub width: u32,
    pub height: u32,
    pub fps: u32,
}

/// Sizes that a camera offers for one format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sizes {
    Discrete { width: u32, height: u32 },
    Stepwise { width: Steps, height: Steps },
}

/// The values `from`, `from + step`, … up to `to`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Steps {
    pub from: u32,
    pub to: u32,
    pub step: u32,
}

impl Steps {
    /// Clamps `value` to the range, and rounds it down to a step.
    fn clamp_to_step(self, value: u32) -> u32 {
        let step = self.step.max(1);
        let offset = value.clamp(self.from, self.to.max(self.from)) - self.from;
        self.from + offset / step * step
    }
}

impl Sizes {
    /// Returns the offered size that is nearest to the configured size.
    pub(super) fn nearest(self, target: Target) -> (u32, u32) {
        match self {
            Self::Discrete { width, height } => (width, height),
            Self::Stepwise { width, height } => {
                (width.clamp_to_step(target.width), height.clamp_to_step(target.height))
            }
        }
    }
}

/// A format and a size that the camera offers.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Offer {
    pub fourcc: FourCc,
    pub width: u32,
    pub height: u32,
    /// Highest rate in frames per second; `None` if the driver does not report it.
    pub max_fps: Option<f64>,
}

/// The chosen format and size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Choice {
    pub pixel_format: PixelFormat,
    pub width: u32,
    pub height: u32,
}

/// Chooses the best offer that can be decoded, or returns `None` if there is none.
///
/// The criteria, in this order: the format has colour, the size is nearest to the target, the rate is
/// high enough, and decoding takes the least time.
pub(super) fn choose(offers: &[Offer], target: Target) -> Option<Choice> {
    let decodable = offers.iter().filter_map(|offer| {
        let size_error = offer.width.abs_diff(target.width) + offer.height.abs_diff(target.height);
        let fps = f64::from(target.fps);
        // Some drivers report 30 frames per second as 30000/1001.
        let rate_deficit = offer.max_fps.map_or(0.0, |max| (fps * 0.99 - max).max(0.0));
        let choice = Choice {
            pixel_format: PixelFormat::from_fourcc(offer.fourcc)?,
            width: offer.width,
            height: offer.height,
        };
        Some((size_error, rate_deficit, choice))
    });
    let is_grey = |choice: &Choice| choice.pixel_format == PixelFormat::Grey;
    decodable
        .min_by(|(size_a, deficit_a, a), (size_b, deficit_b, b)| {
            (is_grey(a).cmp(&is_grey(b)))
                .then(size_a.cmp(size_b))
                .then(deficit_a.total_cmp(deficit_b))
                .then(a.pixel_format.cmp(&b.pixel_format))
        })
        .map(|(_, _, choice)| choice)
}

/// Returns the names of the formats for a message.
pub(super) fn names(fourccs: impl IntoIterator<Item = FourCc>) -> String {
    let mut names = String::new();
    for fourcc in fourccs {
        let separator = if names.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(names, "{separator}{}", fourcc.escape_ascii().to_string().trim_end());
    }
    if names.is_empty() { "nothing".into() } else { names }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VGA_10: Target = Target { width: 640, height: 480, fps: 10 };

    fn offer(fourcc: &[u8; 4], width: u32, height: u32, fps: f64) -> Offer {
        Offer { fourcc: *fourcc, width, height, max_fps: Some(fps) }
    }

    fn chosen(offers: &[Offer], target: Target) -> (PixelFormat, u32, u32) {
        let Choice { pixel_format, width, height } = choose(offers, target).unwrap();
        (pixel_format, width, height)
    }

    /// Returns the offers of a common USB 2 webcam.
    fn webcam() -> Vec<Offer> {
        vec![
            offer(b"MJPG", 1920, 1080, 30.0),
            offer(b"MJPG", 1280, 720, 30.0),
            offer(b"MJPG", 640, 480, 30.0),
            offer(b"YUYV", 640, 480, 30.0),
            offer(b"YUYV", 1280, 720, 10.0),
            offer(b"YUYV", 1920, 1080, 5.0),
        ]
    }

    #[test]
    fn uncompressed_format_is_preferred_if_fast_enough() {
        assert_eq!(chosen(&webcam(), VGA_10), (PixelFormat::Yuyv, 640, 480));
        let hd = Target { width: 1280, height: 720, fps: 10 };
        assert_eq!(chosen(&webcam(), hd), (PixelFormat::Yuyv, 1280, 720));
    }

    #[test]
    fn compressed_format_is_preferred_to_slow_or_small_format() {
        let hd = Target { width: 1280, height: 720, fps: 25 };
        assert_eq!(chosen(&webcam(), hd), (PixelFormat::Mjpg, 1280, 720));
        let offers = [offer(b"YUYV", 320, 240, 30.0), offer(b"MJPG", 640, 480, 30.0)];
        assert_eq!(chosen(&offers, VGA_10), (PixelFormat::Mjpg, 640, 480));
    }

    #[test]
    fn missing_size_is_replaced_by_nearest() {
        let target = Target { width: 800, height: 600, fps: 10 };
        assert_eq!(chosen(&webcam(), target), (PixelFormat::Yuyv, 640, 480));
        let slow = [offer(b"YUYV", 640, 480, 5.0)];
        assert_eq!(chosen(&slow, VGA_10), (PixelFormat::Yuyv, 640, 480));
    }

    #[test]
    fn rate_just_below_target_counts_as_equal() {
        let offers = [offer(b"YUYV", 640, 480, 30_000.0 / 1001.0), offer(b"MJPG", 640, 480, 30.0)];
        assert_eq!(chosen(&offers, Target { fps: 30, ..VGA_10 }).0, PixelFormat::Yuyv);
    }

    #[test]
    fn unreported_rate_counts_as_sufficient() {
        let without_rate = Offer { max_fps: None, ..offer(b"YUYV", 640, 480, 0.0) };
        assert_eq!(chosen(&[without_rate], VGA_10), (PixelFormat::Yuyv, 640, 480));
    }

    #[test]
    fn fastest_decoding_is_preferred_and_grey_is_last() {
        let chosen_of = |fourccs: &[&[u8; 4]]| {
            let offers: Vec<_> = fourccs.iter().map(|f| offer(f, 640, 480, 30.0)).collect();
            chosen(&offers, VGA_10).0
        };
        assert_eq!(chosen_of(&[b"GREY", b"MJPG", b"YU12", b"NV12"]), PixelFormat::Nv12);
        assert_eq!(chosen_of(&[b"UYVY", b"BGR3", b"YUYV"]), PixelFormat::Bgr3);
        assert_eq!(chosen_of(&[b"BG10", b"GREY"]), PixelFormat::Grey);
        let small = [offer(b"GREY", 640, 480, 30.0), offer(b"YUYV", 320, 240, 30.0)];
        assert_eq!(chosen(&small, VGA_10), (PixelFormat::Yuyv, 320, 240));
    }

    #[test]
    fn undecodable_formats_are_rejected_and_named() {
        let raw = [offer(b"BG10", 640, 480, 30.0), offer(b"Y16 ", 640, 480, 30.0)];
        assert_eq!(choose(&raw, VGA_10), None);
        assert_eq!(names(raw.map(|offer| offer.fourcc)), "BG10, Y16");
        assert_eq!(names([[0, 1, b'A', b'B']]), "\\x00\\x01AB");
        assert_eq!(names([]), "nothing");
    }

    #[test]
    fn size_in_range_is_rounded_down_to_step() {
        let range = |from, to, step| Steps { from, to, step };
        let sizes = Sizes::Stepwise { width: range(32, 2592, 16), height: range(32, 1944, 1) };
        assert_eq!(sizes.nearest(VGA_10), (640, 480));
        assert_eq!(sizes.nearest(Target { width: 650, height: 9, fps: 1 }), (640, 32));
        // A continuous range has a step of 1; some drivers report a step of 0, or swap the ends.
        let irregular = Sizes::Stepwise { width: range(2, 8192, 0), height: range(480, 1, 0) };
        assert_eq!(irregular.nearest(VGA_10), (640, 480));
    }
}
