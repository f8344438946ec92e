#![no_main]

libfuzzer_sys::fuzz_target!(
    init: instored_fuzz::write_seeds("record"),
    |data: &[u8]| instored_vault::fuzzing::record(data)
);
