//! Comparing the rows of two files.

#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "texts of tests: short and plain"
)]

use std::collections::{BTreeMap, HashMap};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_table::{
    Cell, ColumnKind, DiffSide, PerSide, RowChange, RowDiff, RowDiffOptions, TableBuilder,
    TableError, read, row_diff, write_parquet_atomically,
};
use ketch_testkit::{CommandOutput, peer};
use proptest::prelude::*;

use super::Folder;

struct Ask<'a> {
    key: &'a [&'a str],
    ignore: &'a [&'a str],
    tolerance: f64,
    memory_budget: usize,
}

const BY_ID: Ask<'_> = Ask {
    key: &["id"],
    ignore: &[],
    tolerance: 0.0,
    memory_budget: 1 << 20,
};

/// The report and the lines of JSON.
fn ask(
    ask: &Ask<'_>,
    before: &Utf8Path,
    after: &Utf8Path,
) -> Result<(RowDiff, Vec<serde_json::Value>), TableError> {
    let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut lines = Vec::new();
    let report = row_diff(
        &RowDiffOptions {
            before: DiffSide {
                path: before,
                name: before,
            },
            after: DiffSide {
                path: after,
                name: after,
            },
            key: &strings(ask.key),
            ignore: &strings(ask.ignore),
            tolerance: ask.tolerance,
            sample: usize::MAX,
            memory_budget: ask.memory_budget,
            temporary: before.parent().unwrap(),
        },
        Some(&mut lines),
    )?;
    let lines = String::from_utf8(lines).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    Ok((report, lines.collect()))
}

fn csv(ask_for: &Ask<'_>, before: &str, after: &str) -> (RowDiff, Vec<String>) {
    let folder = Folder::new();
    let before = folder.file("before.csv", before);
    let after = folder.file("after.csv", after);
    let (report, lines) = ask(ask_for, &before, &after).unwrap();
    (report, lines.iter().map(ToString::to_string).collect())
}

fn counts(report: &RowDiff) -> [u64; 4] {
    [
        report.unchanged,
        report.added,
        report.removed,
        report.changed,
    ]
}

#[test]
fn tells_rows_and_cells() {
    let before = "id,x,s\n1,1.5,a\n2,2.5,b\n3,3.5,c\n4,,d\n";
    let after = "s,id,x\nd,4,9\nb,2,2.50\nnew,5,0\na,1,1.25\n";
    let (report, lines) = csv(&BY_ID, before, after);
    assert_eq!(counts(&report), [1, 1, 1, 2]);
    assert_eq!(
        report.rows,
        PerSide {
            before: 4,
            after: 4
        }
    );
    assert_eq!(report.changed_cells, [("x".to_owned(), 2)]);
    assert_eq!(
        lines,
        [
            r#"{"change":"changed","key":{"id":1},"cells":[{"column":"x","before":1.5,"after":1.25}]}"#,
            r#"{"change":"removed","row":{"id":3,"x":3.5,"s":"c"}}"#,
            r#"{"change":"changed","key":{"id":4},"cells":[{"column":"x","before":null,"after":9.0}]}"#,
            r#"{"change":"added","row":{"s":"new","id":5,"x":0.0}}"#,
        ]
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["sample"][1],
        serde_json::from_str::<serde_json::Value>(&lines[1]).unwrap()
    );
    assert!(!report.is_same());
}

