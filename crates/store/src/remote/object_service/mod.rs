//! Remotes that `OpenDAL` knows how to talk to.

mod azure;
mod endpoint;
mod google;
mod grants;
mod service;
mod signing;
mod versions;

use std::fmt;
use std::io::{self, Read, Write};
use std::ops::RangeBounds;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use opendal::{
    Builder, ErrorKind, HttpTransport, HttpTransporter, Metadata, OperationContext, Operator,
};
use tokio::runtime::Runtime;

use super::http_transport::{BlockingTransport, SecretHeader};
use super::trust::Trust;
use super::{
    Capabilities, FailureKind, ObjectFacts, Remote, RemoteError, RemoteSettings, Versions,
    is_not_there,
};

pub(crate) use azure::VersionTransport;
pub(crate) use endpoint::{Endpoint, Timeouts};
pub(crate) use google::GenerationTransport;
pub(crate) use grants::GrantTransport;
pub(crate) use signing::LastCredential;

use service::Service;

/// The library below is asynchronous; every call is waited for here, on the thread that makes it.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("ketch-remote")
        .enable_all()
        .build()
});

/// Objects up to this size are sent in one request.
const ONE_REQUEST: u64 = 8 << 20;
/// S3 knows at most 10,000 parts of an upload.
const MOST_PARTS: u64 = 9_000;
const JOBS: usize = 16;

pub(crate) struct ObjectService {
    name: String,
    operator: Operator,
    service: Service,
    /// Counts temporary names.
    temporaries: AtomicU64,
}

