//! A directory on a machine that is reached by SSH.
//!
//! The system's own `ssh` makes the connection: its configuration, keys, agents, jump hosts and
//! known hosts are those the user has everywhere else. What is spoken over it is SFTP, with many
//! requests under way at once on one connection.

mod connection;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod packet;

use std::io::{self, Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use connection::{Broken, Connection};
use packet::{Attributes, Reply, Request};

use crate::TemporaryFolder;

use super::{
    Capabilities, ConnectionTrouble, FailureKind, ObjectFacts, Remote, RemoteError, below,
};

const JOBS: usize = 16;
/// More names than any folder of objects has.
const MOST_NAMES: usize = 10_000_000;

/// Makes a command that starts `ssh`, and keeps what that needs until the connection is made.
pub(crate) type Program =
    Box<dyn Fn() -> io::Result<(Command, Option<TemporaryFolder>)> + Send + Sync>;

/// How to get there.
pub(crate) struct SftpSettings {
    pub(crate) name: String,
    /// As `ssh` is told, for messages.
    pub(crate) host: String,
    /// Where keys begin, with a `/` in front.
    pub(crate) root: String,
    pub(crate) program: Program,
    /// How long logging in may take.
    pub(crate) patience: Duration,
    /// How long the server may be silent.
    pub(crate) idle: Duration,
}

pub(crate) struct Sftp {
    settings: SftpSettings,
    link: Mutex<Link>,
    /// Counts temporary names.
    temporaries: AtomicU64,
}

/// The one connection.
enum Link {
    None,
    Up(Arc<Connection>),
    /// Trying again would be refused again, and servers lock out who tries too often.
    Refused(ConnectionTrouble, String),
}

/// Why a request was not done.
enum SftpError {
    Status {
        code: u32,
        message: String,
    },
    Broken(Broken),
    /// The connection was not made.
    Trouble(ConnectionTrouble, String),
    /// The bytes to send, or where they should go.
    Ours(io::Error),
    Nonsense,
    /// The file was shorter than it said.
    Short,
    /// There is no room for it.
    Full,
}

impl From<Broken> for SftpError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

type Done<T> = Result<T, SftpError>;

impl std::fmt::Debug for Sftp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sftp")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}

impl Sftp {
    pub(crate) fn new(settings: SftpSettings) -> Self {
        Self {
            settings,
            link: Mutex::new(Link::None),
            temporaries: AtomicU64::new(0),
        }
    }

    /// The connection, made if there is none or no longer one.
    fn connection(&self) -> Done<Arc<Connection>> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        match &*link {
            Link::Up(connection) if connection.is_up() => return Ok(Arc::clone(connection)),
            Link::Refused(trouble, words) => {
                return Err(SftpError::Trouble(*trouble, words.clone()));
            }
            Link::Up(_) | Link::None => {}
        }
        let (trouble, words) = match self.connect() {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *link = Link::Up(Arc::clone(&connection));
                return Ok(connection);
            }
            Err(error) => error,
        };
        *link = match trouble {
            ConnectionTrouble::Unreachable => Link::None,
            _ => Link::Refused(trouble, words.clone()),
        };
        Err(SftpError::Trouble(trouble, words))
    }

    fn connect(&self) -> Result<Connection, (ConnectionTrouble, String)> {
        let no_program = |error: io::Error| (ConnectionTrouble::NoProgram, error.to_string());
        // What it needs besides goes when it has logged in.
        let (command, _needs) = (self.settings.program)().map_err(no_program)?;
        let opened = Connection::open(command, self.settings.patience, self.settings.idle);
        opened
            .map_err(no_program)?
            .map_err(|broken| trouble(&broken))
    }

    fn path(&self, key: &str) -> String {
        format!("{}/{key}", self.settings.root.trim_end_matches('/'))
    }

    fn failed(&self, action: &'static str, key: &str, error: SftpError) -> RemoteError {
        let remote = self.settings.name.clone();
        let (kind, source) = match error {
            SftpError::Trouble(trouble, words) => {
                return RemoteError::Connection {
                    remote,
                    host: self.settings.host.clone(),
                    trouble,
                    words,
                };
            }
            SftpError::Ours(error) => {
                return RemoteError::io(&self.settings.name, action, key, error);
            }
            SftpError::Status { code, message } => (
                match code {
                    packet::NO_SUCH_FILE => FailureKind::NotFound,
                    packet::PERMISSION_DENIED => FailureKind::Denied,
                    // No or a lost connection of the server's own.
                    6 | 7 => FailureKind::Transient,
                    _ => FailureKind::Permanent,
                },
                format!("the server says: {message} (status {code})"),
            ),
            SftpError::Broken(broken) if broken.timed_out => (
                FailureKind::Transient,
                "the server did not answer in time".to_owned(),
            ),
            SftpError::Broken(broken) => {
                let words = last_line(&broken.words);
                (
                    FailureKind::Transient,
                    format!("the connection broke: {words}"),
                )
            }
            SftpError::Nonsense => (
                FailureKind::Permanent,
                "the server answered something else than it was asked".to_owned(),
            ),
            SftpError::Full => (FailureKind::Full, "the server's disk is full".to_owned()),
            SftpError::Short => (
                FailureKind::Transient,
                "the file ended before its end".to_owned(),
            ),
        };
        RemoteError::Failed {
            remote,
            action,
            object: key.to_owned(),
            kind,
            source: source.into(),
        }
    }

    /// Writes to another name, which takes its own when it is whole.
    fn write_to(&self, path: &str, source: &mut dyn Read, size: u64) -> Done<()> {
        let connection = self.connection()?;
        let (folder, _) = path.rsplit_once('/').unwrap_or(("", path));
        let count = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let temporary = format!(
            "{folder}/{}{}-{count}",
            crate::atomic::TEMPORARY_PREFIX,
            std::process::id()
        );
        let handle = match connection.open_new(&temporary) {
            Err(SftpError::Status {
                code: packet::NO_SUCH_FILE,
                ..
            }) => {
                connection.make_folders(folder)?;
                connection.open_new(&temporary)?
            }
            // Of a process with the same number, on another machine or long gone.
            Err(SftpError::Status {
                code: packet::FAILURE,
                ..
            }) => {
                let _ = connection.remove(&temporary);
                connection.open_new(&temporary)?
            }
            opened => opened?,
        };
        let written = connection
            .send_file(&handle, source, size)
            .and_then(|()| connection.rename(&temporary, path));
        let Err(error) = written else { return Ok(()) };
        // Servers say «failure» to this and to much else. Looked at before the room is free again.
        let failed = matches!(&error, SftpError::Status { code, .. } if *code == packet::FAILURE);
        let full = failed && connection.is_full(folder);
        let _ = connection.remove(&temporary);
        Err(if full { SftpError::Full } else { error })
    }
}

