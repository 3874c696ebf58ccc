#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ketch_dvc::fuzzing::stage_lock(bytes));
