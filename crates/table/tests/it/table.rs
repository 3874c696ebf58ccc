use ketch_table::{ColumnKind, Schema, Table, TableBuilder, TableError};

fn weather() -> Table {
    TableBuilder::new()
        .i64("row", [1, 2, 3])
        .f64("pressure", [Some(1013.25), None, Some(f64::NEG_INFINITY)])
        .f32("wind", [Some(0.5), Some(f32::NAN), None])
        .str("station", [Some("KBVU"), None, Some("")])
        .bool("rain", [Some(true), Some(false), None])
        .timestamp(
            "at",
            ["2024-01-01T00:00:00.000001Z".parse().ok(), None, None],
        )
        .build()
        .unwrap()
}

#[test]
fn columns_come_back_as_they_went_in() {
    let table = weather();
    assert_eq!(table.num_rows(), 3);
    assert_eq!(
        table.column_names(),
        ["row", "pressure", "wind", "station", "rain", "at"]
    );
    assert_eq!(
        table.column_i64("row").unwrap(),
        [Some(1), Some(2), Some(3)]
    );
    assert_eq!(
        table.column_f64("row").unwrap(),
        [Some(1.0), Some(2.0), Some(3.0)]
    );
    assert_eq!(
        table.column_f64("pressure").unwrap(),
        [Some(1013.25), None, Some(f64::NEG_INFINITY)]
    );
    let wind = table.column_f64("wind").unwrap();
    assert_eq!(wind[0], Some(0.5));
    assert!(
        wind[1].unwrap().is_nan(),
        "NaN is a value, not a missing one"
    );
    assert_eq!(wind[2], None);
    assert_eq!(
        table.column_str("station").unwrap(),
        [Some("KBVU"), None, Some("")]
    );
    assert_eq!(
        table.column_bool("rain").unwrap(),
        [Some(true), Some(false), None]
    );
    assert_eq!(
        table.column_f64("rain").unwrap(),
        [Some(1.0), Some(0.0), None]
    );
    assert_eq!(
        table.column_timestamp("at").unwrap()[0]
            .unwrap()
            .as_microsecond(),
        1_704_067_200_000_001
    );
    assert_eq!(table.missing("rain").unwrap(), 1);
}

#[test]
fn a_wrong_name_lists_the_right_ones() {
    let error = weather().column_f64("presure").unwrap_err();
    assert_eq!(error.to_string(), "there is no column `presure`");
    assert_eq!(
        error.hint().unwrap(),
        "the columns are: row, pressure, wind, station, rain, at"
    );
}

#[test]
fn a_wrong_kind_is_named() {
    let error = weather().column_f64("station").unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `station` holds text values, not float64"
    );
    let error = weather().column_i64("pressure").unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `pressure` holds float64 values, not int64"
    );
}

#[test]
fn uneven_and_doubled_columns_are_refused() {
    let error = TableBuilder::new()
        .i64("a", [1, 2])
        .i64("b", [1])
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `b` has 1 rows where the columns before it have 2"
    );
    let error = TableBuilder::new()
        .i64("a", [1])
        .bool("a", [true])
        .build()
        .unwrap_err();
    assert_eq!(error.to_string(), "two columns have the name `a`");
}

#[test]
fn rows_and_columns_are_picked() {
    let table = weather();
    let picked = table
        .select(&["rain", "row"])
        .unwrap()
        .take(&[2, 0, 0])
        .unwrap();
    assert_eq!(picked.column_names(), ["rain", "row"]);
    assert_eq!(
        picked.column_i64("row").unwrap(),
        [Some(3), Some(1), Some(1)]
    );
    assert_eq!(
        picked.column_bool("rain").unwrap(),
        [None, Some(true), Some(true)]
    );
    assert_eq!(
        table.slice(1, 2).unwrap().column_i64("row").unwrap(),
        [Some(2), Some(3)]
    );
    let error = table.slice(2, 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rows 2..4 were asked of a table of 3 rows"
    );
    assert!(matches!(
        table.take(&[3]),
        Err(TableError::RowsOutOfRange { .. })
    ));
}

#[test]
fn concat_wants_one_schema() {
    let table = weather();
    let schema = table.schema().clone();
    let twice = Table::concat(&schema, [&table, &table.slice(0, 1).unwrap()]).unwrap();
    assert_eq!(twice.num_rows(), 4);
    assert_eq!(Table::concat(&schema, []).unwrap(), Table::empty(&schema));
    let other = table.select(&["row"]).unwrap();
    let error = Table::concat(other.schema(), [&table]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the columns differ: expected row int64; found row int64, pressure")
    );
}

#[test]
fn a_schema_is_made_of_names_and_kinds() {
    let schema = Schema::new([("a", ColumnKind::Int64), ("b", ColumnKind::Text)]).unwrap();
    assert_eq!(schema.kind("b"), Some(ColumnKind::Text));
    assert_eq!(schema.kind("c"), None);
    assert_eq!(schema.to_string(), "a int64, b text");
    assert_eq!(Table::empty(&schema).num_rows(), 0);
}
