//! The chunked layout of a remote: pieces that files have in common are kept once, compressed.
//!
//! A remote in DVC's layout keeps every version of a file whole: one row inserted into a table of
//! 387 MB costs 387 MB. Here a file is cut where its *content* says so, so that an insertion moves
//! the cuts around it and no others, and only pieces that the remote has not seen are sent.
//!
//! [`ChunkedRemote`] is a [`Remote`](crate::remote::Remote) around another one: whoever uses it sees
//! objects under `files/md5/…` and knows nothing of what is below. Keys of other kinds, and objects
//! that were there in DVC's own layout before, are passed through.
//!
//! # What is on the remote
//!
//! ```text
//! chunked/packs/<64 hex>        compressed chunks, one behind the other, and a table of them
//! chunked/index/<64 hex>        objects, as runs of chunks in packs; and the tables of new packs
//! chunked/quarantine/<64 hex>   names of packs that are not used any more, as an index without objects
//! chunked/pushing/<64 hex>      while somebody pushes; the name is random
//! chunked/cleaning/<64 hex>     while somebody cleans up; likewise
//! ```
//!
//! Each other name is the BLAKE3 of the file's bytes. Nothing is ever changed in place, so two who push
//! at once cannot lose each other's work: each adds packs and an index of its own.
//!
//! **Chunks.** `FastCDC` (2020, normalised), 4 KiB at least, 16 KiB mostly, 64 KiB at most. A chunk's
//! id is the BLAKE3 of its bytes. A chunk is stored as zstd made it, or as it is when that is not
//! smaller. Where the cuts are is no part of the format: a reader never cuts.
//!
//! The sizes are chosen by what has to be sent again of a CSV of 387 MB (`benches/data/make-table`)
//! after one row was inserted at 10 % of it, and after 100 scattered rows were deleted; before
//! compression, and with the number of chunks that an index has to name:
//!
//! | `FastCDC` | chunks | insert | delete |
//! |---|---|---|---|
//! | 4, 16, 64 KiB | 19,410 | 0.007 % | 0.66 % |
//! | 8, 32, 128 KiB | 9,675 | 0.010 % | 1.30 % |
//! | 16, 64, 256 KiB | 4,873 | 0.014 % | 2.37 % |
//!
//! **Packs** hold about 16 MiB: ten thousand small files are a dozen requests, and one pack fits into
//! memory while it is made. Small objects share packs with everything else.
//!
//! ```text
//! "ketchpk1"  chunk…  table  u64 length of the table  BLAKE3 of the table  "ketchpk1"
//! table = count, then for each chunk: id (32), method (1), length, stored length
//! ```
//!
//! **Indexes** tell everything that is needed to read an object; the tables in the packs are only
//! read again after a push that was killed, and then nothing of it has to be sent twice.
//!
//! ```text
//! "ketchix1"  packs  objects  BLAKE3 of all before
//! packs   = count, then for each: name (32), size, 0 | 1 table
//! objects = count, then for each: kind (1), MD5 (16), size, runs = count, then (pack, first, count)
//! ```
//!
//! Lengths and counts are LEB128 unless it says otherwise. A client keeps copies of the indexes that
//! it has seen; it lists their names and fetches those that are new.
//!
//! # What must stay true
//!
//! - Packs are there before the index that names them, and both before a directory's manifest: a
//!   push that was killed is never believed complete.
//! - Every chunk's BLAKE3 is checked when it is read, and the object's MD5 by whoever asked for it.
//!   A damaged pack is an error that names it, for the objects that need the damaged part.
//! - A pack that is not there, or not as long as the index says, has no chunks: its objects count
//!   as absent, and the next push sends them anew.
//! - Nothing a remote says makes us allocate more than what it has sent, or a limit below; nor work
//!   for longer than it takes to read what it has sent, or to write what an object's size promises:
//!   there is no chunk of nothing, and an object's chunks are not smaller than 1 KiB on average.
//! - No pack is deleted that any object uses, or that a push which is under way relies on; `lease`
//!   says how, and why that is right.
//! - A pack goes in two steps, the first of which is undone by using it.

mod catalogue;
mod chunker;
mod clean;
mod codec;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod index;
mod lease;
mod pack;
mod reader;
mod remote;
mod repack;
mod source;
#[cfg(test)]
mod testing;
mod verify;
mod wire;
mod writer;

pub use chunker::{AVERAGE, MAXIMUM, MINIMUM};
pub use clean::Cleaned;
pub use remote::{ChunkedOptions, ChunkedRemote};
pub use repack::Repacked;
pub use verify::ChunkedReport;

/// A pack is closed when it holds this many bytes.
const PACK_SIZE: usize = 16 << 20;
/// No pack of anybody's is larger.
const LARGEST_PACK: u64 = 128 << 20;
/// No chunk of anybody's is larger.
const LARGEST_CHUNK: u64 = 4 << 20;
/// An object's chunks are not smaller on average, in bytes, but for its last.
const LEAST_AVERAGE: u64 = 1 << 10;
/// No index of anybody's is larger.
const LARGEST_INDEX: u64 = 1 << 30;

/// Where everything is, below the remote's URL.
const FOLDER: &str = "chunked";
const PACKS: &str = "chunked/packs/";
const INDEXES: &str = "chunked/index/";
const QUARANTINE: &str = "chunked/quarantine/";
const PUSHING: &str = "chunked/pushing/";
const CLEANING: &str = "chunked/cleaning/";