impl fmt::Debug for ObjectService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectService")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ObjectService {
    /// A server that may want a header of its own with every request.
    pub(crate) fn open_with_header(
        settings: &RemoteSettings,
        service: impl Builder,
        timeouts: Timeouts,
        header: Option<Arc<SecretHeader>>,
    ) -> Result<Self, RemoteError> {
        let transport = BlockingTransport::new(timeouts, Trust::of(settings)?, header);
        Self::open_over(settings, service, HttpTransporter::new(transport))
    }

    /// The same for a service whose requests are changed on their way by what `around` puts around
    /// the transport.
    pub(crate) fn open_through<T: HttpTransport>(
        settings: &RemoteSettings,
        service: impl Builder,
        timeouts: Timeouts,
        around: impl FnOnce(BlockingTransport) -> T,
    ) -> Result<Self, RemoteError> {
        let transport = BlockingTransport::new(timeouts, Trust::of(settings)?, None);
        Self::open_over(settings, service, HttpTransporter::new(around(transport)))
    }

    fn open_over(
        settings: &RemoteSettings,
        service: impl Builder,
        transport: HttpTransporter,
    ) -> Result<Self, RemoteError> {
        let operator = Operator::new(service)
            .map_err(|error| failed(&settings.name, "open", &settings.url, error))?;
        let operator =
            operator.with_context(OperationContext::new().with_http_transport(transport));
        Ok(Self {
            name: settings.name.clone(),
            service: Service::of(&operator),
            operator,
            temporaries: AtomicU64::new(0),
        })
    }

    /// Waits for one operation.
    fn wait<T>(
        &self,
        action: &'static str,
        key: &str,
        operation: impl Future<Output = opendal::Result<T>>,
    ) -> Result<T, RemoteError> {
        match &*RUNTIME {
            Ok(runtime) => runtime
                .block_on(operation)
                .map_err(|error| failed(&self.name, action, key, error)),
            Err(error) => {
                let error = io::Error::new(error.kind(), error.to_string());
                Err(RemoteError::io(&self.name, action, key, error))
            }
        }
    }

    /// An etag as DVC records it.
    fn etag(&self, metadata: &Metadata) -> Option<String> {
        self.service.etag(metadata.etag()?)
    }

    fn write_parts(
        &self,
        key: &str,
        source: &mut dyn Read,
        size: u64,
    ) -> Result<Metadata, RemoteError> {
        let part = ONE_REQUEST.max(size / MOST_PARTS);
        let mut writer = self.writer(key)?;
        let sent = loop {
            let bytes = match read_up_to(source, part) {
                Ok(bytes) if bytes.is_empty() => break Ok(()),
                Ok(bytes) => bytes,
                Err(error) => break Err(RemoteError::io(&self.name, "write", key, error)),
            };
            if let Err(error) = self.wait("write", key, writer.write(bytes)) {
                break Err(error);
            }
        };
        match sent {
            Ok(()) => self.wait("write", key, writer.close()),
            Err(error) => {
                // What was sent so far would otherwise be kept, and paid for. The first error counts.
                let _ = self.wait("write", key, writer.abort());
                Err(error)
            }
        }
    }

    fn writer(&self, key: &str) -> Result<opendal::Writer, RemoteError> {
        if self.service != Service::Google {
            return self.wait("write", key, self.operator.writer(key));
        }
        // Google's own way to send in parts is the one OpenDAL takes for writes with a condition:
        // the object is as it was found when this began.
        match self.wait("look up", key, self.operator.stat(key)) {
            Ok(metadata) => {
                let version = metadata.version().unwrap_or_default().to_owned();
                let writer = self.operator.writer_with(key).if_version_match(&version);
                self.wait("write", key, async { writer.await })
            }
            Err(RemoteError::Failed {
                kind: FailureKind::NotFound,
                ..
            }) => {
                let writer = self.operator.writer_with(key).if_not_exists(true);
                self.wait("write", key, async { writer.await })
            }
            Err(error) => Err(error),
        }
    }

    fn stream(
        &self,
        key: &str,
        range: impl RangeBounds<u64>,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError> {
        self.stream_from(key, async { self.operator.reader(key).await }, range, sink)
    }

    fn stream_from(
        &self,
        key: &str,
        reader: impl Future<Output = opendal::Result<opendal::Reader>>,
        range: impl RangeBounds<u64>,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError> {
        let mut size = 0;
        let mut refused = None;
        let reading = async {
            let reader = reader.await?;
            let mut stream = std::pin::pin!(reader.into_stream(range).await?);
            while let Some(buffer) = next(stream.as_mut()).await {
                for bytes in buffer? {
                    size += bytes.len() as u64;
                    if let Err(error) = sink.write_all(&bytes) {
                        refused = Some(error);
                        return Ok(());
                    }
                }
            }
            Ok(())
        };
        self.wait("read", key, reading)?;
        match refused {
            Some(error) => Err(RemoteError::io(&self.name, "read", key, error)),
            None => Ok(size),
        }
    }

    fn write_under(
        &self,
        key: &str,
        source: &mut dyn Read,
        size: u64,
    ) -> Result<Metadata, RemoteError> {
        let in_parts = self.operator.info().capability().write_can_multi;
        if in_parts && size > ONE_REQUEST {
            return self.write_parts(key, source, size);
        }
        let bytes = read_up_to(source, u64::MAX)
            .map_err(|error| RemoteError::io(&self.name, "write", key, error))?;
        self.wait("write", key, self.operator.write(key, bytes))
    }
}

/// Knows how much went through, even if something broke then.
struct Counting<'a> {
    sink: &'a mut dyn Write,
    written: u64,
}

