//! Memory of the process after a stranger has left: it contains neither their embedding nor the picture of
//! their face.

#![cfg(target_os = "linux")]

use std::fs::{File, read_to_string};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use confique::Config;
use instored_domain::{CustomerId, Embedding, RecognitionEvent};
use instored_imaging::{Frame, Picture, read_picture};
use instored_recognition::{Mode, Recogniser, Settings};
use instored_vision::{Detector, Model, Role, align};
use zeroize::Zeroizing;

/// Encodes the values of needles, so that the needles are not found in memory themselves.
const MASK: u32 = 0xa5c3_96e1;
/// Number of consecutive values of a needle.
const LENGTH: usize = 32;
/// Size of the part of the memory that is read at once, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// Values to search for, encoded.
struct Needle {
    name: &'static str,
    encoded: Vec<u32>,
    /// True if any multiple of the values is searched for, as `f32`.
    is_vector: bool,
}

impl Needle {
    /// Creates a needle from a part of a vector. Sums and unnormalised vectors are multiples of it.
    fn vector(name: &'static str, values: &[f32]) -> Self {
        let encoded = values[..LENGTH].iter().map(|v| v.to_bits() ^ MASK).collect();
        Self { name, encoded, is_vector: true }
    }

    /// Creates a needle from the pixels in the middle of a picture.
    fn pixels(name: &'static str, picture: &Picture) -> Self {
        let middle = picture.rgb().len() / 2 / 4 * 4;
        let words = picture.rgb()[middle..].as_chunks::<4>().0;
        let encoded = words[..LENGTH].iter().map(|word| u32::from_ne_bytes(*word) ^ MASK).collect();
        Self { name, encoded, is_vector: false }
    }

    fn value(&self, i: usize) -> f32 {
        f32::from_bits(self.encoded[i] ^ MASK)
    }

    fn is_at_start_of(&self, words: &[[u8; 4]]) -> bool {
        if !self.is_vector {
            let mut pairs = words.iter().zip(&self.encoded);
            return pairs.all(|(word, encoded)| u32::from_ne_bytes(*word) == encoded ^ MASK);
        }
        let ratio = f32::from_ne_bytes(words[0]) / self.value(0);
        ratio.is_normal()
            && (1..LENGTH).all(|i| {
                let difference = f32::from_ne_bytes(words[i]) - ratio * self.value(i);
                difference.abs() <= 1e-5 * ratio.abs()
            })
    }
}