impl Remote for Sftp {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            list: true,
            cheap_lookup: false,
            jobs: JOBS,
        }
    }

    fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        Ok(self.facts(key)?.map(|facts| facts.size))
    }

    fn facts(&self, key: &str) -> Result<Option<ObjectFacts>, RemoteError> {
        let found = self
            .connection()
            .and_then(|connection| connection.stat(&self.path(key)));
        match found {
            Ok(attributes) if attributes.is_directory() => Ok(None),
            Ok(attributes) => match attributes.size {
                Some(size) => Ok(Some(ObjectFacts {
                    size,
                    modified_at: attributes
                        .modified
                        .map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds.into())),
                    ..ObjectFacts::default()
                })),
                None => Err(self.failed("look up", key, SftpError::Nonsense)),
            },
            Err(SftpError::Status {
                code: packet::NO_SUCH_FILE,
                ..
            }) => Ok(None),
            Err(error) => Err(self.failed("look up", key, error)),
        }
    }

    fn list(&self, folder: &str, found: &mut dyn FnMut(&str, u64)) -> Result<(), RemoteError> {
        let mut folders = vec![folder.trim_end_matches('/').to_owned()];
        while let Some(folder) = folders.pop() {
            let listed = self
                .connection()
                .and_then(|connection| connection.read_folder(&self.path(&folder)));
            let names = match listed {
                Ok(names) => names,
                Err(SftpError::Status {
                    code: packet::NO_SUCH_FILE,
                    ..
                }) => continue,
                Err(error) => return Err(self.failed("list", &folder, error)),
            };
            for (name, attributes) in names {
                // Every key of ours is UTF-8, and a name that is not is nobody's object.
                let Ok(name) = String::from_utf8(name) else {
                    continue;
                };
                let hostile = name.contains('/') || name.contains('\0');
                if hostile || name == "." || name == ".." || name.is_empty() {
                    continue;
                }
                let key = below(&folder, &name);
                if attributes.is_directory() {
                    folders.push(key);
                } else if !name.starts_with(crate::atomic::TEMPORARY_PREFIX) {
                    let size = match attributes.size {
                        Some(size) if !attributes.is_link() => Some(size),
                        _ => self.size(&key)?,
                    };
                    if let Some(size) = size {
                        found(&key, size);
                    }
                }
            }
        }
        Ok(())
    }

    fn read(&self, key: &str, sink: &mut dyn Write) -> Result<u64, RemoteError> {
        self.read_range(key, 0, u64::MAX, sink)
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
        let wanted = offset..offset.saturating_add(length);
        self.connection()
            .and_then(|connection| connection.fetch_file(&self.path(key), &wanted, sink))
            .map_err(|error| self.failed("read", key, error))
    }

    fn write(&self, key: &str, source: &mut dyn Read, size: u64) -> Result<(), RemoteError> {
        self.write_to(&self.path(key), source, size)
            .map_err(|error| self.failed("write", key, error))
    }

    fn delete(&self, key: &str) -> Result<(), RemoteError> {
        let removed = self
            .connection()
            .and_then(|connection| connection.remove(&self.path(key)));
        match removed {
            Err(SftpError::Status {
                code: packet::NO_SUCH_FILE,
                ..
            }) => Ok(()),
            removed => removed.map_err(|error| self.failed("delete", key, error)),
        }
    }
}

