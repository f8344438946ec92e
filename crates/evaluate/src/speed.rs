//! CPU time of each stage of a frame, on one thread.

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

/// Results of a measurement.
#[derive(Debug, Serialize)]
pub struct Speed {
    /// Instruction set of the kernels, or `None` if tract executes all networks.
    pub processor: Option<&'static str>,
    /// Id of the embedder.
    pub model: String,
    /// Width and height of the picture in pixels.
    pub picture: [u32; 2],
    /// Width and height of the detector's input in pixels.
    pub detector: [u32; 2],
    /// Number of customers in the gallery.
    pub customers: usize,
    /// Number of threads of the program; the measurement uses one of them.
    pub threads: Option<u64>,
    /// Resident memory of the program in bytes.
    pub resident_bytes: Option<u64>,
    /// Stages of a frame, and their total as `frame`.
    pub stages: Vec<Stage>,
}

/// CPU time of one stage in microseconds.
#[derive(Debug, Serialize)]
pub struct Stage {
    /// Name of the stage.
    pub name: &'static str,
    /// Median in microseconds.
    pub median_us: f64,
    /// 95th percentile in microseconds.
    pub p95_us: f64,
}

/// Number of runs before the measurement, which fill caches and allocate memory.
const WARM_UP_RUNS: usize = 3;
/// Seed of the random gallery.
const GALLERY_SEED: u64 = 1;

/// Measures each stage of a frame that shows `picture` in `runs` runs, with a gallery of `customers`
/// random customers.
///
/// # Errors
/// If a model cannot be used, or a stage finds no face in the picture.
pub fn measure(
    settings: &instored_vision::Settings,
    picture: &Picture,
    customers: usize,
    runs: usize,
) -> Result<Speed, EvaluateError> {
    let detector_model = Model::load(&settings.detector, Role::Detector)?;
    let detector_size = [settings.detect_width, settings.detect_height];
    let mut detector = Detector::new(&detector_model, detector_size[0], detector_size[1])?;
    let embedder = Embedder::load(&settings.embedder)?;
    let mut liveness = PadModel::new(&Model::load(&settings.liveness, Role::Pad)?)?;
    let no_face = EvaluateError::NoFace;
    let window = ();
    let purpose = Purpose::recognition(&window);

    let jpeg = jpeg(picture);
    let face = detector.detect(picture)?.into_iter().next().ok_or(no_face("detector"))?;
    let aligned = align(picture, &face.landmarks).ok_or(no_face("alignment"))?;
    let probe = embedder.embed(&aligned, &purpose)?.ok_or(no_face("embedder"))?;
    let gallery = random_gallery(customers, probe.values().len());

    let stages = vec![
        measure_stage("decode", runs, || keep(decode_picture(&jpeg)))?,
        measure_stage("detect", runs, || keep(detector.detect(picture)?))?,
        measure_stage("align", runs, || keep(align(picture, &face.landmarks)))?,
        measure_stage("liveness", runs, || {
            keep(liveness.bona_fide_probability(picture, &face.bounds)?)
        })?,
        measure_stage("embed", runs, || keep(embedder.embed(&aligned, &purpose)?))?,
        measure_stage("search", runs, || keep(gallery.rank(&probe)))?,
        measure_stage("frame", runs, || {
            for face in detector.detect(picture)? {
                let Some(aligned) = align(picture, &face.landmarks) else { continue };
                let Some(probe) = embedder.embed(&aligned, &purpose)? else { continue };
                keep(gallery.rank(&probe))?;
            }
            Ok(())
        })?,
    ];
    Ok(Speed {
        processor: instruction_set(),
        model: embedder.id().0.clone(),
        picture: [picture.width(), picture.height()],
        detector: detector_size,
        customers,
        threads: process_status("Threads:"),
        resident_bytes: process_status("VmRSS:").map(|kilobytes| kilobytes * 1024),
        stages,
    })
}

/// Runs one stage repeatedly, and returns its times.
fn measure_stage(
    name: &'static str,
    runs: usize,
    mut work: impl FnMut() -> Result<(), EvaluateError>,
) -> Result<Stage, EvaluateError> {
    for _ in 0..WARM_UP_RUNS {
        work()?;
    }
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs.max(1) {
        let start = thread_cpu_time();
        work()?;
        times.push(thread_cpu_time().saturating_sub(start));
    }
    times.sort();
    let quantile =
        |q: f64| times[((times.len() - 1) as f64 * q).round() as usize].as_secs_f64() * 1e6;
    Ok(Stage { name, median_us: quantile(0.5), p95_us: quantile(0.95) })
}

/// Returns the CPU time of this thread so far.
fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Prevents the compiler from removing the computation of a value that nothing else uses.
fn keep<T>(value: T) -> Result<(), EvaluateError> {
    black_box(value);
    Ok(())
}

/// Encodes a picture as JPEG, the format of many cameras.
fn jpeg(picture: &Picture) -> Vec<u8> {
    let mut jpeg = Cursor::new(Vec::new());
    image::RgbImage::from_raw(picture.width(), picture.height(), picture.rgb().to_vec())
        .expect("a Picture has the bytes of its size")
        .write_to(&mut jpeg, ImageFormat::Jpeg)
        .expect("an RGB picture in memory can be encoded as JPEG");
    jpeg.into_inner()
}

/// Returns a gallery of random templates.
fn random_gallery(customers: usize, dimension: usize) -> Gallery {
    let mut random = fastrand::Rng::with_seed(GALLERY_SEED);
    let mut gallery = Gallery::default();
    for customer in 0..customers {
        let values = (0..dimension).map(|_| random.f32() * 2.0 - 1.0).collect();
        if let Ok(template) = Embedding::normalised(values) {
            gallery.insert(CustomerId(uuid::Uuid::from_u128(customer as u128)), [&template]);
        }
    }
    gallery
}

/// Returns the number behind `key` in `/proc/self/status`.
fn process_status(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use confique::Config;

    use super::*;

    #[test]
    fn every_stage_for_real_face_takes_time() {
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
    fn picture_without_face_is_rejected() {
        let settings = instored_vision::Settings::builder().load().unwrap();
        let error = measure(&settings, &Picture::filled(64, 64, [9; 3]), 1, 1).unwrap_err();
        assert!(matches!(error, EvaluateError::NoFace("detector")), "{error}");
    }
}