#[test]
fn tells_columns() {
    let before = "id,gone,n,t\n1,x,1,1\n2,y,2,2\n";
    let after = "id,n,t,new\n1,1.0,1,\n2,2.5,two,z\n";
    let (report, lines) = csv(&BY_ID, before, after);
    assert_eq!(counts(&report), [1, 0, 0, 1]);
    assert_eq!(report.columns_added[0].name, "new");
    assert_eq!(report.columns_removed[0].name, "gone");
    let retyped: Vec<_> = report
        .columns_retyped
        .iter()
        .map(|column| (column.column.as_str(), column.before, column.after))
        .collect();
    assert_eq!(
        retyped,
        [
            ("n", ColumnKind::Int64, ColumnKind::Float64),
            ("t", ColumnKind::Int64, ColumnKind::Text)
        ]
    );
    assert_eq!(
        lines,
        [
            r#"{"change":"changed","key":{"id":2},"cells":[{"column":"n","before":2,"after":2.5},{"column":"t","before":2,"after":"two"}]}"#
        ]
    );
    let ask_for = Ask {
        ignore: &["n", "t", "new", "gone"],
        ..BY_ID
    };
    assert!(csv(&ask_for, before, after).0.is_same());
}

#[test]
fn numbers_are_the_same_within_the_tolerance() {
    let (before, after) = (
        "id,x,n\n1,1.0,5\n2,nan,5\n3,1,5\n4,-0.0,5\n5,inf,5\n",
        "id,x,n\n1,1.05,6\n2,NaN,5\n3,2,5\n4,0.0,5\n5,-inf,5\n",
    );
    let (report, _) = csv(&BY_ID, before, after);
    assert_eq!(counts(&report), [2, 0, 0, 3]);
    let ask_for = Ask {
        tolerance: 0.1,
        ..BY_ID
    };
    let (report, _) = csv(&ask_for, before, after);
    assert_eq!(report.changed_cells, [("x".into(), 2), ("n".into(), 1)]);
    let ask_for = Ask {
        tolerance: 1.0,
        ..BY_ID
    };
    let (report, lines) = csv(&ask_for, before, after);
    assert_eq!(counts(&report), [4, 0, 0, 1]);
    assert_eq!(
        lines,
        [
            r#"{"change":"changed","key":{"id":5},"cells":[{"column":"x","before":"Infinity","after":"-Infinity"}]}"#
        ]
    );
}

#[test]
fn rows_that_share_a_key_are_removed_and_added() {
    let before = "id,x\n1,a\n1,a\n1,b\n2,c\n,d\n,e\n3,f\n";
    let after = "id,x\n1,a\n1,z\n1,b\n2,c\n2,c\n,e\n,d\n3,g\n";
    let (report, lines) = csv(&BY_ID, before, after);
    assert_eq!(counts(&report), [5, 2, 1, 1]);
    assert_eq!(
        report.duplicate_keys,
        PerSide {
            before: 2,
            after: 3
        }
    );
    assert_eq!(
        report.null_keys,
        PerSide {
            before: 2,
            after: 2
        }
    );
    assert_eq!(
        lines,
        [
            r#"{"change":"removed","row":{"id":1,"x":"a"}}"#,
            r#"{"change":"added","row":{"id":1,"x":"z"}}"#,
            r#"{"change":"added","row":{"id":2,"x":"c"}}"#,
            r#"{"change":"changed","key":{"id":3},"cells":[{"column":"x","before":"f","after":"g"}]}"#,
        ]
    );
}

#[test]
fn several_columns_or_all_may_be_the_key() {
    let before = "a,b,x\n1,1,p\n1,2,q\n2,1,r\n2,1,r\n";
    let after = "a,b,x\n2,1,r\n1.0,1,p\n1,2,Q\n";
    let both = Ask {
        key: &["a", "b"],
        ..BY_ID
    };
    let (report, lines) = csv(&both, before, after);
    assert_eq!(counts(&report), [2, 0, 1, 1]);
    assert_eq!(
        lines[0],
        r#"{"change":"changed","key":{"a":1,"b":2},"cells":[{"column":"x","before":"q","after":"Q"}]}"#
    );
    let none = Ask { key: &[], ..BY_ID };
    let (report, _) = csv(&none, before, after);
    assert_eq!(counts(&report), [2, 1, 2, 0]);
}

