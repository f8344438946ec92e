//! V4L2 camera, such as a USB webcam, read through memory-mapped buffers.
//!
//! Cameras that deliver raw Bayer data and need libcamera are not supported.

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

use crate::formats::{self, Choice, Offer, Sizes, Steps, Target};
use crate::pacing::FrameRateLimiter;
use crate::{Camera, CameraError, Settings};

/// Number of buffers that the driver fills in turn.
const BUFFER_COUNT: u32 = 4;
/// Error number of a device that was removed; `io::ErrorKind` has no variant for it.
const ENODEV: i32 = 19;

/// A streaming V4L2 device.
pub(super) struct V4l2Camera {
    stream: Stream<'static>,
    layout: FrameLayout,
    device: DeviceName,
    card: String,
    description: String,
    rate_limiter: FrameRateLimiter,
    timeout: Duration,
    started: Instant,
    /// Time at which a frame was last decoded.
    latest_picture_at: Instant,
}

impl V4l2Camera {
    /// Opens the device at `path`, in the format nearest to the configured size and rate.
    ///
    /// # Errors
    /// When the device cannot be opened, is no camera, or has no format that can be decoded.
    pub(super) fn open(path: &Path, settings: &Settings) -> Result<Self, CameraError> {
        let device = DeviceName(path.display().to_string());
        // The v4l crate panics on a path with a zero byte.
        if device.0.contains('\0') {
            return Err(CameraError::NotFound { device: device.0 });
        }
        let node = Device::with_path(path).map_err(device.error_while("opening it"))?;
        let card = node.query_caps().map_err(device.error_while("querying its capabilities"))?.card;

        let target = Target { width: settings.width, height: settings.height, fps: settings.fps };
        let offers = offers(&node, target);
        let no_usable_format = || CameraError::NoUsableFormat {
            device: device.0.clone(),
            offered: {
                let mut fourccs: Vec<_> = offers.iter().map(|offer| offer.fourcc).collect();
                fourccs.dedup();
                formats::names(fourccs)
            },
        };
        let Choice { pixel_format, width, height } =
            formats::choose(&offers, target).ok_or_else(no_usable_format)?;
        let format = Format::new(width, height, FourCC::new(&pixel_format.fourcc()));
        let format = node.set_format(&format).map_err(device.error_while("setting its format"))?;
        if format.fourcc.repr != pixel_format.fourcc() {
            return Err(no_usable_format());
        }
        let Format { width, height, stride, .. } = format;
        let layout =
            FrameLayout::new(pixel_format, width, height, stride, luma_range(&format)).map_err(
                |reason| CameraError::UnsupportedLayout { device: device.0.clone(), reason },
            )?;
        if let Err(err) = node.set_params(&Parameters::with_fps(settings.fps)) {
            tracing::debug!(%err, device = %device.0, "the camera does not accept the configured rate");
        }
        let timeout = Duration::from_millis(settings.timeout_ms);
        let mut stream = Stream::with_buffers(&node, Type::VideoCapture, BUFFER_COUNT)
            .map_err(device.error_while("allocating buffers"))?;
        stream.set_timeout(timeout);
        let description = format!(
            "{} ({card}): {} {width}x{height} at {} frames/s",
            device.0, format.fourcc, settings.fps
        );
        let started = Instant::now();
        let rate_limiter = FrameRateLimiter::new(settings.fps);
        Ok(Self {
            stream,
            layout,
            device,
            card,
            description,
            rate_limiter,
            timeout,
            started,
            latest_picture_at: started,
        })
    }

    /// Returns the name of the card, as its driver reports it.
    pub(super) fn card(&self) -> &str {
        &self.card
    }

    /// Waits for a buffer, and decodes its frame; returns `None` if the frame rate limit drops the
    /// frame.
    fn next_buffer(&mut self) -> Result<Option<Frame>, CameraError> {
        let (buffer, meta) = self.stream.next().map_err(|err| match err.kind() {
            io::ErrorKind::TimedOut => {
                CameraError::TimedOut { device: self.device.0.clone(), timeout: self.timeout }
            }
            // A signal interrupted the wait, or the driver has no filled buffer.
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {
                CameraError::DamagedFrame(FrameError(err.to_string()))
            }
            _ => self.device.error_while("waiting for a frame")(err),
        })?;
        let captured_at = self.started.elapsed();
        if meta.flags.contains(Flags::ERROR) {
            return Err(CameraError::DamagedFrame(FrameError(
                "the driver reports an error".into(),
            )));
        }
        if !self.rate_limiter.accepts(captured_at) {
            return Ok(None);
        }
        // The mapped buffer can be longer than its data.
        let bytes = &buffer[..buffer.len().min(meta.bytesused as usize)];
        let picture = self.layout.decode(bytes)?;
        self.latest_picture_at = Instant::now();
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
                    // The stream is stopped, so that the next call starts it again with all buffers.
                    // Otherwise, if no buffer was dequeued, the next call would queue the previous
                    // buffer again, which the driver rejects. If the stream cannot be stopped, its
                    // next start fails and reports the reason.
                    if let Err(err) = self.stream.stop() {
                        tracing::debug!(%err, device = %self.device.0, "cannot stop the stream");
                    }
                    return Err(
                        if err.is_transient() && self.latest_picture_at.elapsed() > self.timeout {
                            CameraError::NoUsableFrames {
                                device: self.device.0.clone(),
                                timeout: self.timeout,
                                reason: err.to_string(),
                            }
                        } else {
                            err
                        },
                    );
                }
            }
        }
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

