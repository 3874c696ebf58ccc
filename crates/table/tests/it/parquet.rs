use ketch_table::{
    ColumnKind, Table, TableBuilder, TableError, parquet_schema, read_parquet,
    read_parquet_columns, write_parquet_atomically,
};

use super::Folder;

pub(crate) fn sample(rows: i64) -> Table {
    let start = 1_704_067_200_000_000_i64;
    TableBuilder::new()
        .i64("row", 0..rows)
        .f64(
            "x",
            (0..rows).map(|row| (row % 7 != 0).then_some(row as f64 / 3.0)),
        )
        .f32("y", (0..rows).map(|row| row as f32 * 0.5))
        .str(
            "station",
            (0..rows).map(|row| Some(["KBVU", "KSEA", "é"][row as usize % 3])),
        )
        .bool(
            "rain",
            (0..rows).map(|row| (row % 5 != 0).then_some(row % 2 == 0)),
        )
        .timestamp(
            "at",
            (0..rows)
                .map(|row| jiff::Timestamp::from_microsecond(start + row * 1_000_001).unwrap()),
        )
        .build()
        .unwrap()
}

#[test]
fn what_is_written_is_read() {
    let folder = Folder::new();
    let path = folder.path.join("t.parquet");
    for rows in [0, 1, 70_000] {
        let table = sample(rows);
        write_parquet_atomically(&path, &table).unwrap();
        assert_eq!(read_parquet(&path).unwrap(), table);
        assert_eq!(&parquet_schema(&path).unwrap(), table.schema());
    }
    let left: Vec<_> = fs_err::read_dir(&folder.path).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file is left: {left:?}");
}

#[cfg(unix)]
#[test]
fn the_file_has_an_ordinary_files_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let plain = folder.file("plain", "");
    let path = folder.path.join("t.parquet");
    write_parquet_atomically(&path, &sample(1)).unwrap();
    let mode = |path| fs_err::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(path), mode(plain));
}

#[test]
fn columns_come_in_the_order_asked() {
    let folder = Folder::new();
    let path = folder.path.join("t.parquet");
    let table = sample(10);
    write_parquet_atomically(&path, &table).unwrap();
    let picked = read_parquet_columns(&path, &["rain", "row"]).unwrap();
    assert_eq!(picked, table.select(&["rain", "row"]).unwrap());
    assert_eq!(picked.schema().kind("rain"), Some(ColumnKind::Boolean));
    let error = read_parquet_columns(&path, &["no"]).unwrap_err();
    assert_eq!(error.to_string(), "there is no column `no`");
    assert!(matches!(
        read_parquet_columns(&path, &["row", "row"]),
        Err(TableError::DuplicateColumn { .. })
    ));
}

#[test]
fn a_failed_write_keeps_the_old_file() {
    let folder = Folder::new();
    let path = folder.path.join("no-such-folder/t.parquet");
    let error = write_parquet_atomically(&path, &sample(1)).unwrap_err();
    assert!(error.to_string().contains("no-such-folder"), "{error}");
}

#[test]
fn a_truncated_file_is_an_error_at_every_length() {
    let folder = Folder::new();
    let path = folder.path.join("t.parquet");
    write_parquet_atomically(&path, &sample(20)).unwrap();
    let whole = fs_err::read(&path).unwrap();
    for length in 0..whole.len() {
        let cut = folder.file("cut.parquet", &whole[..length]);
        let error = read_parquet(&cut).unwrap_err();
        assert!(error.to_string().contains("cut.parquet"), "{error}");
    }
}

#[test]
fn other_files_are_named_as_not_parquet() {
    let folder = Folder::new();
    let path = folder.file("t.parquet", "a,b\n1,2\n3,4\n5,6\n");
    let error = read_parquet(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`{path}` cannot be read as Parquet")
    );
    assert!(error.hint().unwrap().contains("fetch"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
    #[test]
    fn no_damage_makes_it_panic(at in 0.0..1.0, byte in 0_u8.., from_end in proptest::prelude::any::<bool>()) {
        let folder = Folder::new();
        let path = folder.path.join("t.parquet");
        write_parquet_atomically(&path, &sample(20)).unwrap();
        let mut bytes = fs_err::read(&path).unwrap();
        // Half of the damage goes to the footer, where it hurts most.
        let range = if from_end { bytes.len() / 2..bytes.len() } else { 0..bytes.len() };
        let place = range.start + (at * range.len() as f64) as usize;
        bytes[place] = byte;
        let path = folder.file("t.parquet", bytes);
        let _ = read_parquet(&path);
    }
}
