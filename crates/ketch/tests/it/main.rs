//! ketch from outside: as people and scripts see it.

mod abandoned;
mod cache_migrate;
mod data;
mod data_commands;
mod demo;
mod demo_bad_input;
mod demo_support;
mod diff_rows;
mod dvc_check_ignore;
mod dvc_commit_imports;
mod dvc_no_remote;
mod dvc_places;
mod dvc_refusals;
mod dvc_repro;
mod dvc_stages;
mod dvc_tables;
mod dvc_templates;
mod dvc_values;
mod environment;
mod exp_show;
mod experiments;
mod faults;
mod freeze;
mod gc_rules;
mod help;
mod import;
mod imports_beside_dvc;
mod kill_data;
mod kill_repro;
mod layering;
mod lock_contention;
mod merge_driver;
mod merge_hostile;
mod moving;
mod no_scm;
mod odd_surroundings;
mod parts;
mod personality;
mod pipeline;
mod pre_commit;
mod queue;
mod recipes;
mod registry;
mod setting_levels;
mod slurm;
mod support;
mod sweep;
mod transfer;
mod up;
mod verify;
mod web_remote;

#[test]
fn no_test_file_is_forgotten() {
    ketch_testkit::assert_no_forgotten_test_files(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it"));
}
