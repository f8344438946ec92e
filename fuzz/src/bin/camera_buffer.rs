#![no_main]

use instored_imaging::fuzzing::camera_buffer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(camera_buffer(data)));
