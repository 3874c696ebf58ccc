#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ketch_dvc::fuzzing::yaml_document(bytes));