#[test]
fn formats_may_differ() {
    let folder = Folder::new();
    let text =
        "id,x,s,at,flag\n1,0.5,a,2024-01-01,true\n2,,,2024-01-02T03:04:05Z,false\n3,nan,007,,\n";
    let before = folder.file("before.csv", text);
    let after = folder.path.join("after.parquet");
    let table = read(&before).unwrap();
    write_parquet_atomically(&after, &table).unwrap();
    for (before, after) in [(&before, &after), (&after, &before), (&after, &after)] {
        let (report, _) = ask(&BY_ID, before, after).unwrap();
        assert!(report.is_same(), "{report:?}");
        assert_eq!(report.unchanged, 3);
    }
    let changed = folder.file(
        "changed.csv",
        text.replace("0.5", "0.25").replace("02T", "03T"),
    );
    let (report, lines) = ask(&BY_ID, &after, &changed).unwrap();
    assert_eq!(counts(&report), [1, 0, 0, 2]);
    assert_eq!(
        lines[1].to_string(),
        r#"{"change":"changed","key":{"id":2},"cells":[{"column":"at","before":"2024-01-02T03:04:05Z","after":"2024-01-03T03:04:05Z"}]}"#
    );
}

#[test]
fn quotes_marks_and_line_ends_do_not_count() {
    let before = "\u{feff}id,s\n1,\"a, \"\"b\"\"\nc\"\n2,x\n";
    let after = "\"id\",s\r\n\r\n2,\"x\"\r\n1,\"a, \"\"b\"\"\nc\"\r\n";
    let (report, _) = csv(&BY_ID, before, after);
    assert!(report.is_same(), "{report:?}");
    let (report, lines) = csv(&BY_ID, before, "id,s\n1,a\n2,x");
    assert_eq!(counts(&report), [1, 0, 0, 1]);
    assert!(
        lines[0].contains(r#""before":"a, \"b\"\nc","after":"a""#),
        "{lines:?}"
    );
}

#[test]
fn finds_rows_again_deep_in_a_file() {
    let rows = |skip: usize, change: usize| -> String {
        let rows = (0..5000).filter(|row| *row != skip);
        let rows = rows.map(|row| format!("{row},\"t\n{}\"\n", row + usize::from(row == change)));
        format!("id,s\n{}", rows.collect::<String>())
    };
    let (report, lines) = csv(&BY_ID, &rows(5000, 5000), &rows(3071, 4999));
    assert_eq!(counts(&report), [4998, 0, 1, 1]);
    assert!(
        lines[0].contains(r#"{"id":3071,"s":"t\n3071"}"#),
        "{lines:?}"
    );
    assert!(
        lines[1].contains(r#""before":"t\n4999","after":"t\n5000""#),
        "{lines:?}"
    );
}

#[test]
fn bad_files_and_questions_are_told() {
    let folder = Folder::new();
    let good = folder.file("good.csv", "id,x\n1,2\n");
    let told = |ask_for: &Ask<'_>, content: &[u8]| {
        let bad = folder.file("bad.csv", content);
        let one = ask(ask_for, &good, &bad).unwrap_err();
        let other = ask(ask_for, &bad, &good).unwrap_err();
        if !matches!(one, TableError::NothingInCommon { .. }) {
            assert_eq!(one.to_string(), other.to_string());
        }
        one.to_string().replace(bad.as_str(), "bad.csv")
    };
    for (content, expected) in [
        (&b""[..], "`bad.csv` is empty: not even a header line"),
        (
            b"id,x\n1,2\n3\n",
            "bad.csv:3: 1 fields where the header has 2",
        ),
        (
            b"id,x\n1,\"2\n3,4\n",
            "bad.csv:2: a quoted field starts in this record and never ends",
        ),
        (b"id,x\n1,\xff\n", "bad.csv:2: field 2 is not UTF-8"),
        (b"id,\n1,2\n", "bad.csv:1: the header's field 2 has no name"),
        (b"id,id\n1,2\n", "two columns have the name `id`"),
        (
            b"ID,x\n1,2\n",
            "`bad.csv` has no column `id`, which the rows are matched by",
        ),
    ] {
        assert_eq!(told(&BY_ID, content), expected);
    }
    let none = Ask { key: &[], ..BY_ID };
    assert!(told(&none, b"p,q\n1,2\n").contains("have no column in common"));
    let ignored = Ask {
        ignore: &["id"],
        ..BY_ID
    };
    assert_eq!(
        told(&ignored, b"id,x\n"),
        "column `id` is both a key and ignored"
    );
    for tolerance in [-1.0, f64::NAN] {
        let ask_for = Ask { tolerance, ..BY_ID };
        assert!(told(&ask_for, b"id,x\n").contains("is not a number from 0 up"));
    }
    for name in ["x.txt", "x.parquet"] {
        let path = folder.file(name, "id,x\n1,2\n");
        assert!(ask(&BY_ID, &good, &path).is_err());
    }
    assert!(ask(&BY_ID, &good, &folder.path.join("missing.csv")).is_err());

    let header = folder.file("header.csv", "id,x\n");
    let (report, _) = ask(&BY_ID, &header, &good).unwrap();
    assert_eq!(counts(&report), [0, 1, 0, 0]);
    assert!(ask(&BY_ID, &header, &header).unwrap().0.is_same());
}

#[test]
fn huge_keys_and_wide_rows_are_rows() {
    let huge = |row: usize| format!("{}{row}", "k".repeat(1 << 20));
    let before: String = (0..4).map(|row| format!("{},{row}\n", huge(row))).collect();
    let after: String = (1..5).map(|row| format!("{},{row}\n", huge(row))).collect();
    let (report, _) = csv(
        &BY_ID,
        &format!("id,x\n{before}"),
        &format!("id,x\n{after}"),
    );
    assert_eq!(counts(&report), [3, 1, 1, 0]);
    let header: String = (0..3000).map(|column| format!("c{column},")).collect();
    let row = "1,".repeat(3000);
    let before = format!("{header}id\n{row}1\n");
    let (report, _) = csv(&BY_ID, &before, &before.replacen("\n1,", "\n2,", 1));
    assert_eq!(report.changed_cells, [("c0".to_owned(), 1)]);
}

type Row = (Option<i64>, Option<f64>, Option<String>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let number = prop_oneof![Just(f64::NAN), Just(-0.0), Just(0.0), -2.0..2.0, Just(0.5)];
    let text = prop::sample::select(vec!["a", "b c", "1", "1.0", "\"q\"", "x,y\nz", "NA", "é"]);
    let row = (
        prop::option::weighted(0.9, 0..12_i64),
        prop::option::weighted(0.8, number),
        prop::option::weighted(0.8, text.prop_map(str::to_owned)),
    );
    prop::collection::vec(row, 0..40)
}

fn write(path: &Utf8Path, rows: &[Row]) {
    let table = TableBuilder::new()
        .i64("id", rows.iter().map(|row| row.0))
        .f64("x", rows.iter().map(|row| row.1))
        .str("s", rows.iter().map(|row| row.2.as_deref()));
    write_parquet_atomically(path, &table.build().unwrap()).unwrap();
    let mut text = "id,x,s\n".to_owned();
    for (id, x, s) in rows {
        let id = id.map_or(String::new(), |id| id.to_string());
        let x = x.map_or(String::new(), |x| format!("{x:?}"));
        let s = s
            .as_deref()
            .map_or(String::new(), |s| s.replace('"', "\"\""));
        text.push_str(&format!("{id},{x},\"{s}\"\n"));
    }
    fs_err::write(path.with_extension("csv"), text).unwrap();
}

/// A row with one form for all that are the same.
fn form(id: &Cell, x: &Cell, s: &Cell) -> [String; 3] {
    let x = match x {
        Cell::Float(number) => format!("{:?}", number + 0.0),
        Cell::Int(number) => format!("{:?}", *number as f64),
        other => format!("{other:?}"),
    };
    [id.to_string(), x, s.to_string()]
}

fn forms(rows: &[Row]) -> HashMap<[String; 3], i64> {
    let mut forms = HashMap::new();
    for (id, x, s) in rows {
        let form = form(
            &id.map_or(Cell::Null, Cell::Int),
            &x.map_or(Cell::Null, Cell::Float),
            &s.clone().map_or(Cell::Null, Cell::Text),
        );
        *forms.entry(form).or_default() += 1;
    }
    forms
}

/// What the changes make of the rows before.
fn applied(before: &[Row], changes: &[RowChange]) -> HashMap<[String; 3], i64> {
    let mut rows = forms(before);
    for change in changes {
        match change {
            RowChange::Added { row } | RowChange::Removed { row } => {
                let cell = |name| row.get(name).unwrap();
                let sign = if matches!(change, RowChange::Added { .. }) {
                    1
                } else {
                    -1
                };
                *rows
                    .entry(form(cell("id"), cell("x"), cell("s")))
                    .or_default() += sign;
            }
            RowChange::Changed { key, cells } => {
                let id = key.get("id").unwrap().to_string();
                let mut old = rows
                    .iter()
                    .filter(|(form, count)| form[0] == id && **count > 0);
                let (old, count) = old.next().unwrap();
                assert_eq!(*count, 1, "the key is not unique");
                let (old, mut new) = (old.clone(), old.clone());
                for cell in cells {
                    let place = if &*cell.column == "x" { 1 } else { 2 };
                    let part = |value: &Cell| form(&Cell::Null, value, value)[place].clone();
                    assert_eq!(old[place], part(&cell.before));
                    new[place] = part(&cell.after);
                }
                *rows.entry(old).or_default() -= 1;
                *rows.entry(new).or_default() += 1;
            }
        }
    }
    rows.retain(|_, count| *count != 0);
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(16) })]

    #[test]
    fn a_diff_makes_the_new_file_of_the_old(before in rows(), after in rows()) {
        let folder = Folder::new();
        let (old, new) = (folder.path.join("before.parquet"), folder.path.join("after.parquet"));
        write(&old, &before);
        write(&new, &after);
        let mut reports = Vec::new();
        for memory_budget in [500, 1 << 20] {
            let ask_for = Ask { memory_budget, ..BY_ID };
            let (report, lines) = ask(&ask_for, &old, &new).unwrap();
            prop_assert_eq!(applied(&before, &report.sample), forms(&after));
            prop_assert_eq!(report.rows.before, report.unchanged + report.removed + report.changed);
            prop_assert_eq!(report.rows.after, report.unchanged + report.added + report.changed);
            prop_assert_eq!(lines.len() as u64, report.added + report.removed + report.changed);
            let reversed = ask(&ask_for, &new, &old).unwrap().0;
            prop_assert_eq!(counts(&reversed), { let [u, a, r, c] = counts(&report); [u, r, a, c] });
            let mut turned = before.clone();
            turned.reverse();
            write(&folder.path.join("turned.parquet"), &turned);
            let turned = ask(&ask_for, &folder.path.join("turned.parquet"), &old).unwrap().0;
            prop_assert_eq!(turned.unchanged, before.len() as u64);
            reports.push((counts(&report), report.duplicate_keys, report.null_keys));
        }
        prop_assert_eq!(&reports[0], &reports[1]);
        // CSV guesses kinds; where the guesses are these kinds, it tells the same.
        let (old, new) = (old.with_extension("csv"), new.with_extension("csv"));
        let kinds = |path: &Utf8Path| -> Vec<ColumnKind> {
            read(path).unwrap().schema().columns().iter().map(|column| column.kind).collect()
        };
        let expected = [ColumnKind::Int64, ColumnKind::Float64, ColumnKind::Text];
        if kinds(&old) == expected && kinds(&new) == expected {
            for memory_budget in [500, 1 << 20] {
                let (report, _) = ask(&Ask { memory_budget, ..BY_ID }, &old, &new).unwrap();
                prop_assert_eq!(applied(&before, &report.sample), forms(&after));
                prop_assert_eq!(&(counts(&report), report.duplicate_keys, report.null_keys), &reports[0]);
            }
        }
    }
}

