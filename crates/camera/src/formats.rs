//! Which of a camera's formats to use: a pure choice over what it offers.

use std::fmt::Write;

use instored_imaging::{FourCc, PixelFormat};

/// What is wanted of the camera.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    pub width: u32,
    pub height: u32,
    pub fps: u32,
}

/// Sizes that a camera offers in one format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sizes {
    One { width: u32, height: u32 },
    Range { width: Steps, height: Steps },
}

/// `from`, `from + step`, … up to `to`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Steps {
    pub from: u32,
    pub to: u32,
    pub step: u32,
}

impl Steps {
    fn nearest(self, wanted: u32) -> u32 {
        let step = self.step.max(1);
        let inside = wanted.clamp(self.from, self.to.max(self.from)) - self.from;
        self.from + inside / step * step
    }
}

impl Sizes {
    /// The size nearest to the wanted one.
    pub(super) fn nearest(self, wanted: Wanted) -> (u32, u32) {
        match self {
            Self::One { width, height } => (width, height),
            Self::Range { width, height } => {
                (width.nearest(wanted.width), height.nearest(wanted.height))
            }
        }
    }
}

/// A format in one size.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Offer {
    pub fourcc: FourCc,
    pub width: u32,
    pub height: u32,
    /// The most frames a second; `None` when the driver does not say.
    pub max_fps: Option<f64>,
}

/// What to set the camera to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Choice {
    pub pixel_format: PixelFormat,
    pub width: u32,
    pub height: u32,
}

/// The offer nearest to what is wanted, of those that can be read: first by colour, then by size, by
/// rate, and by the cost of reading it. `None` when none can be read.
pub(super) fn choose(offers: &[Offer], wanted: Wanted) -> Option<Choice> {
    let readable = offers.iter().filter_map(|offer| {
        let size_off = offer.width.abs_diff(wanted.width) + offer.height.abs_diff(wanted.height);
        let fps = f64::from(wanted.fps);
        // Drivers give 30 frames a second as 30000/1001, too.
        let missing = offer.max_fps.map_or(0.0, |max| (fps * 0.99 - max).max(0.0));
        let choice = Choice {
            pixel_format: PixelFormat::from_fourcc(offer.fourcc)?,
            width: offer.width,
            height: offer.height,
        };
        Some((size_off, missing, choice))
    });
    let colourless = |choice: &Choice| choice.pixel_format == PixelFormat::Grey;
    readable
        .min_by(|(size_a, missing_a, a), (size_b, missing_b, b)| {
            (colourless(a).cmp(&colourless(b)))
                .then(size_a.cmp(size_b))
                .then(missing_a.total_cmp(missing_b))
                .then(a.pixel_format.cmp(&b.pixel_format))
        })
        .map(|(_, _, choice)| choice)
}

/// The offered formats' names, for a message.
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

    const VGA_10: Wanted = Wanted { width: 640, height: 480, fps: 10 };

    fn offer(fourcc: &[u8; 4], width: u32, height: u32, fps: f64) -> Offer {
        Offer { fourcc: *fourcc, width, height, max_fps: Some(fps) }
    }

    fn chosen(offers: &[Offer], wanted: Wanted) -> (PixelFormat, u32, u32) {
        let Choice { pixel_format, width, height } = choose(offers, wanted).unwrap();
        (pixel_format, width, height)
    }

    /// A common USB 2 webcam.
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
    fn uncompressed_is_preferred_where_it_is_fast_enough() {
        assert_eq!(chosen(&webcam(), VGA_10), (PixelFormat::Yuyv, 640, 480));
        let hd = Wanted { width: 1280, height: 720, fps: 10 };
        assert_eq!(chosen(&webcam(), hd), (PixelFormat::Yuyv, 1280, 720));
    }

    #[test]
    fn compressed_is_taken_where_uncompressed_is_too_slow_or_too_small() {
        let hd = Wanted { width: 1280, height: 720, fps: 25 };
        assert_eq!(chosen(&webcam(), hd), (PixelFormat::Mjpg, 1280, 720));
        let offers = [offer(b"YUYV", 320, 240, 30.0), offer(b"MJPG", 640, 480, 30.0)];
        assert_eq!(chosen(&offers, VGA_10), (PixelFormat::Mjpg, 640, 480));
    }

    #[test]
    fn the_nearest_size_serves_where_the_wanted_one_is_not_offered() {
        let wanted = Wanted { width: 800, height: 600, fps: 10 };
        assert_eq!(chosen(&webcam(), wanted), (PixelFormat::Yuyv, 640, 480));
        let slow = [offer(b"YUYV", 640, 480, 5.0)];
        assert_eq!(chosen(&slow, VGA_10), (PixelFormat::Yuyv, 640, 480));
    }

    #[test]
    fn a_rate_just_below_the_wanted_one_is_that_rate() {
        let offers = [offer(b"YUYV", 640, 480, 30_000.0 / 1001.0), offer(b"MJPG", 640, 480, 30.0)];
        assert_eq!(chosen(&offers, Wanted { fps: 30, ..VGA_10 }).0, PixelFormat::Yuyv);
    }

    #[test]
    fn a_driver_that_does_not_say_its_rates_is_believed() {
        let silent = Offer { max_fps: None, ..offer(b"YUYV", 640, 480, 0.0) };
        assert_eq!(chosen(&[silent], VGA_10), (PixelFormat::Yuyv, 640, 480));
    }

    #[test]
    fn of_formats_that_are_alike_the_cheapest_is_taken_and_grey_only_where_there_is_no_colour() {
        let of = |fourccs: &[&[u8; 4]]| {
            let offers: Vec<_> = fourccs.iter().map(|f| offer(f, 640, 480, 30.0)).collect();
            chosen(&offers, VGA_10).0
        };
        assert_eq!(of(&[b"GREY", b"MJPG", b"YU12", b"NV12"]), PixelFormat::Nv12);
        assert_eq!(of(&[b"UYVY", b"BGR3", b"YUYV"]), PixelFormat::Bgr3);
        assert_eq!(of(&[b"BG10", b"GREY"]), PixelFormat::Grey);
        let small = [offer(b"GREY", 640, 480, 30.0), offer(b"YUYV", 320, 240, 30.0)];
        assert_eq!(chosen(&small, VGA_10), (PixelFormat::Yuyv, 320, 240));
    }

    #[test]
    fn a_camera_with_other_formats_only_is_refused_with_their_names() {
        let raw = [offer(b"BG10", 640, 480, 30.0), offer(b"Y16 ", 640, 480, 30.0)];
        assert_eq!(choose(&raw, VGA_10), None);
        assert_eq!(names(raw.map(|offer| offer.fourcc)), "BG10, Y16");
        assert_eq!(names([[0, 1, b'A', b'B']]), "\\x00\\x01AB");
        assert_eq!(names([]), "nothing");
    }

    #[test]
    fn the_nearest_size_of_a_range_lies_on_its_steps() {
        let range = |from, to, step| Steps { from, to, step };
        let sizes = Sizes::Range { width: range(32, 2592, 16), height: range(32, 1944, 1) };
        assert_eq!(sizes.nearest(VGA_10), (640, 480));
        assert_eq!(sizes.nearest(Wanted { width: 650, height: 9, fps: 1 }), (640, 32));
        // A continuous range is one with a step of 1; some drivers say 0, or swap the ends.
        let odd = Sizes::Range { width: range(2, 8192, 0), height: range(480, 1, 0) };
        assert_eq!(odd.nearest(VGA_10), (640, 480));
    }
}
