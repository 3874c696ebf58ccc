//! An append-only file of tables that keeps whole records through a crash.
//!
//! Layout: eight bytes of magic, then frames. A frame is the payload's length (u32, little
//! endian), the CRC-32 of length and payload (u32, little endian), and the payload. The first
//! frame is the schema, as an Arrow IPC stream without batches; each of the others is one record,
//! as an Arrow IPC stream of one batch.

use std::io::{BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::{File, OpenOptions};
use serde::Serialize;

use crate::{Schema, Table, TableError, normalise, parquet::sync_folder};

const MAGIC: [u8; 8] = *b"KETCHSG1";
const FRAME_HEADER: usize = 8;
/// Larger frames are not written, and taken for damage when read.
const MAX_PAYLOAD: usize = 256 << 20;

/// Appends tables of one schema to a segment.
#[derive(Debug)]
pub struct SegmentWriter {
    path: Utf8PathBuf,
    file: File,
    schema: Schema,
    /// The file up to here is whole records.
    length: u64,
    records: usize,
    broken: bool,
}

impl SegmentWriter {
    /// A new segment; there must be no file at `path` yet.
    pub fn create(path: &Utf8Path, schema: &Schema) -> Result<Self, TableError> {
        let opened = OpenOptions::new().write(true).create_new(true).open(path);
        let file = opened.map_err(|source| io(path, source))?;
        Self::start(path, file, schema)
    }

    /// Takes up a segment again after a crash: what follows the last whole record is cut off.
    /// The segment must be of this schema. A file cut short in its very header is begun anew.
    pub fn resume(path: &Utf8Path, schema: &Schema) -> Result<Self, TableError> {
        let mut reader = SegmentReader::open(path)?;
        while reader.next_table()?.is_some() {}
        let opened = OpenOptions::new().write(true).open(path);
        let mut file = opened.map_err(|source| io(path, source))?;
        let Some(found) = &reader.schema else {
            file.set_len(0).map_err(|source| io(path, source))?;
            return Self::start(path, file, schema);
        };
        found.require_same(schema)?;
        file.set_len(reader.length)
            .map_err(|source| io(path, source))?;
        file.seek(SeekFrom::End(0))
            .map_err(|source| io(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            schema: schema.clone(),
            length: reader.length,
            records: reader.records,
            broken: false,
        })
    }

    fn start(path: &Utf8Path, mut file: File, schema: &Schema) -> Result<Self, TableError> {
        let mut start = MAGIC.to_vec();
        start.extend(frame(&encode(&Table::empty(schema))?)?);
        file.write_all(&start).map_err(|source| io(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            schema: schema.clone(),
            length: start.len() as u64,
            records: 0,
            broken: false,
        })
    }

    /// Writes one record. When this returns the operating system has it, so that it outlives this
    /// process; after [`Self::sync`] it outlives a power cut.
    ///
    /// A write that fails half-way (a full disk) is taken back, so that the segment can go on.
    pub fn append(&mut self, table: &Table) -> Result<(), TableError> {
        self.schema.require_same(table.schema())?;
        if self.broken {
            return Err(TableError::SegmentBroken {
                path: self.path.clone(),
            });
        }
        let bytes = frame(&encode(table)?)?;
        if let Err(source) = self.file.write_all(&bytes) {
            let undone = self.file.set_len(self.length);
            let undone = undone.and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            self.broken = undone.is_err();
            return Err(io(&self.path, source));
        }
        self.length += bytes.len() as u64;
        self.records += 1;
        Ok(())
    }

    /// Makes everything appended so far durable.
    pub fn sync(&self) -> Result<(), TableError> {
        self.file
            .sync_data()
            .map_err(|source| io(&self.path, source))?;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_str().is_empty() => folder,
            _ => Utf8Path::new("."),
        };
        sync_folder(folder).map_err(|source| io(&self.path, source))
    }

    /// Bytes in the file.
    pub fn num_bytes(&self) -> u64 {
        self.length
    }

    /// Records in the file.
    pub fn num_records(&self) -> usize {
        self.records
    }

    /// The file.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The columns of every record.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

/// What [`SegmentReader::recover`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoveredInfo {
    /// Whole records.
    pub records: usize,
    /// Rows in them.
    pub rows: usize,
    /// Bytes of magic, schema and whole records.
    pub whole_bytes: u64,
    /// Bytes after them that are no whole record: a write cut short, or damage.
    pub torn_bytes: u64,
}

/// Reads a segment, also one that is still being written or was cut short.
#[derive(Debug)]
pub struct SegmentReader {
    path: Utf8PathBuf,
    file: BufReader<File>,
    schema: Option<Schema>,
    length: u64,
    records: usize,
    rows: usize,
}