/// One request that is answered with a status.
impl Connection {
    fn request(&self, kind: u8, fields: impl FnOnce(Request) -> Request) -> Done<Reply> {
        let receiver = self.ask(kind, fields)?;
        match self.answer(&receiver)? {
            Reply::Status { code, message } if code != 0 => {
                Err(SftpError::Status { code, message })
            }
            reply => Ok(reply),
        }
    }

    fn order(&self, kind: u8, fields: impl FnOnce(Request) -> Request) -> Done<()> {
        match self.request(kind, fields)? {
            Reply::Status { .. } => Ok(()),
            _ => Err(SftpError::Nonsense),
        }
    }

    fn handle(&self, kind: u8, fields: impl FnOnce(Request) -> Request) -> Done<Vec<u8>> {
        match self.request(kind, fields)? {
            Reply::Handle(handle) => Ok(handle),
            _ => Err(SftpError::Nonsense),
        }
    }

    fn close(&self, handle: &[u8]) -> Done<()> {
        self.order(packet::CLOSE, |request| request.bytes(handle))
    }

    fn stat(&self, path: &str) -> Done<Attributes> {
        match self.request(packet::STAT, |request| request.bytes(path.as_bytes()))? {
            Reply::Attributes(attributes) => Ok(attributes),
            _ => Err(SftpError::Nonsense),
        }
    }

    fn remove(&self, path: &str) -> Done<()> {
        self.order(packet::REMOVE, |request| request.bytes(path.as_bytes()))
    }

    /// A new file, open for writing.
    fn open_new(&self, path: &str) -> Done<Vec<u8>> {
        self.handle(packet::OPEN, |request| {
            request
                .bytes(path.as_bytes())
                .number(packet::OPEN_NEW)
                .number(0)
        })
    }

