use ketch_table::{ColumnKind, TableError, read, read_csv};

use super::Folder;

fn error(content: impl AsRef<[u8]>) -> (String, TableError) {
    let folder = Folder::new();
    let path = folder.file("x.csv", content);
    let error = read_csv(&path).unwrap_err();
    (error.to_string().replace(path.as_str(), "x.csv"), error)
}

#[test]
fn kinds_are_what_all_values_agree_on() {
    let folder = Folder::new();
    let path = folder.file(
        "x.csv",
        "\u{feff}id,n,x,flag,at,text,zip,big,empty,mark\r\n\
         1,1,0.5,true,2024-01-01,a,00501,12345678901234567890,,NA\r\n\
         2,,nan,False,2024-01-01 06:00:00,NA,10001,1,,3\r\n\
         \r\n\
         3,-7,1e3,,2024-01-01T00:00:00+02:00,\"b, \"\"c\"\"\nd\",10002,2,,null\r\n",
    );
    let table = read(&path).unwrap();
    let kinds: Vec<String> = table
        .schema()
        .columns()
        .iter()
        .map(|c| c.kind.to_string())
        .collect();
    assert_eq!(
        kinds.join(" "),
        "int64 int64 float64 boolean timestamp text text text float64 int64"
    );
    assert_eq!(table.num_rows(), 3);
    assert_eq!(table.column_i64("n").unwrap(), [Some(1), None, Some(-7)]);
    assert!(table.column_f64("x").unwrap()[1].unwrap().is_nan());
    assert_eq!(
        table.column_bool("flag").unwrap(),
        [Some(true), Some(false), None]
    );
    let at: Vec<String> = table
        .column_timestamp("at")
        .unwrap()
        .iter()
        .map(|at| at.unwrap().to_string())
        .collect();
    assert_eq!(
        at,
        [
            "2024-01-01T00:00:00Z",
            "2024-01-01T06:00:00Z",
            "2023-12-31T22:00:00Z"
        ]
    );
    assert_eq!(
        table.column_str("text").unwrap(),
        [Some("a"), Some("NA"), Some("b, \"c\"\nd")]
    );
    assert_eq!(table.column_str("zip").unwrap()[0], Some("00501"));
    assert_eq!(table.missing("empty").unwrap(), 3);
    assert_eq!(table.column_i64("mark").unwrap(), [None, Some(3), None]);
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    let folder = Folder::new();
    let table = read_csv(&folder.file("x.csv", "a,b\n")).unwrap();
    assert_eq!(table.num_rows(), 0);
    assert_eq!(table.column_names(), ["a", "b"]);
}

#[test]
fn tabs_by_the_name() {
    let folder = Folder::new();
    let table = read(&folder.file("x.tsv", "a\tb\n1\tx,y\n")).unwrap();
    assert_eq!(table.column_str("b").unwrap(), [Some("x,y")]);
    assert_eq!(table.schema().kind("a"), Some(ColumnKind::Int64));
}

#[test]
fn bad_files_say_what_and_where() {
    assert_eq!(error("").0, "`x.csv` is empty: not even a header line");
    assert_eq!(error("\n\n").0, "`x.csv` is empty: not even a header line");
    assert_eq!(
        error("a,b\n1,2\n3\n").0,
        "x.csv:3: 1 fields where the header has 2"
    );
    assert_eq!(
        error("a,b\n1,2,3\n").0,
        "x.csv:2: 3 fields where the header has 2"
    );
    assert_eq!(
        error(b"a,b\n1,2\n3,\xff\n").0,
        "x.csv:3: field 2 is not UTF-8"
    );
    assert_eq!(error(b"a,\xff\n1,2\n").0, "x.csv:1: field 2 is not UTF-8");
    assert_eq!(
        error("a,,c\n1,2,3\n").0,
        "x.csv:1: the header's field 2 has no name"
    );
    assert_eq!(error("a,b,a\n1,2,3\n").0, "two columns have the name `a`");
    let (message, error) = error("a,b\n1,2\n3,\"cut sho");
    assert_eq!(
        message,
        "x.csv:3: a quoted field starts in this record and never ends"
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_file_that_is_not_there_or_of_no_known_name() {
    let folder = Folder::new();
    let error = read_csv(&folder.path.join("none.csv")).unwrap_err();
    assert!(error.to_string().contains("none.csv"), "{error}");
    let error = read(&folder.file("x.xlsx", "")).unwrap_err();
    assert_eq!(error.hint().unwrap(), "name it .csv, .tsv or .parquet");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let folder = Folder::new();
        let _ = read_csv(&folder.file("x.csv", bytes));
    }

    #[test]
    fn no_almost_csv_makes_it_panic(text in "[a1,\"\\-:.\n\r ]{0,80}") {
        let folder = Folder::new();
        let _ = read_csv(&folder.file("x.csv", text));
    }
}