impl Write for Counting<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(buffer)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Remote for ObjectService {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        let capability = self.operator.info().capability();
        Capabilities {
            list: capability.list,
            cheap_lookup: false,
            jobs: JOBS,
        }
    }

    fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        Ok(self.facts(key)?.map(|facts| facts.size))
    }

    fn facts(&self, key: &str) -> Result<Option<ObjectFacts>, RemoteError> {
        match self.wait("look up", key, self.operator.stat(key)) {
            Ok(metadata) if !is_object(&metadata) => Ok(None),
            Ok(metadata) => Ok(Some(ObjectFacts {
                size: metadata.content_length(),
                etag: self.etag(&metadata),
                version_id: metadata
                    .version()
                    .filter(|_| self.service.always_has_versions())
                    .map(str::to_owned),
                content_md5: metadata.content_md5().map(str::to_owned),
                modified: metadata.last_modified().map(|time| time.to_string()),
                modified_at: metadata.last_modified().map(SystemTime::from),
            })),
            Err(RemoteError::Failed {
                kind: FailureKind::NotFound,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &str, found: &mut dyn FnMut(&str, u64)) -> Result<(), RemoteError> {
        let folder = format!("{}/", folder.trim_end_matches('/'));
        let listing = async { self.operator.list_with(&folder).recursive(true).await };
        let entries = match self.wait("list", &folder, listing) {
            Err(RemoteError::Failed {
                kind: FailureKind::NotFound,
                ..
            }) => return Ok(()),
            listed => listed?,
        };
        for entry in entries {
            let is_temporary = entry.name().starts_with(crate::atomic::TEMPORARY_PREFIX);
            if entry.metadata().is_file() && !is_temporary {
                found(entry.path(), entry.metadata().content_length());
            }
        }
        Ok(())
    }

    fn read(&self, key: &str, sink: &mut dyn Write) -> Result<u64, RemoteError> {
        self.stream(key, .., sink)
    }

    fn read_range(
        &self,
        key: &str,
        offset: u64,
        length: u64,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError> {
        if length == 0 {
            return Ok(0);
        }
        let end = offset.saturating_add(length);
        let mut sink = Counting { sink, written: 0 };
        match self.stream(key, offset..end, &mut sink) {
            // The library takes an object that ends before for a broken connection.
            Err(error) if !is_not_there(&error) => {
                let size = self.size(key)?.unwrap_or(u64::MAX);
                let all = size.saturating_sub(offset);
                let whole = size < end && sink.written == all;
                if whole { Ok(all) } else { Err(error) }
            }
            read => read,
        }
    }

    fn write(&self, key: &str, source: &mut dyn Read, size: u64) -> Result<(), RemoteError> {
        if !self.service.writes_in_place() {
            return self.write_under(key, source, size).map(drop);
        }
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        let count = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let temporary = format!(
            "{folder}/{}{}-{count}",
            crate::atomic::TEMPORARY_PREFIX,
            std::process::id()
        );
        let written = self
            .write_under(&temporary, source, size)
            .and_then(|_| self.wait("write", key, self.operator.rename(&temporary, key)));
        if written.is_err() {
            let _ = self.delete(&temporary);
        }
        written
    }

    fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.wait("delete", key, self.operator.delete(key))
    }

    fn most_deleted_together(&self) -> usize {
        if self.service == Service::Google {
            // Requests within a request, which its stand-in for tests does not understand.
            return 1;
        }
        let capability = self.operator.info().capability();
        capability.delete_max_size.unwrap_or(1).max(1)
    }

    fn delete_together(&self, keys: &[String]) -> Result<(), RemoteError> {
        let first = keys.first().map_or("", String::as_str);
        self.wait("delete", first, self.operator.delete_iter(keys.to_vec()))
    }

    fn versions(&self) -> Option<&dyn Versions> {
        self.service.keeps_versions().then_some(self)
    }
}

/// A folder, which some servers know, is none.
fn is_object(metadata: &Metadata) -> bool {
    !metadata.is_dir()
}

async fn next<S: futures_core::Stream>(mut stream: std::pin::Pin<&mut S>) -> Option<S::Item> {
    std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await
}

fn read_up_to(source: &mut dyn Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether the server said that it has no room.
fn is_full(error: &opendal::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    source.is_some_and(|source: &io::Error| source.kind() == io::ErrorKind::StorageFull)
}

pub(crate) fn failed(
    remote: &str,
    action: &'static str,
    object: &str,
    error: opendal::Error,
) -> RemoteError {
    let kind = match error.kind() {
        // Some of the library's services take this for temporary.
        ErrorKind::PermissionDenied => FailureKind::Denied,
        _ if error.is_temporary() => FailureKind::Transient,
        ErrorKind::NotFound => FailureKind::NotFound,
        ErrorKind::RateLimited => FailureKind::Transient,
        _ if is_full(&error) => FailureKind::Full,
        // No credentials were found, or they cannot sign anything.
        _ if std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<reqsign_core::Error>) =>
        {
            FailureKind::Denied
        }
        _ => FailureKind::Permanent,
    };
    RemoteError::Failed {
        remote: remote.to_owned(),
        action,
        object: super::scheme::without_secrets(object),
        kind,
        source: Box::new(error),
    }
}
