//! The bytes of files, many pieces on their way at once.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::mpsc::Receiver;

use super::connection::Connection;
use super::packet::{self, Reply};
use super::{Done, SftpError};

/// A piece that every server takes.
const PIECE: u32 = 32 << 10;
/// How many pieces of one file are on their way: 2 MiB.
const AHEAD: usize = 64;

impl Connection {
    /// Sends all of `source` into an open file and closes it; what was sent is on the server's disk
    /// then, where the server can say so.
    pub(super) fn send_file(&self, handle: &[u8], source: &mut dyn Read, size: u64) -> Done<()> {
        const TO_DISK: &str = "fsync@openssh.com";
        let mut under_way: VecDeque<Receiver<Reply>> = VecDeque::new();
        let mut buffer = vec![0; usize::try_from(size.clamp(1, u64::from(PIECE))).unwrap_or(1)];
        let mut offset = 0;
        let sent = loop {
            let length = match fill(source, &mut buffer) {
                Ok(0) => break Ok(()),
                Ok(length) => length,
                Err(error) => break Err(SftpError::Ours(error)),
            };
            let piece = buffer.get(..length).unwrap_or_default();
            match self.ask(packet::WRITE, |request| {
                request.bytes(handle).long(offset).bytes(piece)
            }) {
                Ok(receiver) => under_way.push_back(receiver),
                Err(broken) => break Err(broken.into()),
            }
            offset += length as u64;
            if under_way.len() >= AHEAD
                && let Some(receiver) = under_way.pop_front()
                && let Err(error) = self.is_done(&receiver)
            {
                break Err(error);
            }
        };
        let all = under_way
            .into_iter()
            .try_for_each(|receiver| self.is_done(&receiver));
        let mut done = sent.and(all);
        if done.is_ok() && self.has(TO_DISK) {
            done = self.order(packet::EXTENDED, |request| {
                request.bytes(TO_DISK.as_bytes()).bytes(handle)
            });
        }
        let closed = self.close(handle);
        done.and(closed)
    }

    fn is_done(&self, receiver: &Receiver<Reply>) -> Done<()> {
        match self.answer(receiver)? {
            Reply::Status { code: 0, .. } => Ok(()),
            Reply::Status { code, message } => Err(SftpError::Status { code, message }),
            _ => Err(SftpError::Nonsense),
        }
    }

    /// Copies this part of a file into `sink`, as far as the file has it; how long that was.
    pub(super) fn fetch_file(
        &self,
        path: &str,
        wanted: &Range<u64>,
        sink: &mut dyn Write,
    ) -> Done<u64> {
        let handle = self.handle(packet::OPEN, |request| {
            request
                .bytes(path.as_bytes())
                .number(packet::OPEN_READ)
                .number(0)
        })?;
        let fetched = self.fetch_open(&handle, wanted, sink);
        let closed = self.close(&handle);
        let size = fetched?;
        closed.map(|()| size)
    }

    fn fetch_open(&self, handle: &[u8], wanted: &Range<u64>, sink: &mut dyn Write) -> Done<u64> {
        let piece = |offset: u64, length: u32| {
            let receiver = self.ask(packet::READ, |request| {
                request.bytes(handle).long(offset).number(length)
            })?;
            Ok::<_, SftpError>((offset, length, receiver))
        };
        // A small file is here after one turn.
        let asked = self.ask(packet::FSTAT, |request| request.bytes(handle))?;
        let first = u64::from(PIECE).min(wanted.end.saturating_sub(wanted.start));
        let mut under_way = VecDeque::from([piece(wanted.start, first as u32)?]);
        let size = match self.answer(&asked)? {
            Reply::Attributes(attributes) => attributes.size.ok_or(SftpError::Nonsense)?,
            Reply::Status { code, message } => return Err(SftpError::Status { code, message }),
            _ => return Err(SftpError::Nonsense),
        };
        // Behind the last byte there is nothing.
        let end = size.min(wanted.end).max(wanted.start);
        let mut next = wanted.start + first;
        let mut reached = wanted.start;
        while let Some((offset, length, receiver)) = under_way.pop_front() {
            while next < end && under_way.len() < AHEAD {
                let length = u64::from(PIECE).min(end - next) as u32;
                under_way.push_back(piece(next, length)?);
                next += u64::from(length);
            }
            let bytes = match self.answer(&receiver)? {
                Reply::Data(bytes) => bytes,
                Reply::Status {
                    code: packet::NO_MORE,
                    ..
                } if reached >= end => continue,
                Reply::Status {
                    code: packet::NO_MORE,
                    ..
                } => return Err(SftpError::Short),
                Reply::Status { code, message } => {
                    return Err(SftpError::Status { code, message });
                }
                _ => return Err(SftpError::Nonsense),
            };
            let got = bytes.len() as u32;
            if got == 0 || got > length {
                return Err(SftpError::Nonsense);
            }
            sink.write_all(&bytes).map_err(SftpError::Ours)?;
            reached += u64::from(got);
            if got < length && reached < end.min(offset + u64::from(length)) {
                // The rest of the piece comes before all others.
                under_way.push_front(piece(offset + u64::from(got), length - got)?);
            }
        }
        if reached < end {
            return Err(SftpError::Short);
        }
        Ok(reached - wanted.start)
    }
}

/// As much as the buffer holds, less only at the end.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