fn python() -> Option<Utf8PathBuf> {
    peer("python/bin/python")
}

/// Writes two files with pyarrow and what a dictionary by key says of them.
const ORACLE: &str = r#"
import json, random, sys
import pyarrow as pa, pyarrow.parquet as pq, pyarrow.csv as pc
random.seed(11)
def row(): return {'x': random.choice([None, 0.5, 1.25, 3.0]), 's': random.choice(['a', 'b, "c"', None, 'é\nf']), 'n': random.randrange(5)}
before = {(i, f'k{i % 7}'): row() for i in range(20000)}
after = {k: dict(v) for k, v in before.items() if random.random() > .01}
for k in after:
    if random.random() < .02: after[k] = row()
for i in range(20000, 20100): after[(i, 'new')] = row()
def table(rows):
    rows = list(rows.items()); random.shuffle(rows)
    columns = {'id': [k[0] for k, _ in rows], 'part': [k[1] for k, _ in rows]}
    for name in 'xsn': columns[name] = [v[name] for _, v in rows]
    return pa.table(columns, schema=pa.schema([('id', pa.int64()), ('part', pa.string()), ('x', pa.float64()), ('s', pa.string()), ('n', pa.int64())]))
for name, rows in (('before', before), ('after', after)):
    t = table(rows)
    pq.write_table(t, f'{sys.argv[1]}/{name}.parquet', row_group_size=3000)
    pc.write_csv(t, f'{sys.argv[1]}/{name}.csv')
