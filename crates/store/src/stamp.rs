//! What a `stat` says about a file, to tell without reading whether it is still the same.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::thread::sleep;
use std::time::Duration;

use camino::Utf8Path;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};

/// Inode, size, modification and change time. Whoever changes a file's bytes changes this, unless
/// it happens within one tick of the file system's clock; that case [`Clock`] is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub(crate) inode: u64,
    /// In bytes.
    pub(crate) size: u64,
    /// In nanoseconds since 1970.
    pub(crate) modified: i64,
    /// In nanoseconds since 1970.
    pub(crate) changed: i64,
}

impl Stamp {
    /// No file's: nothing has inode 0.
    pub(crate) const NONE: Self = Self {
        inode: 0,
        size: 0,
        modified: 0,
        changed: 0,
    };

    /// The stamp of the file this is about.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The last moment at which something about the file changed, as far as its times say.
    pub(crate) fn newest(self) -> i64 {
        self.modified.max(self.changed)
    }

    /// The same bytes in the same inode; only its links, mode or owner may have changed.
    pub(crate) fn same_but_change_time(self, other: Self) -> bool {
        Self { changed: 0, ..self }
            == Self {
                changed: 0,
                ..other
            }
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// The clock that a file system stamps its files with; it may tick slowly, and differ from ours.
#[derive(Debug)]
pub(crate) struct Clock {
    /// A nameless file that is touched to see the time.
    probe: File,
    seen: i64,
}

/// How long a file may be newer than the clock and still be worth waiting for.
const PATIENCE: Duration = Duration::from_millis(30);

impl Clock {
    /// The clock of the file system `directory` is on.
    pub(crate) fn of(directory: &Utf8Path) -> std::io::Result<Self> {
        fs_err::create_dir_all(directory)?;
        let mut clock = Self {
            probe: tempfile::tempfile_in(directory)?,
            seen: i64::MIN,
        };
        clock.tick()?;
        Ok(clock)
    }

    /// Waits until the clock is past `moment`, so that whatever changes from now on is stamped
    /// later than that. No: the moment is too far ahead, or the clock cannot be read.
    pub(crate) fn settle(&mut self, moment: i64) -> bool {
        if moment < self.seen {
            return true;
        }
        let mut waited = Duration::ZERO;
        loop {
            if self.tick().is_err() {
                return false;
            }
            if moment < self.seen {
                return true;
            }
            let ahead = u128::from(moment.abs_diff(self.seen));
            if ahead > PATIENCE.as_nanos() || waited >= PATIENCE {
                return false;
            }
            let step = Duration::from_millis(1);
            sleep(step);
            waited += step;
        }
    }

    fn tick(&mut self) -> std::io::Result<()> {
        let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        futimens(
            &self.probe,
            &Timestamps {
                last_access: time(UTIME_OMIT),
                last_modification: time(UTIME_NOW),
            },
        )?;
        self.seen = Stamp::of(&self.probe.metadata()?).modified;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_written_settles_and_the_future_does_not() {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path()).unwrap();
        let mut clock = Clock::of(root).unwrap();
        fs_err::write(root.join("f"), "x").unwrap();
        let stamp = Stamp::of(&fs_err::metadata(root.join("f")).unwrap());
        assert!(clock.settle(stamp.newest()));
        fs_err::write(root.join("f"), "y").unwrap();
        let later = Stamp::of(&fs_err::metadata(root.join("f")).unwrap());
        assert_ne!(stamp, later, "past the moment, a change shows");
        assert!(!clock.settle(later.newest() + 3_600_000_000_000));
    }
}
