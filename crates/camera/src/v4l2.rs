//! A V4L2 camera, such as any USB webcam, through memory-mapped buffers.
//!
//! Cameras that deliver raw Bayer data through libcamera are no such device.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use instored_imaging::{Frame, FrameError, FrameLayout, LumaRange};
use v4l::buffer::{Flags, Type};
use v4l::format::{Colorspace, Quantization};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC, Fraction};

use super::formats::{self, Choice, Offer, Sizes, Steps, Wanted};
use super::pace::FrameRateLimiter;
use super::{Camera, CameraError, Settings};

/// Buffers that the driver fills in turn.
const BUFFERS: u32 = 4;
/// What the system says of a device that is no longer there; `io::ErrorKind` has no name for it.
const ENODEV: i32 = 19;

/// A V4L2 device that is streaming.
pub(super) struct V4l2Camera {
    stream: Stream<'static>,
    layout: FrameLayout,
    device: Named,
    card: String,
    description: String,
    thinning: FrameRateLimiter,
    timeout: Duration,
    started: Instant,
    /// When a buffer was last a picture.
    good: Instant,
}

impl V4l2Camera {
    /// Opens the device at `path`, in the format nearest to what `settings` want.
    ///
    /// # Errors
    /// When it cannot be opened, is no camera, or has no format that can be read.
    pub(super) fn open(path: &Path, settings: &Settings) -> Result<Self, CameraError> {
        let device = Named(path.display().to_string());
        // The v4l crate takes no path with a zero byte.
        if device.0.contains('\0') {
            return Err(CameraError::NotFound { device: device.0 });
        }
        let node = Device::with_path(path).map_err(device.while_("opening it"))?;
        let card = node.query_caps().map_err(device.while_("asking what it is"))?.card;

        let wanted = Wanted { width: settings.width, height: settings.height, fps: settings.fps };
        let offers = offers(&node, wanted);
        let unsupported = || CameraError::NoUsableFormat {
            device: device.0.clone(),
            offered: {
                let mut fourccs: Vec<_> = offers.iter().map(|offer| offer.fourcc).collect();
                fourccs.dedup();
                formats::names(fourccs)
            },
        };
        let Choice { pixel_format, width, height } =
            formats::choose(&offers, wanted).ok_or_else(unsupported)?;
        let format = Format::new(width, height, FourCC::new(&pixel_format.fourcc()));
        let format = node.set_format(&format).map_err(device.while_("setting its format"))?;
        if format.fourcc.repr != pixel_format.fourcc() {
            return Err(unsupported());
        }
        let Format { width, height, stride, .. } = format;
        let layout =
            FrameLayout::new(pixel_format, width, height, stride, range(&format)).map_err(
                |reason| CameraError::UnsupportedLayout { device: device.0.clone(), reason },
            )?;
        if let Err(err) = node.set_params(&Parameters::with_fps(settings.fps)) {
            tracing::debug!(%err, device = %device.0, "the camera keeps its own rate");
        }
        let timeout = Duration::from_millis(settings.timeout_ms);
        let mut stream = Stream::with_buffers(&node, Type::VideoCapture, BUFFERS)
            .map_err(device.while_("allocating buffers"))?;
        stream.set_timeout(timeout);
        let description = format!(
            "{} ({card}): {} {width}x{height} at {}/s",
            device.0, format.fourcc, settings.fps
        );
        let started = Instant::now();
        let thinning = FrameRateLimiter::new(settings.fps);
        Ok(Self {
            stream,
            layout,
            device,
            card,
            description,
            thinning,
            timeout,
            started,
            good: started,
        })
    }

    /// The name that the device's driver gives it.
    pub(super) fn card(&self) -> &str {
        &self.card
    }

    /// Waits for a buffer, and makes a picture of it if its moment has come.
    fn next_buffer(&mut self) -> Result<Option<Frame>, CameraError> {
        let (buffer, meta) = self.stream.next().map_err(|err| match err.kind() {
            io::ErrorKind::TimedOut => {
                CameraError::TimedOut { device: self.device.0.clone(), timeout: self.timeout }
            }
            // A signal came first, or somebody else took the buffer.
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {
                CameraError::DamagedFrame(FrameError(err.to_string()))
            }
            _ => self.device.while_("waiting for a frame")(err),
        })?;
        let captured_at = self.started.elapsed();
        if meta.flags.contains(Flags::ERROR) {
            return Err(CameraError::DamagedFrame(FrameError("the driver says so".into())));
        }
        if !self.thinning.keeps(captured_at) {
            return Ok(None);
        }
        // The mapped buffer is longer than what arrived in it.
        let bytes = &buffer[..buffer.len().min(meta.bytesused as usize)];
        let picture = self.layout.decode(bytes)?;
        self.good = Instant::now();
        Ok(Some(Frame { picture, captured_at }))
    }
}

