//! Comparing the rows of large CSV files of which most is the same.

use camino::Utf8Path;
use ketch_table::{DiffSide, PerSide, RowDiff, RowDiffOptions, row_diff};
use proptest::prelude::*;

use super::Folder;

/// The report, and all changes as lines of JSON.
fn diff(before: &Utf8Path, after: &Utf8Path, key: &[&str]) -> (RowDiff, String) {
    let mut changes = Vec::new();
    let side = |path| DiffSide { path, name: path };
    let report = row_diff(
        &RowDiffOptions {
            before: side(before),
            after: side(after),
            key: &key.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ignore: &[],
            tolerance: 0.0,
            sample: 0,
            memory_budget: 1 << 20,
            temporary: before.parent().unwrap(),
        },
        Some(&mut changes),
    )
    .unwrap();
    (report, String::from_utf8(changes).unwrap())
}

/// What is done to a list of rows, at places given as shares of its length.
#[derive(Debug, Clone)]
enum Edit {
    Delete(f64, usize),
    Insert(f64, usize),
    Change(f64),
    Repeat(f64, usize),
    Move(f64, f64, usize),
    Quote(f64),
    Blank(f64),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = || 0.0..1.0;
    let few = || prop_oneof![Just(1_usize), 1_usize..400];
    let edit = prop_oneof![
        (place(), few()).prop_map(|(at, count)| Edit::Delete(at, count)),
        (place(), few()).prop_map(|(at, count)| Edit::Insert(at, count)),
        place().prop_map(Edit::Change),
        (place(), few()).prop_map(|(at, count)| Edit::Repeat(at, count)),
        (place(), place(), few()).prop_map(|(from, to, count)| Edit::Move(from, to, count)),
        place().prop_map(Edit::Quote),
        place().prop_map(Edit::Blank),
    ];
    prop::collection::vec(edit, 0..12)
}

/// Rows as three texts, and how each is written.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    fields: [String; 3],
    is_quoted: bool,
    blank_lines: usize,
}

fn row(id: usize) -> Row {
    let text = ["", "plain", "with, comma", "two\nlines", "a \"quote\""][id % 5];
    Row {
        fields: [id.to_string(), format!("{}.5", id % 7), text.to_owned()],
        is_quoted: false,
        blank_lines: 0,
    }
}

fn edited(mut rows: Vec<Row>, edits: &[Edit]) -> Vec<Row> {
    let mut fresh = 1_000_000;
    for edit in edits {
        let at = |share: f64, rows: &[Row]| (share * rows.len() as f64) as usize;
        let part = |share: f64, count: usize, rows: &[Row]| {
            let start = at(share, rows);
            start..(start + count).min(rows.len())
        };
        match edit {
            Edit::Delete(share, count) => drop(rows.drain(part(*share, *count, &rows))),
            Edit::Insert(share, count) => {
                let at = at(*share, &rows);
                rows.splice(at..at, (fresh..fresh + count).map(row));
                fresh += count;
            }
            Edit::Repeat(share, count) => {
                let part = part(*share, *count, &rows);
                let again = rows[part.clone()].to_vec();
                rows.splice(part.end..part.end, again);
            }
            Edit::Move(from, to, count) => {
                let moved: Vec<Row> = rows.drain(part(*from, *count, &rows)).collect();
                let to = at(*to, &rows);
                rows.splice(to..to, moved);
            }
            Edit::Change(share) | Edit::Quote(share) | Edit::Blank(share) => {
                let at = at(*share, &rows);
                let Some(row) = rows.get_mut(at) else {
                    continue;
                };
                match edit {
                    Edit::Change(_) => row.fields[1].push('9'),
                    Edit::Quote(_) => row.is_quoted = true,
                    _ => row.blank_lines += 1,
                }
            }
        }
    }
    rows
}

/// The rows as CSV with the columns in this order.
fn csv(rows: &[Row], order: [usize; 3], line_end: &str) -> String {
    let mut text = order.map(|column| ["id", "x", "s"][column]).join(",") + line_end;
    for row in rows {
        text.push_str(&line_end.repeat(row.blank_lines));
        let fields = order.map(|column| {
            let field = &row.fields[column];
            if row.is_quoted || field.contains([',', '"', '\n']) {
                format!("\"{}\"", field.replace('"', "\"\""))
            } else {
                field.clone()
            }
        });
        text.push_str(&fields.join(","));
        text.push_str(line_end);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    /// Files with the same columns in another order are read one after the other, by values of
    /// fields alone.
    #[test]
    fn reading_side_by_side_tells_the_same(
        edits in edits(),
        crlf in any::<bool>(),
        cut in any::<bool>(),
    ) {
        let folder = Folder::new();
        let old: Vec<Row> = (0..2500).map(row).collect();
        let new = edited(old.clone(), &edits);
        let line_end = if crlf { "\r\n" } else { "\n" };
        let before = folder.file("before.csv", csv(&old, [0, 1, 2], line_end));
        let mut text = csv(&new, [0, 1, 2], line_end);
        if cut {
            text.truncate(text.trim_end().len());
        }
        let after = folder.file("after.csv", text);
        let turned = folder.file("turned.csv", csv(&new, [2, 0, 1], "\n"));
        for key in [&["id"][..], &[]] {
            let (one, _) = diff(&before, &after, key);
            let (other, _) = diff(&before, &turned, key);
            let counts = |report: &RowDiff| {
                (
                    [report.unchanged, report.added, report.removed, report.changed],
                    [report.rows, report.duplicate_keys, report.null_keys],
                    report.changed_cells.clone(),
                )
            };
            prop_assert_eq!(counts(&one), counts(&other));
            prop_assert_eq!(one.rows, PerSide { before: old.len() as u64, after: new.len() as u64 });
            if old == new {
                prop_assert!(one.is_same());
            }
            // The same again: nothing depends on this run's hashes.
            prop_assert_eq!(diff(&before, &after, key).1, diff(&before, &after, key).1);
        }
    }
}

#[test]
fn files_far_apart_are_told_apart() {
    let folder = Folder::new();
    // Longer than what is read at a time, with an insert that is, too.
    let rows: Vec<Row> = (0..40_000).map(row).collect();
    let before = folder.file("before.csv", csv(&rows, [0, 1, 2], "\n"));
    let edits = [
        Edit::Insert(0.1, 30_000),
        Edit::Delete(0.9, 7_000),
        Edit::Change(0.0),
    ];
    let after = folder.file("after.csv", csv(&edited(rows, &edits), [0, 1, 2], "\n"));
    let (report, changes) = diff(&before, &after, &["id"]);
    assert_eq!(
        [
            report.unchanged,
            report.added,
            report.removed,
            report.changed
        ],
        [32_999, 30_000, 7_000, 1]
    );
    assert_eq!(changes.lines().count(), 37_001);
}

#[test]
fn a_column_is_what_the_rows_of_both_files_and_of_one_make_it() {
    let folder = Folder::new();
    let rows = |middle: &str| format!("id,x\n1,1\n2,2\n{middle}\n3,3\n4,4\n");
    let before = folder.file("before.csv", rows("7,text"));
    let after = folder.file("after.csv", rows("7,5.5"));
    let (report, _) = diff(&before, &after, &["id"]);
    assert_eq!(report.columns_retyped.len(), 1);
    let told = serde_json::to_value(&report.columns_retyped).unwrap();
    assert_eq!(
        told,
        serde_json::json!([{"column": "x", "before": "text", "after": "float64"}])
    );
    assert_eq!([report.unchanged, report.changed], [4, 1]);
}