/// Returns the names of the needles that the writable memory of this process contains.
fn found(needles: &[Needle]) -> Vec<&'static str> {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut chunk = Zeroizing::new(vec![0; CHUNK_BYTES]);
    let mut found = Vec::new();
    for line in read_to_string("/proc/self/maps").unwrap().lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [mut at, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        while rest.starts_with("rw") && at < end {
            let length = usize::try_from(end - at).unwrap().min(CHUNK_BYTES);
            if memory.read_exact_at(&mut chunk[..length], at).is_err() {
                break;
            }
            let words = chunk[..length].as_chunks::<4>().0;
            for window in words.windows(LENGTH) {
                // Most memory is zero, and no needle starts with a zero.
                if window[0] == [0; 4] {
                    continue;
                }
                found.extend(needles.iter().filter(|n| n.is_at_start_of(window)).map(|n| n.name));
            }
            // Parts overlap, so that a needle is found across their border.
            let overlap = if length == CHUNK_BYTES { 4 * LENGTH } else { 0 };
            at += (length - overlap) as u64;
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

struct Entrance {
    recogniser: Recogniser,
    now: Duration,
}

impl Entrance {
    fn new(mode: Mode) -> Self {
        let models = instored_vision::Settings::builder().load().unwrap();
        let settings = Settings::builder().load().unwrap();
        let settings = Settings { mode, enrolment_views: 3, request_seconds: 2.0, ..settings };
        let recogniser = Recogniser::new(&models, &settings).unwrap();
        Self { recogniser, now: Duration::ZERO }
    }

    /// Processes this number of frames that show `picture`, ten per second.
    fn show(&mut self, picture: &Picture, frames: usize) -> Vec<RecognitionEvent> {
        let mut events = Vec::new();
        for _ in 0..frames {
            self.now += Duration::from_millis(100);
            let frame = Frame { picture: picture.clone(), captured_at: self.now };
            events.extend(self.recogniser.process(&frame).unwrap());
        }
        events
    }

    /// Adds a customer with a random template of `dimension` values.
    fn add_customer(&mut self, dimension: usize) {
        let mut random = fastrand::Rng::with_seed(1);
        let values = (0..dimension).map(|_| random.f32() - 0.5).collect();
        let template = Embedding::normalised(values).unwrap();
        let customer = CustomerId(uuid::Uuid::from_u128(1));
        self.recogniser.add_customer(customer, &[template], None);
    }
}

/// Returns the needles of a stranger, and the number of values of an embedding.
fn needles(stranger: &Picture) -> (Vec<Needle>, usize) {
    let mut entrance = Entrance::new(Mode::Entrance);
    assert!(entrance.recogniser.begin_enrolment(false));
    let embeddings = entrance.show(stranger, 60).into_iter().find_map(|event| match event {
        RecognitionEvent::Enrolled { embeddings, .. } => Some(embeddings),
        _ => None,
    });
    let embeddings = embeddings.expect("the stranger is enrolled");
    let values = embeddings[0].values();

    let models = instored_vision::Settings::builder().load().unwrap();
    let model = Model::load(&models.detector, Role::Detector).unwrap();
    let mut detector = Detector::new(&model, models.detect_width, models.detect_height).unwrap();
    let faces = detector.detect(stranger).unwrap();
    let crop = align(stranger, &faces[0].landmarks).unwrap();
    let needles = vec![
        Needle::vector("first network", &values[40..]),
        Needle::vector("second network", &values[300..]),
        Needle::pixels("aligned face", &crop),
        Needle::pixels("mirrored face", &Zeroizing::new(crop.mirrored())),
    ];
    (needles, values.len())
}

#[test]
fn memory_contains_nothing_of_a_stranger_who_left() {
    let portraits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulation/portraits");
    let stranger = read_picture(&portraits.join("impostor_1.jpg")).unwrap();
    let empty = Picture::filled(stranger.width(), stranger.height(), [90; 3]);
    let (needles, dimension) = needles(&stranger);
    assert_eq!(found(&needles), [""; 0], "after a failed storing of an enrolment");

    let mut entrance = Entrance::new(Mode::Entrance);
    entrance.add_customer(dimension);
    entrance.show(&stranger, 20);
    let while_in_view = found(&needles);
    assert_eq!(while_in_view, ["first network", "second network"], "the evidence in use");
    entrance.show(&empty, 20);
    assert_eq!(found(&needles), [""; 0], "the stranger left");

    entrance.show(&stranger, 20);
    entrance.recogniser.set_idle();
    assert_eq!(found(&needles), [""; 0], "the camera was lost");

    entrance.show(&stranger, 20);
    assert!(entrance.recogniser.begin_enrolment(false));
    assert_eq!(found(&needles), [""; 0], "an enrolment started");
    entrance.recogniser.cancel_enrolment();
    assert!(entrance.recogniser.embedding_count().recognition > 20);

    let mut on_request = Entrance::new(Mode::OnRequest);
    on_request.add_customer(dimension);
    assert!(on_request.recogniser.open_window());
    let events = on_request.show(&stranger, 21);
    assert!(matches!(events[..], [RecognitionEvent::NotRecognised]), "{events:?}");
    assert!(on_request.recogniser.embedding_count().recognition > 5);
    assert_eq!(found(&needles), [""; 0], "the window closed");

    let planted: Vec<f32> = (0..LENGTH).map(|i| 3.0 * needles[0].value(i)).collect();
    assert_eq!(found(&needles), ["first network"], "a planted vector is found");
    black_box(planted);
}
