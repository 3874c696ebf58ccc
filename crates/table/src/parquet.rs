//! Parquet in and out.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use camino::Utf8Path;
use fs_err::File;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::{Schema, Table, TableError, normalise};

pub(crate) const BATCH_ROWS: usize = 65_536;

/// The names and kinds of a file's columns, from its footer alone.
pub fn parquet_schema(path: &Utf8Path) -> Result<Schema, TableError> {
    guarded(path, || normalise::schema_of(open(path)?.schema()))
}

/// All columns of a Parquet file.
pub fn read_parquet(path: &Utf8Path) -> Result<Table, TableError> {
    guarded(path, || {
        let reader = open(path)?;
        let schema = normalise::schema_of(reader.schema())?;
        collect(path, reader, &schema)
    })
}

/// These columns of a Parquet file, in the order asked; the others are not decoded.
pub fn read_parquet_columns<S: AsRef<str>>(
    path: &Utf8Path,
    names: &[S],
) -> Result<Table, TableError> {
    guarded(path, || {
        let reader = open(path)?;
        let fields = reader.schema().fields();
        let mut wanted = Vec::with_capacity(names.len());
        for name in names {
            let name = name.as_ref();
            let index = fields.iter().position(|field| field.name() == name);
            wanted.push(index.ok_or_else(|| TableError::NoSuchColumn {
                column: name.to_owned(),
                available: fields.iter().map(|field| field.name().clone()).collect(),
            })?);
        }
        let mut in_file_order = wanted;
        in_file_order.sort_unstable();
        let schema = normalise::schema_of(&reader.schema().project(&in_file_order)?)?;
        let mask = ProjectionMask::roots(reader.parquet_schema(), in_file_order);
        collect(path, reader.with_projection(mask), &schema)?.select(names)
    })
}

/// Writes the table beside `path`, makes it durable, and puts it in place in one step: a reader
/// sees the old file or the new one, also after a power cut.
pub fn write_parquet_atomically(path: &Utf8Path, table: &Table) -> Result<(), TableError> {
    let io = |source| TableError::Io {
        path: path.to_owned(),
        source,
    };
    let failed = |source| TableError::ParquetWrite {
        path: path.to_owned(),
        source,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_str().is_empty() => folder,
        _ => Utf8Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ketch-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // What an ordinary new file gets: the umask takes its share.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(io)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = ArrowWriter::try_new(&mut file, table.schema().arrow(), Some(properties))
        .map_err(failed)?;
    writer.write(table.batch()).map_err(failed)?;
    writer.close().map_err(failed)?;
    file.flush().map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|refused| io(refused.error))?;
    sync_folder(folder).map_err(io)
}

/// A rename is durable when the folder is.
pub(crate) fn sync_folder(folder: &Utf8Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

pub(crate) fn open(
    path: &Utf8Path,
) -> Result<ParquetRecordBatchReaderBuilder<std::fs::File>, TableError> {
    let file = File::open(path).map_err(|source| TableError::Io {
        path: path.to_owned(),
        source,
    })?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.into_parts().0);
    builder.map_err(|source| TableError::Parquet {
        path: path.to_owned(),
        source,
    })
}

fn collect(
    path: &Utf8Path,
    reader: ParquetRecordBatchReaderBuilder<std::fs::File>,
    schema: &Schema,
) -> Result<Table, TableError> {
    let unreadable = |source| TableError::Parquet {
        path: path.to_owned(),
        source,
    };
    let mut tables = Vec::new();
    let mut rows = 0;
    for batch in reader
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(unreadable)?
    {
        let batch = batch.map_err(|source| unreadable(ParquetError::from(source)))?;
        tables.push(normalise::table_of(schema, &batch, rows)?);
        rows += batch.num_rows();
    }
    Table::concat(schema, &tables)
}

/// The decoder of parquet 59.3 panics on about one in a hundred damaged files. That is the file's
/// fault and must not take the process along; nothing the closure touched is used afterwards.
pub(crate) fn guarded<T>(
    path: &Utf8Path,
    read: impl FnOnce() -> Result<T, TableError>,
) -> Result<T, TableError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(TableError::ParquetDamaged {
            path: path.to_owned(),
        })
    })
}
