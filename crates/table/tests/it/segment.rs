use std::io::Write as _;

use camino::Utf8Path;
use ketch_table::{
    ColumnKind, Schema, SegmentReader, SegmentWriter, Table, TableBuilder, TableError,
};
use proptest::prelude::*;

use super::Folder;
use super::parquet::sample;

/// Writes the tables as records; gives the length of the file after the header and each record.
fn write(path: &Utf8Path, tables: &[Table]) -> Vec<u64> {
    let mut writer = SegmentWriter::create(path, tables[0].schema()).unwrap();
    let mut ends = vec![writer.num_bytes()];
    for table in tables {
        writer.append(table).unwrap();
        ends.push(writer.num_bytes());
    }
    writer.sync().unwrap();
    assert_eq!(writer.num_records(), tables.len());
    ends
}

#[test]
fn truncated_at_every_byte_all_whole_records_are_recovered() {
    let folder = Folder::new();
    let path = folder.path.join("log.segment");
    let tables = [sample(3), sample(0), sample(1), sample(5)];
    let ends = write(&path, &tables);
    let whole = fs_err::read(&path).unwrap();
    assert_eq!(*ends.last().unwrap(), whole.len() as u64);
    for length in 0..=whole.len() {
        let cut = folder.file("cut.segment", &whole[..length]);
        let (recovered, info) = SegmentReader::recover(&cut).unwrap();
        let expected = ends
            .iter()
            .skip(1)
            .filter(|&&end| end <= length as u64)
            .count();
        assert_eq!(recovered, tables[..expected], "at {length}");
        assert_eq!(info.records, expected);
        assert_eq!(
            info.rows,
            tables[..expected]
                .iter()
                .map(Table::num_rows)
                .sum::<usize>()
        );
        let header_or_record = ends.iter().rev().find(|&&end| end <= length as u64);
        assert_eq!(info.whole_bytes, header_or_record.copied().unwrap_or(0));
        assert_eq!(info.torn_bytes, length as u64 - info.whole_bytes);
    }
}

#[test]
fn a_resumed_segment_goes_on_after_its_last_whole_record() {
    let folder = Folder::new();
    let path = folder.path.join("log.segment");
    let tables = [sample(3), sample(4)];
    let ends = write(&path, &tables);
    let whole = fs_err::read(&path).unwrap();
    for length in 0..=whole.len() {
        let cut = folder.file("cut.segment", &whole[..length]);
        let mut writer = SegmentWriter::resume(&cut, tables[0].schema()).unwrap();
        writer.append(&sample(9)).unwrap();
        drop(writer);
        let kept = ends
            .iter()
            .skip(1)
            .filter(|&&end| end <= length as u64)
            .count();
        let (recovered, info) = SegmentReader::recover(&cut).unwrap();
        let mut expected = tables[..kept].to_vec();
        expected.push(sample(9));
        assert_eq!(recovered, expected, "at {length}");
        assert_eq!(info.torn_bytes, 0);
    }
}

#[test]
fn a_live_segment_can_be_followed() {
    let folder = Folder::new();
    let path = folder.path.join("log.segment");
    let mut writer = SegmentWriter::create(&path, sample(0).schema()).unwrap();
    let mut reader = SegmentReader::open(&path).unwrap();
    assert_eq!(reader.next_table().unwrap(), None);
    writer.append(&sample(2)).unwrap();
    assert_eq!(reader.next_table().unwrap(), Some(sample(2)));
    assert_eq!(reader.next_table().unwrap(), None);
    assert_eq!(reader.schema(), Some(sample(0).schema()));
}

#[test]
fn refusals() {
    let folder = Folder::new();
    let path = folder.path.join("log.segment");
    write(&path, &[sample(1)]);
    let error = SegmentWriter::create(&path, sample(0).schema()).unwrap_err();
    assert!(
        matches!(error, TableError::Io { .. }),
        "an old segment is never written over"
    );
    let other = Schema::new([("a", ColumnKind::Int64)]).unwrap();
    assert!(matches!(
        SegmentWriter::resume(&path, &other),
        Err(TableError::SchemaMismatch { .. })
    ));
    let mut writer = SegmentWriter::resume(&path, sample(0).schema()).unwrap();
    let table = TableBuilder::new().i64("a", [1]).build().unwrap();
    assert!(matches!(
        writer.append(&table),
        Err(TableError::SchemaMismatch { .. })
    ));
    let not = folder.file("x.segment", "PAR1 and so on");
    let error = SegmentReader::recover(&not).unwrap_err();
    assert_eq!(error.to_string(), format!("`{not}` is not a segment file"));
}

#[test]
fn a_length_that_lies_costs_nothing() {
    let folder = Folder::new();
    let path = folder.path.join("log.segment");
    write(&path, &[sample(1)]);
    for length in [u32::MAX, 200 << 20] {
        let mut file = fs_err::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&length.to_le_bytes()).unwrap();
        file.write_all(&[0; 40]).unwrap();
    }
    let (tables, info) = SegmentReader::recover(&path).unwrap();
    assert_eq!(tables, [sample(1)]);
    assert_eq!(info.torn_bytes, 88);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damage_costs_the_record_it_is_in_and_those_after(place in 0.0..1.0, flip in 1_u8..) {
        let folder = Folder::new();
        let path = folder.path.join("log.segment");
        let tables = [sample(3), sample(4), sample(5)];
        let ends = write(&path, &tables);
        let mut bytes = fs_err::read(&path).unwrap();
        let header = ends[0] as usize;
        let place = header + ((bytes.len() - header) as f64 * place) as usize;
        bytes[place] ^= flip;
        let path = folder.file("damaged.segment", bytes);
        let (recovered, info) = SegmentReader::recover(&path).unwrap();
        let kept = ends.iter().skip(1).filter(|&&end| end <= place as u64).count();
        prop_assert_eq!(&recovered[..], &tables[..kept]);
        prop_assert!(info.torn_bytes > 0);
    }

    #[test]
    fn any_values_survive(rows in proptest::collection::vec(
        (any::<Option<i64>>(), any::<Option<f64>>(), any::<Option<bool>>(), proptest::option::of(".{0,8}")), 0..20)) {
        let table = TableBuilder::new()
            .i64("i", rows.iter().map(|row| row.0))
            .f64("f", rows.iter().map(|row| row.1))
            .bool("b", rows.iter().map(|row| row.2))
            .str("s", rows.iter().map(|row| row.3.as_deref()))
            .build().unwrap();
        let folder = Folder::new();
        let path = folder.path.join("log.segment");
        write(&path, std::slice::from_ref(&table));
        let (recovered, _) = SegmentReader::recover(&path).unwrap();
        prop_assert_eq!(recovered, vec![table]);
    }
}