/// Returns all formats that the device offers; a range of sizes is reduced to the nearest size.
fn offers(device: &Device, target: Target) -> Vec<Offer> {
    // A device that is no camera returns an error, and thus has no offers.
    let formats = device.enum_formats().unwrap_or_default();
    let mut offers = Vec::new();
    for fourcc in formats.into_iter().map(|format| format.fourcc) {
        // A driver that does not list its sizes selects the nearest one itself.
        let sizes = device.enum_framesizes(fourcc).unwrap_or_default();
        let mut sizes: Vec<_> =
            sizes.into_iter().map(|size| sizes_of(&size.size).nearest(target)).collect();
        if sizes.is_empty() {
            sizes.push((target.width, target.height));
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

/// Returns the luma range that the driver reports, or the default of the colour space.
fn luma_range(format: &Format) -> LumaRange {
    match (format.quantization, format.colorspace) {
        (Quantization::FullRange, _) | (Quantization::Default, Colorspace::JPEG) => LumaRange::Full,
        _ => LumaRange::Limited,
    }
}

/// Converts the sizes that the driver reports for a format.
fn sizes_of(size: &FrameSizeEnum) -> Sizes {
    match size {
        FrameSizeEnum::Discrete(size) => Sizes::Discrete { width: size.width, height: size.height },
        FrameSizeEnum::Stepwise(range) => Sizes::Stepwise {
            width: Steps { from: range.min_width, to: range.max_width, step: range.step_width },
            height: Steps { from: range.min_height, to: range.max_height, step: range.step_height },
        },
    }
}

/// Returns the frames per second of a frame interval, or `None` for the zeros that some drivers report.
fn fps(interval: Fraction) -> Option<f64> {
    (interval.numerator > 0 && interval.denominator > 0)
        .then(|| f64::from(interval.denominator) / f64::from(interval.numerator))
}

/// Name of the device, for errors.
struct DeviceName(String);

impl DeviceName {
    /// Returns a function that converts a system error of an operation.
    fn error_while(&self, operation: &'static str) -> impl FnOnce(io::Error) -> CameraError {
        let device = self.0.clone();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => CameraError::NotFound { device },
            io::ErrorKind::PermissionDenied => CameraError::PermissionDenied { device },
            io::ErrorKind::ResourceBusy => CameraError::Busy { device },
            _ if source.raw_os_error() == Some(ENODEV) => CameraError::Disconnected { device },
            _ => CameraError::Device { device, operation, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_become_camera_errors() {
        let converted = |errno| {
            let device = DeviceName("/dev/video7".into());
            let err = device.error_while("opening it")(io::Error::from_raw_os_error(errno));
            assert!(err.to_string().contains("/dev/video7") && !err.is_transient(), "{err}");
            err
        };
        assert!(matches!(converted(2), CameraError::NotFound { .. }));
        assert!(matches!(converted(13), CameraError::PermissionDenied { .. }));
        assert!(matches!(converted(16), CameraError::Busy { .. }));
        assert!(matches!(converted(ENODEV), CameraError::Disconnected { .. }));
        assert!(matches!(converted(5), CameraError::Device { .. }));
    }

    #[test]
    fn reported_luma_range_overrides_default() {
        let format = |quantization, colorspace| Format {
            quantization,
            colorspace,
            ..Format::new(640, 480, FourCC::new(b"YUYV"))
        };
        assert_eq!(
            luma_range(&format(Quantization::Default, Colorspace::SRGB)),
            LumaRange::Limited
        );
        assert_eq!(luma_range(&format(Quantization::Default, Colorspace::JPEG)), LumaRange::Full);
        assert_eq!(luma_range(&format(Quantization::FullRange, Colorspace::SRGB)), LumaRange::Full);
        assert_eq!(
            luma_range(&format(Quantization::LimitedRange, Colorspace::JPEG)),
            LumaRange::Limited
        );
    }

    #[test]
    fn zero_frame_interval_has_no_rate() {
        assert_eq!(fps(Fraction::new(1, 30)), Some(30.0));
        assert_eq!(fps(Fraction::new(0, 1)), None);
        assert_eq!(fps(Fraction::new(1, 0)), None);
    }

    #[test]
    fn camera_can_move_to_a_thread() {
        fn assert_send<T: Send>() {}
        assert_send::<V4l2Camera>();
    }
}
