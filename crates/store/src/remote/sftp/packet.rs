//! Packets of SFTP version 3, the one that every server speaks (draft-ietf-secsh-filexfer-02), and
//! OpenSSH's extensions of it (its `PROTOCOL` file, section 4).

use std::io;

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
pub(super) const FSTAT: u8 = 8;
pub(super) const OPENDIR: u8 = 11;
pub(super) const READDIR: u8 = 12;
pub(super) const REMOVE: u8 = 13;
pub(super) const MKDIR: u8 = 14;
pub(super) const STAT: u8 = 17;
pub(super) const RENAME: u8 = 18;
pub(super) const EXTENDED: u8 = 200;

const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRS: u8 = 105;
const EXTENDED_REPLY: u8 = 201;

pub(super) const OPEN_READ: u32 = 0x01;
/// Write, create, and fail if it is there.
pub(super) const OPEN_NEW: u32 = 0x02 | 0x08 | 0x20;

pub(super) const NO_MORE: u32 = 1;
pub(super) const NO_SUCH_FILE: u32 = 2;
pub(super) const FAILURE: u32 = 4;
pub(super) const PERMISSION_DENIED: u32 = 3;

/// A packet longer than this is no packet: servers stay below 256 KiB.
const LONGEST: u32 = 1 << 20;

/// A request on its way into bytes: type, identifier, then whatever the type has.
pub(super) struct Request(Vec<u8>);

impl Request {
    pub(super) fn new(kind: u8, id: u32) -> Self {
        Self(vec![0, 0, 0, 0, kind]).number(id)
    }

    pub(super) fn number(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend((value.len() as u32).to_be_bytes());
        self.0.extend(value);
        self
    }

    /// With the length in front.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() - 4) as u32;
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    /// As in `st_mode`, with the kind of file.
    pub(super) mode: Option<u32>,
    /// When it was changed, in seconds since 1970.
    pub(super) modified: Option<u32>,
}

impl Attributes {
    fn is(self, kind: u32) -> bool {
        self.mode.is_some_and(|mode| mode & 0o170_000 == kind)
    }

    pub(super) fn is_directory(self) -> bool {
        self.is(0o040_000)
    }

    pub(super) fn is_link(self) -> bool {
        self.is(0o120_000)
    }
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Status {
        code: u32,
        message: String,
    },
    Handle(Vec<u8>),
    Data(Vec<u8>),
    Names(Vec<(Vec<u8>, Attributes)>),
    Attributes(Attributes),
    /// To one of OpenSSH's extensions.
    Extended(Vec<u8>),
}

/// Room on a server's disk: blocks for us of so many bytes, and files for us.
///
/// OpenSSH's `statvfs@openssh.com`: eleven numbers, of which these are the second, fifth and eighth.
pub(super) fn room(body: &[u8]) -> Option<(u64, u64)> {
    let mut fields = Fields(body);
    let mut numbers = [0; 8];
    for number in &mut numbers {
        *number = fields.long()?;
    }
    let [_, block, _, _, blocks, _, _, files] = numbers;
    Some((block.saturating_mul(blocks), files))
}

/// The body of the next packet, from its type on.
pub(super) fn read_packet(source: &mut impl io::Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    source.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length == 0 || length > LONGEST {
        return Err(no_sftp());
    }
    let mut body = vec![0; length as usize];
    source.read_exact(&mut body)?;
    Ok(body)
}

fn no_sftp() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the server sent something that is not SFTP",
    )
}

/// The names of the extensions in a server's first packet.
pub(super) fn extensions(body: &[u8]) -> io::Result<Vec<String>> {
    let mut fields = Fields(body);
    if fields.byte() != Some(VERSION) || fields.number().is_none_or(|version| version < 3) {
        return Err(no_sftp());
    }
    let mut names = Vec::new();
    while let (Some(name), Some(_)) = (fields.bytes(), fields.bytes()) {
        names.push(String::from_utf8_lossy(name).into_owned());
    }
    Ok(names)
}

