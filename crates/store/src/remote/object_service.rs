//! Remotes that `OpenDAL` knows how to talk to.

use std::fmt;
use std::io::{self, Read, Write};
use std::ops::RangeBounds;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use opendal::{Builder, ErrorKind, HttpTransporter, Metadata, OperationContext, Operator};
use tokio::runtime::Runtime;

use super::generations::{GenerationTransport, hex_etag, is_generation};
use super::http_transport::{BlockingTransport, SecretHeader};
use super::trust::Trust;
use super::{
    Capabilities, FailureKind, ObjectFacts, ObjectVersion, Remote, RemoteError, RemoteSettings,
    Versions, is_not_there,
};

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

/// What the library calls these services.
const S3: &str = "s3";
const GOOGLE: &str = "gcs";

/// How long a silent server is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    /// Between two signs of life, not for a whole request.
    pub(crate) idle: Duration,
}

impl Timeouts {
    /// The `connect_timeout` and the option that this scheme has for the other one; a minute each
    /// otherwise, as with DVC.
    pub(crate) fn of(settings: &RemoteSettings, idle: &str) -> Result<Self, RemoteError> {
        let minute = Duration::from_mins(1);
        Ok(Self {
            connect: settings.seconds("connect_timeout")?.unwrap_or(minute),
            idle: settings.seconds(idle)?.unwrap_or(minute),
        })
    }
}

/// A URL of a server, taken apart.
pub(crate) struct Endpoint {
    /// `https://host:port`.
    pub(crate) origin: String,
    pub(crate) path: String,
    user: Option<String>,
}

impl Endpoint {
    pub(crate) fn of(settings: &RemoteSettings, url: &str) -> Result<Self, RemoteError> {
        let invalid = || settings.invalid("url", "of the form SCHEME://HOST/PATH");
        let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        if host.is_empty() {
            return Err(invalid());
        }
        Ok(Self {
            origin: format!("{}://{host}", scheme.to_ascii_lowercase()),
            path: format!("/{}", path.trim_end_matches('/')),
            user,
        })
    }

    /// User and password, from the options or the URL.
    pub(crate) fn login(&self, settings: &RemoteSettings) -> Option<(String, String)> {
        let (in_url, word) = match self.user.as_deref().map(|user| user.split_once(':')) {
            Some(Some((user, word))) => (Some(user), Some(word)),
            Some(None) => (self.user.as_deref(), None),
            None => (None, None),
        };
        let user = settings.option("user").or(in_url)?;
        let word = settings.option("password").or(word).unwrap_or_default();
        Some((user.to_owned(), word.to_owned()))
    }
}

pub(crate) struct ObjectService {
    name: String,
    operator: Operator,
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
    pub(crate) fn open(
        settings: &RemoteSettings,
        service: impl Builder,
        timeouts: Timeouts,
    ) -> Result<Self, RemoteError> {
        Self::open_with_header(settings, service, timeouts, None)
    }

    /// The same for a server that wants a header of its own with every request.
    pub(crate) fn open_with_header(
        settings: &RemoteSettings,
        service: impl Builder,
        timeouts: Timeouts,
        header: Option<Arc<SecretHeader>>,
    ) -> Result<Self, RemoteError> {
        let transport = BlockingTransport::new(timeouts, Trust::of(settings)?, header);
        let operator = Operator::new(service)
            .map_err(|error| failed(&settings.name, "open", &settings.url, error))?;
        let transport = if operator.info().scheme() == GOOGLE {
            HttpTransporter::new(GenerationTransport(transport))
        } else {
            HttpTransporter::new(transport)
        };
        let operator =
            operator.with_context(OperationContext::new().with_http_transport(transport));
        Ok(Self {
            name: settings.name.clone(),
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

    /// Servers that show a file while it is being written get another name first.
    fn writes_in_place(&self) -> bool {
        self.is("webdav")
    }

    fn is(&self, service: &str) -> bool {
        self.operator.info().scheme() == service
    }

    /// An etag as DVC records it.
    fn etag(&self, metadata: &Metadata) -> Option<String> {
        let etag = metadata.etag()?;
        let plain = etag.trim_matches('"');
        if plain.is_empty() {
            return None;
        }
        if self.is(S3) {
            Some(plain.to_owned())
        } else if self.is(GOOGLE) {
            hex_etag(etag)
        } else {
            Some(format!("\"{plain}\""))
        }
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
        if !self.is(GOOGLE) {
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
                    .filter(|_| self.is(GOOGLE))
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
        if !self.writes_in_place() {
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
        if self.is(GOOGLE) {
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
        (self.is(S3) || self.is(GOOGLE)).then_some(self)
    }
}

impl Versions for ObjectService {
    fn newest(&self, key: &str) -> Result<Option<ObjectVersion>, RemoteError> {
        match self.wait("look up", key, self.operator.stat(key)) {
            Ok(metadata) => self
                .version_of(&metadata, metadata.content_length())
                .map(Some),
            Err(error) if is_not_there(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn version(&self, key: &str, version_id: &str) -> Result<Option<ObjectVersion>, RemoteError> {
        let found = if self.is(GOOGLE) {
            if !is_generation(version_id) {
                return Ok(None);
            }
            let looking = async {
                let stat = self.operator.stat_with(key);
                stat.if_version_match(version_id).await
            };
            self.wait("look up", key, looking)
        } else {
            let looking = async { self.operator.stat_with(key).version(version_id).await };
            self.wait("look up", key, looking)
        };
        match found {
            Ok(metadata) => Ok(Some(ObjectVersion {
                version_id: version_id.to_owned(),
                etag: self.etag(&metadata),
                size: metadata.content_length(),
            })),
            Err(error) if is_not_there(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_version(
        &self,
        key: &str,
        version_id: &str,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError> {
        if self.is(GOOGLE) {
            if !is_generation(version_id) {
                let error = opendal::Error::new(ErrorKind::NotFound, "a generation is a number");
                return Err(failed(&self.name, "read", key, error));
            }
            let reader = async {
                let reader = self.operator.reader_with(key);
                reader.if_version_match(version_id).await
            };
            return self.stream_from(key, reader, .., sink);
        }
        let reader = async { self.operator.reader_with(key).version(version_id).await };
        self.stream_from(key, reader, .., sink)
    }

    fn write_version(
        &self,
        key: &str,
        source: &mut dyn Read,
        size: u64,
    ) -> Result<ObjectVersion, RemoteError> {
        let written = self.write_under(key, source, size)?;
        let version = self.version_of(&written, size)?;
        if version.version_id == "null" {
            // Versioning is suspended: the next write replaces this.
            return Err(RemoteError::KeepsNoVersions {
                remote: self.name.clone(),
            });
        }
        if version.etag.is_some() {
            return Ok(version);
        }
        // Some servers say less when an upload in parts ends.
        Ok(self.version(key, &version.version_id)?.unwrap_or(version))
    }

    fn list_newest(&self, folder: &str, found: &mut dyn FnMut(&str)) -> Result<(), RemoteError> {
        self.list(folder, &mut |key, _| found(key))
    }
}

impl ObjectService {
    fn version_of(&self, metadata: &Metadata, size: u64) -> Result<ObjectVersion, RemoteError> {
        match metadata.version().filter(|version| !version.is_empty()) {
            Some(version) => Ok(ObjectVersion {
                version_id: version.to_owned(),
                etag: self.etag(metadata),
                size,
            }),
            None => Err(RemoteError::KeepsNoVersions {
                remote: self.name.clone(),
            }),
        }
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