def change(k):
    b, a = before.get(k), after.get(k)
    if b is None: return ['added', k, a]
    if a is None: return ['removed', k, b]
    return ['changed', k, {c: [b[c], a[c]] for c in b if b[c] != a[c]}]
print(json.dumps([change(k) for k in sorted(before.keys() | after.keys()) if before.get(k) != after.get(k)]))
"#;

#[test]
fn tells_what_a_dictionary_by_key_tells() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let output = CommandOutput::of(Command::new(python).args(["-c", ORACLE, folder.path.as_str()]))
        .success();
    let expected: Vec<serde_json::Value> = serde_json::from_str(&output.stdout).unwrap();
    assert!(expected.len() > 500);
    for (kind, memory_budget) in [
        ("parquet", 1 << 24),
        ("csv", 1 << 24),
        ("parquet", 1),
        ("csv", 1 << 12),
    ] {
        let ask_for = Ask {
            key: &["id", "part"],
            memory_budget,
            ..BY_ID
        };
        let path = |name: &str| folder.path.join(format!("{name}.{kind}"));
        let (_, lines) = ask(&ask_for, &path("before"), &path("after")).unwrap();
        let mut found: BTreeMap<i64, serde_json::Value> = BTreeMap::new();
        for line in &lines {
            let told = |row: &serde_json::Value| {
                let mut row = row.as_object().unwrap().clone();
                (
                    row.shift_remove("id").unwrap(),
                    row.shift_remove("part").unwrap(),
                    row,
                )
            };
            let (id, part, values) = if line["change"] == "changed" {
                let (id, part, _) = told(&line["key"]);
                let cells = line["cells"].as_array().unwrap().iter();
                let cells = cells.map(|cell| {
                    let column = cell["column"].as_str().unwrap().to_owned();
                    (column, serde_json::json!([cell["before"], cell["after"]]))
                });
                (id, part, cells.collect())
            } else {
                told(&line["row"])
            };
            let number = id.as_i64().unwrap();
            found.insert(
                number,
                serde_json::json!([line["change"], [id, part], values]),
            );
        }
        assert_eq!(lines.len(), expected.len(), "{kind}");
        assert!(found.into_values().eq(expected.iter().cloned()), "{kind}");
    }
}
