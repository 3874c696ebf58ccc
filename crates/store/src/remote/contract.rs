//! What every remote can do.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::SystemTime;

use super::{RemoteError, Versions};

/// What a remote can do beyond being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Objects can be listed by folder; otherwise each is asked for by itself.
    pub list: bool,
    /// Asking for one object costs next to nothing, so that listing is never worth it.
    pub cheap_lookup: bool,
    /// How many objects are worth moving at once, unless somebody chooses.
    pub jobs: usize,
}

/// What a remote knows of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectFacts {
    /// In bytes.
    pub size: u64,
    /// As DVC records it: as the server says it, but of S3 without the quotation marks around it, and
    /// of Google in hexadecimal.
    pub etag: Option<String>,
    /// Which version it is, where a server has versions of everything: Google's.
    pub version_id: Option<String>,
    /// In base 64, as the header of that name.
    pub content_md5: Option<String>,
    /// When it was last written, in the server's words.
    pub modified: Option<String>,
    /// When it was last written, by the server's clock.
    pub modified_at: Option<SystemTime>,
}

/// A place that keeps objects under keys such as `files/md5/ab/cdef`.
///
/// Calls block, come from several threads at once, and try once: trying again is
/// [`Retry`](super::Retry)'s.
pub trait Remote: fmt::Debug + Send + Sync {
    /// Its name in the configuration, for messages.
    fn name(&self) -> &str;

    fn capabilities(&self) -> Capabilities;

    /// The size of an object in bytes; nothing if it is not there.
    fn size(&self, key: &str) -> Result<Option<u64>, RemoteError>;

    /// What is known of an object without reading it; nothing if it is not there.
    fn facts(&self, key: &str) -> Result<Option<ObjectFacts>, RemoteError> {
        Ok(self.size(key)?.map(|size| ObjectFacts {
            size,
            ..ObjectFacts::default()
        }))
    }

    /// Calls `found` with the key and the size of everything below `folder`, in any order; `""` is
    /// the whole remote. A folder that is not there is empty.
    fn list(&self, folder: &str, found: &mut dyn FnMut(&str, u64)) -> Result<(), RemoteError>;

    /// Writes an object's bytes into `sink` and says how many there were.
    fn read(&self, key: &str, sink: &mut dyn Write) -> Result<u64, RemoteError>;

    /// Writes `length` bytes from `offset` on into `sink`, fewer where the object ends before, and
    /// says how many there were.
    ///
    /// This reads from the beginning; whoever can do better does.
    fn read_range(
        &self,
        key: &str,
        offset: u64,
        length: u64,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError> {
        let mut window = Window {
            sink,
            skip: offset,
            left: length,
            written: 0,
        };
        match self.read(key, &mut window) {
            // It was stopped, and not by a trouble.
            Err(_) if window.left == 0 => Ok(window.written),
            Err(error) => Err(error),
            Ok(_) => Ok(window.written),
        }
    }

    /// Makes an object of all the bytes of `source`, replacing what was there.
    ///
    /// The key shows the old object or the whole new one, never a part. An error of `source` at any
    /// moment, its end included, leaves the key as it was.
    fn write(&self, key: &str, source: &mut dyn Read, size: u64) -> Result<(), RemoteError>;

    /// Removes an object; none is no error.
    fn delete(&self, key: &str) -> Result<(), RemoteError>;

    /// How many objects [`delete_together`](Self::delete_together) takes in one request.
    fn most_deleted_together(&self) -> usize {
        1
    }

    /// Removes objects; those that are not there are no error. After an error any of them may be
    /// gone.
    fn delete_together(&self, keys: &[String]) -> Result<(), RemoteError> {
        keys.iter().try_for_each(|key| self.delete(key))
    }

    /// Returns when what was written before would survive a power cut.
    fn settle(&self) -> Result<(), RemoteError> {
        Ok(())
    }

    /// What it can do with versions; nothing for one that keeps none.
    fn versions(&self) -> Option<&dyn Versions> {
        None
    }
}

/// The key of a name in a folder; the folder `""` is the remote itself.
pub(crate) fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// Lets part of what is written through, and then stops the writer by an error.
struct Window<'a> {
    sink: &'a mut dyn Write,
    skip: u64,
    left: u64,
    written: u64,
}

impl Write for Window<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("that is enough"));
        }
        let skipped = self.skip.min(buffer.len() as u64);
        self.skip -= skipped;
        let rest = buffer.get(skipped as usize..).unwrap_or_default();
        let taken = self.left.min(rest.len() as u64);
        self.sink
            .write_all(rest.get(..taken as usize).unwrap_or_default())?;
        self.left -= taken;
        self.written += taken;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