impl Camera for V4l2Camera {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        loop {
            match self.next_buffer() {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(err) => {
                    // Where no buffer was captured_at, the stream would queue one that is queued
                    // already, and be refused. Stopped, it begins anew with all of them. If
                    // stopping fails, so does that beginning, which then tells why.
                    if let Err(err) = self.stream.stop() {
                        tracing::debug!(%err, device = %self.device.0, "the stream does not stop");
                    }
                    return Err(if err.is_transient() && self.good.elapsed() > self.timeout {
                        CameraError::NoUsableFrames {
                            device: self.device.0.clone(),
                            timeout: self.timeout,
                            reason: err.to_string(),
                        }
                    } else {
                        err
                    });
                }
            }
        }
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

/// Everything that the device offers, ranges narrowed to what is nearest to the wanted.
fn offers(device: &Device, wanted: Wanted) -> Vec<Offer> {
    // A node that captures nothing answers with an error.
    let formats = device.enum_formats().unwrap_or_default();
    let mut offers = Vec::new();
    for fourcc in formats.into_iter().map(|format| format.fourcc) {
        // A driver need not list its sizes; it then takes the nearest by itself.
        let sizes = device.enum_framesizes(fourcc).unwrap_or_default();
        let mut sizes: Vec<_> =
            sizes.into_iter().map(|size| sizes_of(&size.size).nearest(wanted)).collect();
        if sizes.is_empty() {
            sizes.push((wanted.width, wanted.height));
        }
        offers.extend(sizes.into_iter().map(|(width, height)| {
            let intervals = device.enum_frameintervals(fourcc, width, height).unwrap_or_default();
            let max_fps = intervals
                .into_iter()
                .filter_map(|interval| match interval.interval {
                    FrameIntervalEnum::Discrete(interval) => fps(interval),
                    FrameIntervalEnum::Stepwise(interval) => fps(interval.min),
                })
                .reduce(f64::max);
            Offer { fourcc: fourcc.repr, width, height, max_fps }
        }));
    }
    offers
}

/// The range of luma that a driver gives, by its own word or by its colour space's default.
fn range(format: &Format) -> LumaRange {
    match (format.quantization, format.colorspace) {
        (Quantization::FullRange, _) | (Quantization::Default, Colorspace::JPEG) => LumaRange::Full,
        _ => LumaRange::Limited,
    }
}

fn sizes_of(size: &FrameSizeEnum) -> Sizes {
    match size {
        FrameSizeEnum::Discrete(size) => Sizes::One { width: size.width, height: size.height },
        FrameSizeEnum::Stepwise(range) => Sizes::Range {
            width: Steps { from: range.min_width, to: range.max_width, step: range.step_width },
            height: Steps { from: range.min_height, to: range.max_height, step: range.step_height },
        },
    }
}

/// Frames a second at a frame interval; none for the intervals of 0 that some drivers list.
fn fps(interval: Fraction) -> Option<f64> {
    (interval.numerator > 0 && interval.denominator > 0)
        .then(|| f64::from(interval.denominator) / f64::from(interval.numerator))
}

/// The device's name, for errors.
struct Named(String);

impl Named {
    fn while_(&self, doing: &'static str) -> impl FnOnce(io::Error) -> CameraError {
        let device = self.0.clone();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => CameraError::NotFound { device },
            io::ErrorKind::PermissionDenied => CameraError::PermissionDenied { device },
            io::ErrorKind::ResourceBusy => CameraError::Busy { device },
            _ if source.raw_os_error() == Some(ENODEV) => CameraError::Disconnected { device },
            _ => CameraError::Device { device, doing, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_becomes_what_to_do() {
        let told = |errno| {
            let device = Named("/dev/video7".into());
            let err = device.while_("opening it")(io::Error::from_raw_os_error(errno));
            assert!(err.to_string().contains("/dev/video7") && !err.is_transient(), "{err}");
            err
        };
        assert!(matches!(told(2), CameraError::NotFound { .. }));
        assert!(matches!(told(13), CameraError::PermissionDenied { .. }));
        assert!(matches!(told(16), CameraError::Busy { .. }));
        assert!(matches!(told(ENODEV), CameraError::Disconnected { .. }));
        assert!(matches!(told(5), CameraError::Device { .. }));
    }

    #[test]
    fn luma_has_the_range_that_the_driver_says() {
        let format = |quantization, colorspace| Format {
            quantization,
            colorspace,
            ..Format::new(640, 480, FourCC::new(b"YUYV"))
        };
        assert_eq!(range(&format(Quantization::Default, Colorspace::SRGB)), LumaRange::Limited);
        assert_eq!(range(&format(Quantization::Default, Colorspace::JPEG)), LumaRange::Full);
        assert_eq!(range(&format(Quantization::FullRange, Colorspace::SRGB)), LumaRange::Full);
        assert_eq!(
            range(&format(Quantization::LimitedRange, Colorspace::JPEG)),
            LumaRange::Limited
        );
    }

    #[test]
    fn an_interval_of_nothing_is_no_rate() {
        assert_eq!(fps(Fraction::new(1, 30)), Some(30.0));
        assert_eq!(fps(Fraction::new(0, 1)), None);
        assert_eq!(fps(Fraction::new(1, 0)), None);
    }

    #[test]
    fn a_camera_can_be_handed_to_a_thread() {
        fn sendable<T: Send>() {}
        sendable::<V4l2Camera>();
    }
}
