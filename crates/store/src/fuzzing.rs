//! Harnesses for the fuzz targets in `fuzz/`; the tests beside each run the same on damaged seeds.

pub use crate::chunk::fuzzing::{index, pack};
pub use crate::ignore_rule::fuzzing::ignore_file;
pub use crate::remote::fuzzing::{aws_config, remote_settings, sftp};