/// The identifier of the request that this answers, and the answer.
pub(super) fn parse_reply(body: &[u8]) -> io::Result<(u32, Reply)> {
    let mut fields = Fields(body);
    let mut parse = || {
        let kind = fields.byte()?;
        let id = fields.number()?;
        let reply = match kind {
            STATUS => Reply::Status {
                code: fields.number()?,
                // Left out by some servers.
                message: String::from_utf8_lossy(fields.bytes().unwrap_or_default()).into_owned(),
            },
            HANDLE => Reply::Handle(fields.bytes()?.to_vec()),
            DATA => Reply::Data(fields.bytes()?.to_vec()),
            ATTRS => Reply::Attributes(fields.attributes()?),
            NAME => {
                let count = fields.number()?;
                let mut names = Vec::new();
                for _ in 0..count {
                    let name = fields.bytes()?.to_vec();
                    // The line that `ls -l` would print.
                    fields.bytes()?;
                    names.push((name, fields.attributes()?));
                }
                Reply::Names(names)
            }
            EXTENDED_REPLY => Reply::Extended(fields.0.to_vec()),
            _ => return None,
        };
        Some((id, reply))
    };
    parse().ok_or_else(no_sftp)
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length as usize)
    }

    fn attributes(&mut self) -> Option<Attributes> {
        let flags = self.number()?;
        let has = |flag: u32| flags & flag != 0;
        let mut attributes = Attributes::default();
        if has(0x01) {
            attributes.size = Some(self.long()?);
        }
        if has(0x02) {
            // User and group.
            self.take(8)?;
        }
        if has(0x04) {
            attributes.mode = Some(self.number()?);
        }
        if has(0x08) {
            // The time of access comes first.
            self.take(4)?;
            attributes.modified = Some(self.number()?);
        }
        if has(0x8000_0000) {
            for _ in 0..self.number()? {
                self.bytes()?;
                self.bytes()?;
            }
        }
        Some(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_length_in_front() {
        let request = Request::new(READ, 7).bytes(b"h").long(1).number(2).finish();
        let expected = b"\0\0\0\x16\x05\0\0\0\x07\0\0\0\x01h\0\0\0\0\0\0\0\x01\0\0\0\x02";
        assert_eq!(request, expected);
    }

    #[test]
    fn replies_are_read() {
        let status = Request::new(STATUS, 3).number(2).bytes(b"No such file");
        let packet = status.bytes(b"").finish();
        let body = read_packet(&mut &*packet).unwrap();
        let message = "No such file".to_owned();
        let expected = Reply::Status { code: 2, message };
        assert_eq!(parse_reply(&body).unwrap(), (3, expected));

        let names = Request::new(NAME, 4)
            .number(1)
            .bytes(b"a")
            .bytes(b"-rw-r--r-- a")
            .number(0x8000_000f)
            .long(5)
            .number(0)
            .number(0)
            .number(0o100_644)
            .number(1)
            .number(2)
            .number(1)
            .bytes(b"x@y")
            .bytes(b"z")
            .finish();
        let (_, reply) = parse_reply(&names[4..]).unwrap();
        let attributes = Attributes {
            size: Some(5),
            mode: Some(0o100_644),
            modified: Some(2),
        };
        assert_eq!(reply, Reply::Names(vec![(b"a".to_vec(), attributes)]));
        // Every shorter one is refused, none panics.
        for length in 4..names.len() {
            parse_reply(&names[4..length]).unwrap_err();
        }
    }

    #[test]
    fn what_is_no_sftp_is_refused() {
        // What a shell's start-up files print ends up here.
        read_packet(&mut &b"Welcome to this machine!"[..]).unwrap_err();
        read_packet(&mut &b"\0\0\0\0"[..]).unwrap_err();
        extensions(&[VERSION, 0, 0, 0, 2]).unwrap_err();
        extensions(b"what").unwrap_err();
        let body = [&[VERSION, 0, 0, 0, 3], &b"\0\0\0\x01a\0\0\0\x011"[..]].concat();
        assert_eq!(extensions(&body).unwrap(), ["a"]);
    }
}
