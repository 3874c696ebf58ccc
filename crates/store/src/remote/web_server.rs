//! A web server: read by its addresses, written by requests that put bytes there.

use std::fmt;
use std::io::{self, Read, Write};
use std::mem;

use opendal::raw::percent_encode_path;
use ureq::http::{HeaderValue, Method, Request, StatusCode, header};

use super::http_transport::{BlockingTransport, broken, no_room};
use super::object_service::{Endpoint, ObjectService, failed};
use super::{Capabilities, ObjectFacts, Remote, RemoteError};

/// A server that gives what is asked for with `GET` and keeps what is sent with `POST` or `PUT`. It
/// can say nothing of what it has but by being asked for each thing.
pub(crate) struct WebServer {
    reading: ObjectService,
    writing: BlockingTransport,
    upload: Method,
    /// `https://host:port`.
    origin: String,
    /// The folder that its keys are below, without a slash at the end.
    root: String,
    authorization: Option<HeaderValue>,
}

impl fmt::Debug for WebServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebServer")
            .field("reading", &self.reading)
            .finish_non_exhaustive()
    }
}

impl WebServer {
    /// `upload` is the method that makes something there.
    pub(crate) fn new(
        reading: ObjectService,
        writing: BlockingTransport,
        upload: Method,
        endpoint: &Endpoint,
        authorization: Option<HeaderValue>,
    ) -> Self {
        Self {
            reading,
            writing,
            upload,
            origin: endpoint.origin.clone(),
            root: endpoint.path.trim_end_matches('/').to_owned(),
            authorization,
        }
    }

    fn request(
        &self,
        action: &'static str,
        method: &Method,
        key: &str,
    ) -> Result<Request<()>, RemoteError> {
        // As the reading side has it.
        let path = percent_encode_path(&format!("{}/{key}", self.root));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin));
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.body(()).map_err(|error| {
            let error = io::Error::new(io::ErrorKind::InvalidInput, error);
            RemoteError::io(self.name(), action, key, error)
        })
    }

    /// Nothing if the server did what it was asked for.
    fn judge(
        &self,
        action: &'static str,
        method: &Method,
        key: &str,
        answer: Result<StatusCode, ureq::Error>,
    ) -> Result<(), RemoteError> {
        let status = match answer {
            Ok(status) if status.is_success() => return Ok(()),
            // Who has no rule for uploads looks for the file, and finds none.
            Ok(
                status @ (StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_IMPLEMENTED
                | StatusCode::NOT_FOUND
                | StatusCode::CONFLICT
                | StatusCode::GONE),
            ) => {
                return Err(RemoteError::NotAccepted {
                    remote: self.name().to_owned(),
                    method: method.to_string(),
                    status: status.to_string(),
                });
            }
            Ok(StatusCode::INSUFFICIENT_STORAGE) => {
                return Err(failed(self.name(), action, key, no_room()));
            }
            Ok(status) => status,
            Err(error) => return Err(failed(self.name(), action, key, broken(&error))),
        };
        let kind = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                opendal::ErrorKind::PermissionDenied
            }
            _ => opendal::ErrorKind::Unexpected,
        };
        let again = matches!(
            status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::INTERNAL_SERVER_ERROR
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        let error = opendal::Error::new(kind, format!("the server answered {status}"));
        Err(failed(
            self.name(),
            action,
            key,
            error.with_temporary(again),
        ))
    }
}

impl Remote for WebServer {
    fn name(&self) -> &str {
        self.reading.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.reading.capabilities()
    }

    fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        self.reading.size(key)
    }

    fn facts(&self, key: &str) -> Result<Option<ObjectFacts>, RemoteError> {
        self.reading.facts(key)
    }

    fn list(&self, folder: &str, found: &mut dyn FnMut(&str, u64)) -> Result<(), RemoteError> {
        self.reading.list(folder, found)
    }

    fn read(&self, key: &str, sink: &mut dyn Write) -> Result<u64, RemoteError> {
        self.reading.read(key, sink)
    }

    fn read_range(
        &self,
        key: &str,
        offset: u64,
        length: u64,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError> {
        self.reading.read_range(key, offset, length, sink)
    }

    fn write(&self, key: &str, source: &mut dyn Read, size: u64) -> Result<(), RemoteError> {
        let request = self.request("write", &self.upload, key)?;
        let mut held = HeldBack::new(source);
        let answer = self.writing.send(request, &mut held, size);
        if let Some(trouble) = held.trouble {
            return Err(RemoteError::io(self.name(), "write", key, trouble));
        }
        self.judge("write", &self.upload, key, answer)?;
        // What such a server makes of an upload is its own affair: a form's answer is 200 as well.
        match self.reading.size(key)? {
            Some(found) if found == size => Ok(()),
            found => Err(RemoteError::NotKept {
                remote: self.name().to_owned(),
                object: key.to_owned(),
                size,
                found,
            }),
        }
    }

    fn delete(&self, key: &str) -> Result<(), RemoteError> {
        let request = self.request("delete", &Method::DELETE, key)?;
        let answer = self.writing.request(request);
        if let Ok(StatusCode::NOT_FOUND | StatusCode::GONE) = answer {
            return Ok(());
        }
        self.judge("delete", &Method::DELETE, key, answer)
    }
}

/// Gives the last of a source's bytes only when the source has ended well: a server keeps what it
/// got whole, and whether the bytes are the right ones is known at their end.
struct HeldBack<'a> {
    source: &'a mut dyn Read,
    /// What is given out, from `given` on.
    now: Vec<u8>,
    given: usize,
    next: Vec<u8>,
    /// Why the source could not be read, which the client would call a broken connection.
    trouble: Option<io::Error>,
}

impl<'a> HeldBack<'a> {
    const PART: u64 = 1 << 16;

    fn new(source: &'a mut dyn Read) -> Self {
        Self {
            source,
            now: Vec::new(),
            given: 0,
            next: Vec::new(),
            trouble: None,
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        self.given = 0;
        self.now = mem::take(&mut self.next);
        let mut part = Read::take(&mut *self.source, Self::PART);
        part.read_to_end(&mut self.next).map(drop)
    }
}

impl Read for HeldBack<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Twice at the start, where there is nothing to give out yet.
        for _ in 0..2 {
            if self.given < self.now.len() {
                break;
            }
            if let Err(error) = self.turn() {
                let told = io::Error::new(error.kind(), error.to_string());
                self.trouble = Some(error);
                self.now.clear();
                return Err(told);
            }
        }
        let mut rest = self.now.get(self.given..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes, and then an error in place of the end.
    struct EndsBadly(&'static [u8]);

    impl Read for EndsBadly {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("they are not what they should be")),
                count => Ok(count),
            }
        }
    }

    #[test]
    fn the_last_bytes_wait_for_a_good_end() {
        for length in [0, 1, 65_535, 65_536, 65_537, 200_000] {
            let content = vec![7; length];
            let mut bytes = &*content;
            let mut read = Vec::new();
            HeldBack::new(&mut bytes).read_to_end(&mut read).unwrap();
            assert!(read == content, "{length}");

            let mut source = EndsBadly(content.leak());
            let mut held = HeldBack::new(&mut source);
            let mut read = Vec::new();
            held.read_to_end(&mut read).unwrap_err();
            assert!(held.trouble.is_some());
            assert!(length == 0 || read.len() < length, "{length}");
            // It does not go on behind the error.
            assert!(!matches!(held.read(&mut [0; 8]), Ok(1..)));
        }
    }
}
