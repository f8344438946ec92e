//! What each stage of a frame's way costs, in CPU time of the one thread that goes it.

use std::hint::black_box;
use std::io::Cursor;
use std::time::Duration;

use image::ImageFormat;
use instored_domain::{CustomerId, Embedding};
use instored_imaging::{Picture, decode_picture};
use instored_recognition::Gallery;
use instored_vision::{Detector, Embedder, Model, PadModel, Purpose, Role, align, instruction_set};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::EvaluateError;

/// What was measured, and on what.
#[derive(Debug, Serialize)]
pub struct Speed {
    /// The instruction set of the kernels; `None`: tract alone.
    pub processor: Option<&'static str>,
    /// The embedder's id.
    pub model: String,
    /// Pixels, width and height: of the picture, and of what the detector looks at.
    pub picture: [u32; 2],
    /// As `picture`.
    pub detector: [u32; 2],
    /// Customers in the gallery.
    pub customers: usize,
    /// The program's threads, of which one worked.
    pub threads: Option<u64>,
    /// Resident memory of the program, bytes.
    pub resident_bytes: Option<u64>,
    /// From a picture in memory to who it is, in the end as `frame`.
    pub stages: Vec<Stage>,
}

/// One stage: CPU time in microseconds.
#[derive(Debug, Serialize)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// Half of the runs took no longer.
    pub median_us: f64,
    /// 19 of 20 runs took no longer.
    pub p95_us: f64,
}

/// Runs that nobody counts, until caches and memory are as they will be.
const WARM_UP: usize = 3;

/// Takes the way of a frame that shows `picture` `runs` times, before a gallery of `customers`.
///
/// # Errors
/// When the models cannot be used, or find no face in the picture.
pub fn measure(
    settings: &instored_vision::Settings,
    picture: &Picture,
    customers: usize,
    runs: usize,
) -> Result<Speed, EvaluateError> {
    let detector_model = Model::load(&settings.detector, Role::Detector)?;
    let size = [settings.detect_width, settings.detect_height];
    let mut detector = Detector::new(&detector_model, size[0], size[1])?;
    let embedder = Embedder::load(&settings.embedder)?;
    let mut liveness = PadModel::new(&Model::load(&settings.liveness, Role::Pad)?)?;
    let no_face = EvaluateError::NoFace;
    let purpose_giver = ();
    let purpose = Purpose::recognition(&purpose_giver);

    let jpeg = jpeg(picture);
    let face = detector.detect(picture)?.into_iter().next().ok_or(no_face("detector"))?;
    let aligned = align(picture, &face.landmarks).ok_or(no_face("alignment"))?;
    let probe = embedder.embed(&aligned, &purpose)?.ok_or(no_face("embedder"))?;
    let gallery = crowd(customers, probe.values().len());

    let stages = vec![
        stage("decode", runs, || show(decode_picture(&jpeg)))?,
        stage("detect", runs, || show(detector.detect(picture)?))?,
        stage("align", runs, || show(align(picture, &face.landmarks)))?,
        stage("liveness", runs, || show(liveness.bona_fide_probability(picture, &face.bounds)?))?,
        stage("embed", runs, || show(embedder.embed(&aligned, &purpose)?))?,
        stage("search", runs, || show(gallery.rank(&probe)))?,
        stage("frame", runs, || {
            for face in detector.detect(picture)? {
                let Some(aligned) = align(picture, &face.landmarks) else { continue };
                let Some(probe) = embedder.embed(&aligned, &purpose)? else { continue };
                show(gallery.rank(&probe))?;
            }
            Ok(())
        })?,
    ];
    Ok(Speed {
        processor: instruction_set(),
        model: embedder.id().0.clone(),
        picture: [picture.width(), picture.height()],
        detector: size,
        customers,
        threads: status("Threads:"),
        resident_bytes: status("VmRSS:").map(|kilobytes| kilobytes * 1024),
        stages,
    })
}

/// Time of this thread on a processor so far.
fn busy() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn stage(
    name: &'static str,
    runs: usize,
    mut work: impl FnMut() -> Result<(), EvaluateError>,
) -> Result<Stage, EvaluateError> {
    for _ in 0..WARM_UP {
        work()?;
    }
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs.max(1) {
        let before = busy();
        work()?;
        times.push(busy().saturating_sub(before));
    }
    times.sort();
    let at = |share: f64| micros(times[((times.len() - 1) as f64 * share).round() as usize]);
    Ok(Stage { name, median_us: at(0.5), p95_us: at(0.95) })
}

/// The compiler is not to see that nobody looks at what was made.
fn show<T>(made: T) -> Result<(), EvaluateError> {
    black_box(made);
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// As a camera would send it.
fn jpeg(picture: &Picture) -> Vec<u8> {
    let mut jpeg = Cursor::new(Vec::new());
    image::RgbImage::from_raw(picture.width(), picture.height(), picture.rgb().to_vec())
        .expect("a Picture has the bytes of its size")
        .write_to(&mut jpeg, ImageFormat::Jpeg)
        .expect("an RGB picture in memory can be a JPEG");
    jpeg.into_inner()
}

/// Customers that are nobody: directions without any likeness.
fn crowd(customers: usize, dimension: usize) -> Gallery {
    let mut state = 1u64;
    let mut next = || {
        // Knuth's MMIX generator: any noise will do.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut gallery = Gallery::default();
    for customer in 0..customers {
        let values = (0..dimension).map(|_| next()).collect();
        if let Ok(template) = Embedding::normalised(values) {
            gallery.insert(CustomerId(uuid::Uuid::from_u128(customer as u128)), [&template]);
        }
    }
    gallery
}

/// A number that the kernel tells about this program.
fn status(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    #[test]
    fn every_stage_of_a_real_face_costs_something_and_the_frame_more_than_its_parts() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../simulation/portraits/person_a_1.jpg");
        let picture = instored_imaging::read_picture(path.as_ref()).unwrap();
        let settings = instored_vision::Settings {
            embedder: "mobilefacenet".to_owned(),
            ..instored_vision::Settings::builder().load().unwrap()
        };
        let speed = measure(&settings, &picture, 10, 3).unwrap();
        let median = |name: &str| speed.stages.iter().find(|s| s.name == name).unwrap().median_us;
        for name in ["decode", "detect", "align", "liveness", "embed", "search"] {
            assert!(median(name) > 0.0, "{name}");
        }
        assert!(median("frame") > median("embed"));
        assert!(speed.resident_bytes.unwrap() > 0 && speed.threads.unwrap() > 0);
    }

    #[test]
    fn a_picture_of_nobody_is_refused() {
        let settings = instored_vision::Settings::builder().load().unwrap();
        let error = measure(&settings, &Picture::filled(64, 64, [9; 3]), 1, 1).unwrap_err();
        assert!(matches!(error, EvaluateError::NoFace("detector")), "{error}");
    }
}
