//! Small disks.

use std::io::Write as _;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use crate::peer::say;

/// A file system of its own, mounted until this is dropped.
#[derive(Debug)]
pub struct Mount(Utf8PathBuf);

impl Mount {
    /// Nothing, and a word about why, where that is not allowed.
    ///
    /// # Panics
    ///
    /// When there can be no such folder.
    pub fn new(at: &Utf8Path, arguments: &[&str]) -> Option<Self> {
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

    /// 8 MiB, in memory.
    pub fn small(at: &Utf8Path) -> Option<Self> {
        Self::new(at, &["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
    }

    /// With other options.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}"), self.0.as_str()])
            .status();
        assert!(status.expect("mount").success());
    }

    /// Fills it but for `room` bytes, by the file that this gives; the room is there when that goes.
    ///
    /// # Panics
    ///
    /// When there is less room than that.
    pub fn fill(&self, room: usize) -> Utf8PathBuf {
        let filler = self.0.join("filler");
        let mut file = fs_err::File::create(&filler).expect("a new file");
        let mut written = 0;
        while let Ok(()) = file.write_all(&[1; 4096]) {
            written += 4096;
        }
        file.set_len((written - room) as u64).expect("shortened");
        filler
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["-l", self.0.as_str()])
            .status();
    }
}
