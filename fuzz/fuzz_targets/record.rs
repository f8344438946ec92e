#![no_main]

libfuzzer_sys::fuzz_target!(
    init: instored_fuzz::sow("record"),
    |data: &[u8]| instored_fuzz::vault::fuzzing::record(data)
);