impl SegmentReader {
    /// Opens a segment and reads its schema. A file that was cut short in its header is a segment
    /// without a schema and records; a file that starts with something else is an error.
    pub fn open(path: &Utf8Path) -> Result<Self, TableError> {
        let file = File::open(path).map_err(|source| io(path, source))?;
        let mut reader = Self {
            path: path.to_owned(),
            file: BufReader::new(file),
            schema: None,
            length: 0,
            records: 0,
            rows: 0,
        };
        let magic = reader.take(MAGIC.len())?;
        if !MAGIC.starts_with(&magic) {
            return Err(TableError::NotASegment {
                path: path.to_owned(),
            });
        }
        if magic.len() == MAGIC.len()
            && let Some(payload) = reader.frame()?
            && let Some(table) = decode(&payload)
        {
            reader.length = (MAGIC.len() + FRAME_HEADER + payload.len()) as u64;
            reader.schema = Some(table.schema().clone());
        }
        Ok(reader)
    }

    /// The columns of every record; none when the file was cut short in its header.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// The next whole record; none at the end, or at the first record that is torn or damaged.
    pub fn next_table(&mut self) -> Result<Option<Table>, TableError> {
        if self.schema.is_none() {
            return Ok(None);
        }
        // A reader that has met its end stays there.
        let here = self
            .file
            .stream_position()
            .map_err(|source| io(&self.path, source))?;
        if here != self.length {
            return Ok(None);
        }
        let Some(payload) = self.frame()? else {
            return Ok(None);
        };
        let table = decode(&payload).filter(|table| Some(table.schema()) == self.schema.as_ref());
        if let Some(table) = &table {
            self.length += (FRAME_HEADER + payload.len()) as u64;
            self.records += 1;
            self.rows += table.num_rows();
        }
        Ok(table)
    }

    /// Every whole record of the file, and what was left over. A torn or damaged tail is no error:
    /// it is what a crash leaves behind.
    pub fn recover(path: &Utf8Path) -> Result<(Vec<Table>, RecoveredInfo), TableError> {
        let mut reader = Self::open(path)?;
        let mut tables = Vec::new();
        while let Some(table) = reader.next_table()? {
            tables.push(table);
        }
        let size = reader
            .file
            .get_ref()
            .metadata()
            .map_err(|source| io(path, source))?
            .len();
        let info = RecoveredInfo {
            records: reader.records,
            rows: reader.rows,
            whole_bytes: reader.length,
            torn_bytes: size.saturating_sub(reader.length),
        };
        Ok((tables, info))
    }

    /// The payload of the frame here, when it is all there and its checksum is right.
    fn frame(&mut self) -> Result<Option<Vec<u8>>, TableError> {
        let header = self.take(FRAME_HEADER)?;
        let (Some(length), Some(expected)) = (number(&header, 0), number(&header, 4)) else {
            return Ok(None);
        };
        if length as usize > MAX_PAYLOAD {
            return Ok(None);
        }
        let payload = self.take(length as usize)?;
        let whole = payload.len() == length as usize && checksum(length, &payload) == expected;
        Ok(whole.then_some(payload))
    }

    /// Up to this many bytes: fewer only at the end of the file. A length that lies costs no
    /// memory, since what is not there is not made room for.
    fn take(&mut self, bytes: usize) -> Result<Vec<u8>, TableError> {
        let mut taken = Vec::new();
        match (&mut self.file).take(bytes as u64).read_to_end(&mut taken) {
            Ok(_) => Ok(taken),
            Err(source) if source.kind() == ErrorKind::UnexpectedEof => Ok(taken),
            Err(source) => Err(io(&self.path, source)),
        }
    }
}

fn io(path: &Utf8Path, source: std::io::Error) -> TableError {
    TableError::Io {
        path: path.to_owned(),
        source,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|four| u32::from_le_bytes(*four))
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn frame(payload: &[u8]) -> Result<Vec<u8>, TableError> {
    let too_large = || TableError::RecordTooLarge {
        bytes: payload.len(),
        limit: MAX_PAYLOAD,
    };
    let length = u32::try_from(payload.len()).map_err(|_| too_large())?;
    if payload.len() > MAX_PAYLOAD {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(FRAME_HEADER + payload.len());
    bytes.extend(length.to_le_bytes());
    bytes.extend(checksum(length, payload).to_le_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

fn encode(table: &Table) -> Result<Vec<u8>, TableError> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &table.schema().arrow())?;
    if !table.is_empty() {
        writer.write(table.batch())?;
    }
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

/// None when the bytes, whose checksum is right, are no table of ours after all.
fn decode(payload: &[u8]) -> Option<Table> {
    let reader = StreamReader::try_new(payload, None).ok()?;
    let schema = normalise::schema_of(&reader.schema()).ok()?;
    let mut tables = Vec::new();
    for batch in reader {
        tables.push(normalise::table_of(&schema, &batch.ok()?, 0).ok()?);
    }
    Table::concat(&schema, &tables).ok()
}
