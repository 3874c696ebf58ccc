//! Remotes and sources that stand between a test and the real ones.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use ketch_store::remote::{Capabilities, FailureKind, ObjectFacts, Remote, RemoteError};

use crate::remote::OPTIONS;

/// What a double leaves to the remote that it stands for, its `inner`.
macro_rules! forward {
    ($($method:ident),*) => {
        $(forward!(@ $method);)*
    };
    (@ name) => {
        fn name(&self) -> &str {
            self.inner.name()
        }
    };
    (@ capabilities) => {
        fn capabilities(&self) -> ketch_store::remote::Capabilities {
            self.inner.capabilities()
        }
    };
    (@ size) => {
        fn size(&self, key: &str) -> Result<Option<u64>, ketch_store::remote::RemoteError> {
            self.inner.size(key)
        }
    };
    (@ list) => {
        fn list(
            &self,
            folder: &str,
            found: &mut dyn FnMut(&str, u64),
        ) -> Result<(), ketch_store::remote::RemoteError> {
            self.inner.list(folder, found)
        }
    };
    (@ read) => {
        fn read(
            &self,
            key: &str,
            sink: &mut dyn std::io::Write,
        ) -> Result<u64, ketch_store::remote::RemoteError> {
            self.inner.read(key, sink)
        }
    };
    (@ write) => {
        fn write(
            &self,
            key: &str,
            source: &mut dyn std::io::Read,
            size: u64,
        ) -> Result<(), ketch_store::remote::RemoteError> {
            self.inner.write(key, source, size)
        }
    };
    (@ delete) => {
        fn delete(&self, key: &str) -> Result<(), ketch_store::remote::RemoteError> {
            self.inner.delete(key)
        }
    };
}
pub(crate) use forward;

/// Some bytes, then an error.
pub(crate) struct Breaking<'a>(pub(crate) &'a [u8]);

impl Read for Breaking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("broken on purpose")),
            read => Ok(read),
        }
    }
}

/// A remote that is asked again what it lost on the way, as every caller does.
#[derive(Debug)]
pub(crate) struct Patient<'a>(pub(crate) &'a dyn Remote);

fn again<T>(ask: impl FnMut() -> Result<T, RemoteError>) -> Result<T, RemoteError> {
    OPTIONS.retry.run(RemoteError::is_transient, ask)
}

impl Remote for Patient<'_> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        again(|| self.0.size(key))
    }

    fn facts(&self, key: &str) -> Result<Option<ObjectFacts>, RemoteError> {
        again(|| self.0.facts(key))
    }

    fn list(&self, folder: &str, found: &mut dyn FnMut(&str, u64)) -> Result<(), RemoteError> {
        let listed = again(|| {
            let mut listed = Vec::new();
            self.0.list(folder, &mut |key, size| {
                listed.push((key.to_owned(), size));
            })?;
            Ok(listed)
        })?;
        for (key, size) in listed {
            found(&key, size);
        }
        Ok(())
    }

    fn read(&self, key: &str, sink: &mut dyn io::Write) -> Result<u64, RemoteError> {
        let bytes = again(|| {
            let mut bytes = Vec::new();
            assert_eq!(self.0.read(key, &mut bytes)?, bytes.len() as u64);
            Ok(bytes)
        })?;
        sink.write_all(&bytes).unwrap();
        Ok(bytes.len() as u64)
    }

    fn read_range(
        &self,
        key: &str,
        offset: u64,
        length: u64,
        sink: &mut dyn io::Write,
    ) -> Result<u64, RemoteError> {
        let bytes = again(|| {
            let mut bytes = Vec::new();
            let read = self.0.read_range(key, offset, length, &mut bytes)?;
            assert_eq!(read, bytes.len() as u64);
            Ok(bytes)
        })?;
        sink.write_all(&bytes).unwrap();
        Ok(bytes.len() as u64)
    }

    fn write(&self, key: &str, source: &mut dyn Read, size: u64) -> Result<(), RemoteError> {
        let mut bytes = Vec::new();
        if source.read_to_end(&mut bytes).is_err() {
            // Not to be tried again: the source is the trouble.
            return self.0.write(key, &mut Breaking(&bytes), size);
        }
        again(|| self.0.write(key, &mut &*bytes, size))
    }

    fn delete(&self, key: &str) -> Result<(), RemoteError> {
        again(|| self.0.delete(key))
    }

    fn most_deleted_together(&self) -> usize {
        self.0.most_deleted_together()
    }

    fn delete_together(&self, keys: &[String]) -> Result<(), RemoteError> {
        again(|| self.0.delete_together(keys))
    }

    fn settle(&self) -> Result<(), RemoteError> {
        again(|| self.0.settle())
    }
}

/// A remote whose listings break off.
#[derive(Debug)]
pub(crate) struct Stuttering {
    pub(crate) inner: Box<dyn Remote>,
    /// How many listings break off, each after one key.
    pub(crate) breaks: usize,
    pub(crate) tried: AtomicUsize,
}

impl Remote for Stuttering {
    forward!(name, capabilities, size, read, write, delete);

    fn list(&self, folder: &str, found: &mut dyn FnMut(&str, u64)) -> Result<(), RemoteError> {
        if self.tried.fetch_add(1, Ordering::Relaxed) >= self.breaks {
            return self.inner.list(folder, found);
        }
        let mut first = None;
        self.inner.list(folder, &mut |key, size| {
            first = Some((key.to_owned(), size));
        })?;
        if let Some((key, _)) = first {
            found(&key, 999);
        }
        Err(RemoteError::Failed {
            remote: "here".to_owned(),
            action: "list",
            object: folder.to_owned(),
            kind: FailureKind::Transient,
            source: "broken on purpose".into(),
        })
    }
}

/// A remote that does not delete some keys at first, or ever.
#[derive(Debug)]
pub(crate) struct Clinging {
    pub(crate) inner: Box<dyn Remote>,
    /// The key, how often it stays, and why.
    pub(crate) stays: (String, usize, FailureKind),
    pub(crate) tried: AtomicUsize,
    /// How many objects are deleted in one request.
    pub(crate) together: usize,
}

impl Remote for Clinging {
    forward!(name, capabilities, size, list, read, write);

    fn most_deleted_together(&self) -> usize {
        self.together
    }

    fn delete(&self, key: &str) -> Result<(), RemoteError> {
        let (stays, times, kind) = &self.stays;
        if key == stays && self.tried.fetch_add(1, Ordering::Relaxed) < *times {
            return Err(RemoteError::Failed {
                remote: "here".to_owned(),
                action: "delete",
                object: key.to_owned(),
                kind: *kind,
                source: "broken on purpose".into(),
            });
        }
        self.inner.delete(key)
    }
}