    /// A folder and those above it, as far as they are not there.
    fn make_folders(&self, folder: &str) -> Done<()> {
        let make = |folder: &str| {
            self.order(packet::MKDIR, |request| {
                request.bytes(folder.as_bytes()).number(0)
            })
        };
        match make(folder) {
            Ok(()) => Ok(()),
            Err(SftpError::Status { code, message }) => {
                // Servers do not say which: it is there, or the one above it is not.
                if self.stat(folder).is_ok_and(Attributes::is_directory) {
                    return Ok(());
                }
                match folder.rsplit_once('/') {
                    Some((above, _)) if !above.is_empty() && code != packet::PERMISSION_DENIED => {
                        self.make_folders(above)?;
                        match make(folder) {
                            // Another thread was first.
                            Err(SftpError::Status { .. })
                                if self.stat(folder).is_ok_and(Attributes::is_directory) =>
                            {
                                Ok(())
                            }
                            made => made,
                        }
                    }
                    _ => Err(SftpError::Status { code, message }),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Gives a file another name, in the place of what had it.
    fn rename(&self, from: &str, to: &str) -> Done<()> {
        const REPLACING: &str = "posix-rename@openssh.com";
        let (from, to) = (from.as_bytes(), to.as_bytes());
        if self.has(REPLACING) {
            return self.order(packet::EXTENDED, |request| {
                request.bytes(REPLACING.as_bytes()).bytes(from).bytes(to)
            });
        }
        let rename = || self.order(packet::RENAME, |request| request.bytes(from).bytes(to));
        match rename() {
            // This server's rename replaces nothing: for a moment there is no such file.
            Err(SftpError::Status { .. }) => {
                let _ = self.order(packet::REMOVE, |request| request.bytes(to));
                rename()
            }
            renamed => renamed,
        }
    }

    /// Whether nothing more goes onto the disk that a folder is on; not if that cannot be told.
    fn is_full(&self, folder: &str) -> bool {
        const SPACE: &str = "statvfs@openssh.com";
        /// What is left when nothing more can be written is less than a few blocks.
        const FEW_BLOCKS: u64 = 64 << 10;
        if !self.has(SPACE) {
            return false;
        }
        let told = self.request(packet::EXTENDED, |request| {
            request.bytes(SPACE.as_bytes()).bytes(folder.as_bytes())
        });
        match told {
            Ok(Reply::Extended(body)) => {
                packet::room(&body).is_some_and(|(bytes, files)| bytes < FEW_BLOCKS || files == 0)
            }
            _ => false,
        }
    }

    fn has(&self, extension: &str) -> bool {
        self.extensions.iter().any(|name| name == extension)
    }

    fn read_folder(&self, path: &str) -> Done<Vec<(Vec<u8>, Attributes)>> {
        let handle = self.handle(packet::OPENDIR, |request| request.bytes(path.as_bytes()))?;
        let mut names = Vec::new();
        let read = loop {
            match self.request(packet::READDIR, |request| request.bytes(&handle)) {
                // A server that never comes to an end would fill the memory.
                Ok(Reply::Names(more)) if !more.is_empty() && names.len() < MOST_NAMES => {
                    names.extend(more);
                }
                Err(SftpError::Status {
                    code: packet::NO_MORE,
                    ..
                }) => break Ok(()),
                Ok(_) => break Err(SftpError::Nonsense),
                Err(error) => break Err(error),
            }
        };
        let closed = self.close(&handle);
        read.and(closed).map(|()| names)
    }
}

/// What the words of `ssh` mean when there is no connection.
fn trouble(broken: &Broken) -> (ConnectionTrouble, String) {
    let words = &broken.words;
    let has = |what: &str| words.contains(what);
    let trouble = if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        ConnectionTrouble::HostKeyChanged
    } else if has("Host key verification failed") {
        ConnectionTrouble::HostKeyUnknown
    } else if has("Permission denied") || has("Too many authentication failures") {
        ConnectionTrouble::LoginRefused
    } else if has("subsystem request failed") || has("something that is not SFTP") {
        ConnectionTrouble::NoSftp
    } else {
        ConnectionTrouble::Unreachable
    };
    let said = if broken.timed_out {
        "no answer in time".to_owned()
    } else {
        last_line(words)
    };
    (trouble, said)
}

fn last_line(words: &str) -> String {
    let line = words.lines().map(str::trim).rfind(|line| !line.is_empty());
    let line: String = line.unwrap_or("it was closed").chars().take(300).collect();
    line.replace(char::is_control, " ")
}
