//! File systems of their own.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use crate::support::say;

/// A file system of its own, mounted until this is dropped.
pub(super) struct Mount(pub(super) Utf8PathBuf);

impl Mount {
    /// Nothing, and a word about why, where that is not allowed.
    pub(super) fn new(at: &Utf8Path, arguments: &[&str]) -> Option<Self> {
        fs_err::create_dir_all(at).expect("a folder to mount on");
        let output = Command::new("mount").args(arguments).arg(at).output();
        match output {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stderr);
                say(&format!("skipped: mounting needs root: {}", told.trim()));
                None
            }
            Err(error) => {
                say(&format!("skipped: there is no program `mount`: {error}"));
                None
            }
        }
    }

    pub(super) fn small(at: &Utf8Path) -> Option<Self> {
        Self::new(at, &["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
    }

    pub(super) fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}"), self.0.as_str()])
            .status();
        assert!(status.expect("mount").success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["-l", self.0.as_str()])
            .status();
    }
}
