#![no_main]

use instored_imaging::fuzzing::mjpeg;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(mjpeg(data)));
