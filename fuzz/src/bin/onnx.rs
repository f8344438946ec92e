#![no_main]

use instored_vision::fuzzing::onnx;

libfuzzer_sys::fuzz_target!(|data: &[u8]| instored_fuzz::count(onnx(data)));
