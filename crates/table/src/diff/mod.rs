//! Which rows of two files differ, and in which cells.
//!
//! Two passes, neither of which holds a file. The first takes a fingerprint of each row's key and
//! of the row; rows with the same fingerprints are the same. The second fetches the rest and tells
//! by the values what was added, removed and changed. What does not fit the memory budget is cut
//! into parts by the key and put on disk.

mod cell;
mod csv_source;
mod first_pass;
mod hash;
mod matching;
mod records;
mod report;
mod settle;
mod source;
mod spill;
mod together;

pub use cell::Cell;
pub use report::{CellChange, PerSide, Retyped, RowChange, RowDiff, RowValues};

use std::io::Write;

use camino::Utf8Path;

use crate::{Schema, TableError};
use cell::Comparison;
use first_pass::first_pass;
use settle::Settlement;
use source::Source;
use spill::Side;

/// One of the two files.
#[derive(Debug, Clone, Copy)]
pub struct DiffSide<'a> {
    /// Where the bytes are: an object of a cache, for example.
    pub path: &'a Utf8Path,
    /// What the file is called: its ending says the format, and errors in CSV are told under it.
    pub name: &'a Utf8Path,
}

/// What to compare, and how.
#[derive(Debug, Clone)]
pub struct RowDiffOptions<'a> {
    pub before: DiffSide<'a>,
    pub after: DiffSide<'a>,
    /// The columns that say which row is which. None: the whole row does, and nothing counts as
    /// changed.
    pub key: &'a [String],
    /// Columns that are left out, as if neither file had them.
    pub ignore: &'a [String],
    /// Numbers that differ by no more are the same. Keys are always compared exactly.
    pub tolerance: f64,
    /// How many changed rows the report holds.
    pub sample: usize,
    /// Bytes of rows to hold before they go to disk.
    pub memory_budget: usize,
    /// The folder in which to put them.
    pub temporary: &'a Utf8Path,
}

/// Compares the rows of two CSV or Parquet files; the order of rows and columns does not count.
///
/// Rows are matched by their key, where a missing value is a value like any other. NaN is the same
/// as NaN, and 1 as 1.0 where both columns are numbers. Where a column's kind has changed to
/// something else, its values are compared by what is shown of them. Columns that only one file
/// has do not make a row changed.
///
/// Where several rows of a file share a key, equal rows are paired and the others are removed and
/// added ones: which became which cannot be told. In CSV such keys are counted by their text.
///
/// Every change is written to `changes`, if given, as a line of JSON (a [`RowChange`]); the report
/// holds the first [`RowDiffOptions::sample`] of them. They are in the order of the key, or, when
/// they do not fit into memory, in no particular but always the same order.
///
/// # Errors
///
/// When a file cannot be read, a key column is missing in one of them or also ignored, no column
/// is in both, or the disk or `changes` refuses.
pub fn row_diff(
    options: &RowDiffOptions<'_>,
    changes: Option<&mut dyn Write>,
) -> Result<RowDiff, TableError> {
    if options.tolerance.is_nan() || options.tolerance < 0.0 {
        return Err(TableError::BadTolerance {
            tolerance: options.tolerance,
        });
    }
    let mut before = Source::open(&options.before, options.ignore)?;
    let mut after = Source::open(&options.after, options.ignore)?;
    let layout = Layout::new(options, &before.names(), &after.names())?;

    let found = first_pass(options, &layout, &mut before, &mut after)?;
    let matching = found.matching;

    let (old, new) = (before.schema()?, after.schema()?);
    let mut settlement = Settlement::new(options, &layout, &old, &new, changes);
    for (side, source) in [(Side::Before, &before), (Side::After, &after)] {
        let rest = &matching.rest[side as usize];
        let shared = &matching.shared[side as usize];
        let mut numbers = rest.iter();
        source.fetch(rest, |cells| {
            let is_shared = numbers.next().is_some_and(|row| shared.contains(row));
            settlement.add(side, &cells, is_shared)
        })?;
    }
    let mut report = settlement.finish()?;

    report.unchanged += matching.unchanged;
    report.rows = found.rows;
    report.null_keys = found.null_keys;
    let [before, after] = matching.duplicate_keys;
    report.duplicate_keys = PerSide { before, after };
    Ok(report)
}

/// A column that both files have.
#[derive(Debug)]
struct Common {
    name: String,
    /// Its place among the columns that count, before and after.
    places: [usize; 2],
    is_key: bool,
}

/// Which column is where.
#[derive(Debug)]
struct Layout {
    common: Vec<Common>,
}

impl Layout {
    fn new(
        options: &RowDiffOptions<'_>,
        before: &[String],
        after: &[String],
    ) -> Result<Self, TableError> {
        for column in options.key {
            if options.ignore.contains(column) {
                return Err(TableError::KeyIgnored {
                    column: column.clone(),
                });
            }
            for (side, names) in [(&options.before, before), (&options.after, after)] {
                if !names.contains(column) {
                    return Err(TableError::NoKeyColumn {
                        path: side.name.to_owned(),
                        column: column.clone(),
                        available: names.to_vec(),
                    });
                }
            }
        }
        let common: Vec<Common> = before
            .iter()
            .enumerate()
            .filter_map(|(place, name)| {
                let other = after.iter().position(|other| other == name)?;
                Some(Common {
                    name: name.clone(),
                    places: [place, other],
                    is_key: options.key.is_empty() || options.key.contains(name),
                })
            })
            .collect();
        if common.is_empty() {
            return Err(TableError::NothingInCommon {
                before: options.before.name.to_owned(),
                after: options.after.name.to_owned(),
            });
        }
        Ok(Self { common })
    }

    fn comparisons(&self, before: &Schema, after: &Schema) -> Vec<Comparison> {
        let kind = |schema: &Schema, place: usize| schema.columns()[place].kind;
        self.common
            .iter()
            .map(|c| Comparison::of(kind(before, c.places[0]), kind(after, c.places[1])))
            .collect()
    }
}
