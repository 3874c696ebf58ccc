//! Against pyarrow: what it writes we read, and what we write it reads.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_table::{TableError, read_parquet, read_parquet_columns, write_parquet_atomically};
use ketch_testkit::{CommandOutput, peer};

use super::Folder;
use super::parquet::sample;

fn python() -> Option<Utf8PathBuf> {
    peer("python/bin/python")
}

fn run(python: &Utf8Path, script: &str, file: &Utf8Path) -> String {
    let output =
        CommandOutput::of(Command::new(python).args(["-c", script, file.as_str()])).success();
    output.stdout.replace("\r\n", "\n")
}

#[test]
fn pyarrow_reads_what_we_write() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let path = folder.path.join("t.parquet");
    write_parquet_atomically(&path, &sample(4)).unwrap();
    let script = r"
import sys, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
for field in table.schema: print(field.name, field.type)
for name in ('row', 'x', 'y', 'station', 'rain'): print(ascii(table[name].to_pylist()))
print(table['at'].cast('int64').to_pylist())
";
    let expected = "row int64\nx double\ny float\nstation string\nrain bool\nat timestamp[us, tz=UTC]\n\
        [0, 1, 2, 3]\n[None, 0.3333333333333333, 0.6666666666666666, 1.0]\n[0.0, 0.5, 1.0, 1.5]\n\
        ['KBVU', 'KSEA', '\\xe9', 'KBVU']\n[None, False, True, False]\n\
        [1704067200000000, 1704067201000001, 1704067202000002, 1704067203000003]\n";
    assert_eq!(run(&python, script, &path), expected);
}

#[test]
fn we_read_what_pyarrow_writes() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let path = folder.path.join("t.parquet");
    let script = r"
import sys, decimal, datetime, pyarrow as pa, pyarrow.parquet as pq
instant = datetime.datetime(2024, 1, 1, 12)
D = decimal.Decimal
columns = {
    'u8': pa.array([1, None, 255], pa.uint8()),
    'i16': pa.array([-1, 0, None], pa.int16()),
    'u64': pa.array([0, 1, 2**63 - 1], pa.uint64()),
    'half': pa.array([0.5, None, 1.5], pa.float16()),
    'money': pa.array([D('0.10'), None, D('-12.34')], pa.decimal128(9, 2)),
    'large': pa.array(['a', None, 'c'], pa.large_string()),
    'category': pa.array(['a', 'b', None]).dictionary_encode(),
    'numbers': pa.array([7, 8, None]).dictionary_encode(),
    'nothing': pa.nulls(3),
    'date': pa.array([instant.date(), None, instant.date()], pa.date32()),
    'naive': pa.array([instant, None, instant], pa.timestamp('ns')),
    'zoned': pa.array([instant, None, instant], pa.timestamp('ms', 'America/New_York')),
    'list': pa.array([[1], [2], None]),
}
pq.write_table(pa.table(columns), sys.argv[1], compression='snappy')
";
    run(&python, script, &path);
    let error = read_parquet(&path).unwrap_err();
    assert!(
        matches!(&error, TableError::UnsupportedType { column, .. } if column == "list"),
        "{error}"
    );
    let names = [
        "u8", "i16", "u64", "half", "money", "large", "category", "numbers", "nothing", "date",
        "naive", "zoned",
    ];
    let table = read_parquet_columns(&path, &names).unwrap();
    let kinds: Vec<String> = table
        .schema()
        .columns()
        .iter()
        .map(|c| c.kind.to_string())
        .collect();
    assert_eq!(
        kinds.join(" "),
        "int64 int64 int64 float32 float64 text text int64 float64 timestamp timestamp timestamp"
    );
    assert_eq!(table.column_i64("u8").unwrap(), [Some(1), None, Some(255)]);
    assert_eq!(table.column_i64("i16").unwrap(), [Some(-1), Some(0), None]);
    assert_eq!(table.column_i64("u64").unwrap()[2], Some(i64::MAX));
    assert_eq!(
        table.column_f64("half").unwrap(),
        [Some(0.5), None, Some(1.5)]
    );
    assert_eq!(
        table.column_f64("money").unwrap(),
        [Some(0.1), None, Some(-12.34)]
    );
    assert_eq!(
        table.column_str("large").unwrap(),
        [Some("a"), None, Some("c")]
    );
    assert_eq!(
        table.column_str("category").unwrap(),
        [Some("a"), Some("b"), None]
    );
    assert_eq!(
        table.column_i64("numbers").unwrap(),
        [Some(7), Some(8), None]
    );
    assert_eq!(table.missing("nothing").unwrap(), 3);
    let instants = |name| -> Vec<Option<String>> {
        let column = table.column_timestamp(name).unwrap();
        column
            .iter()
            .map(|at| at.map(|at| at.to_string()))
            .collect()
    };
    let noon = Some("2024-01-01T12:00:00Z".to_owned());
    let midnight = Some("2024-01-01T00:00:00Z".to_owned());
    assert_eq!(instants("naive"), [noon.clone(), None, noon.clone()]);
    assert_eq!(instants("date"), [midnight.clone(), None, midnight]);
    assert_eq!(
        instants("zoned"),
        [noon.clone(), None, noon],
        "pyarrow took the value as UTC"
    );
}

#[test]
fn a_number_that_does_not_fit_is_named() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let path = folder.path.join("t.parquet");
    let script = r"
import sys, pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.table({'u': pa.array([0] * 70000 + [2**63], pa.uint64())}), sys.argv[1])
";
    run(&python, script, &path);
    let error = read_parquet(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `u`, row 70001: the value does not fit the kind int64"
    );
}
