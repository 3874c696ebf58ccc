//! Which rows of two files differ, and in which cells.
//!
//! Two passes, neither of which holds a file. The first takes a fingerprint of each row's key and
//! of the row; rows with the same fingerprints are the same. The second fetches the rest and tells
//! by the values what was added, removed and changed. What does not fit the memory budget is cut
//! into parts by the key and put on disk.

mod cell;
mod hash;
mod matching;
mod report;
mod settle;
mod source;
mod spill;

pub use cell::Cell;
pub use report::{CellChange, PerSide, Retyped, RowChange, RowDiff, RowValues};

use std::io::Write;

use camino::Utf8Path;

use crate::{Schema, TableError};
use cell::{CellRef, Comparison, each_cell};
use hash::Seeds;
use matching::{Fingerprints, Matching};
use settle::Settlement;
use source::{CsvSource, ParquetSource, Source};
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

    let (rows, null_keys, matching) = first_pass(options, &layout, &mut before, &mut after)?;

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
    report.rows = rows;
    report.null_keys = null_keys;
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
    /// Whether both files have the same columns in the same order, and none is left out.
    is_same: bool,
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
        Ok(Self {
            is_same: before == after && options.ignore.is_empty(),
            common,
        })
    }

    fn comparisons(&self, before: &Schema, after: &Schema) -> Vec<Comparison> {
        let kind = |schema: &Schema, place: usize| schema.columns()[place].kind;
        self.common
            .iter()
            .map(|c| Comparison::of(kind(before, c.places[0]), kind(after, c.places[1])))
            .collect()
    }
}

fn first_pass(
    options: &RowDiffOptions<'_>,
    layout: &Layout,
    before: &mut Source,
    after: &mut Source,
) -> Result<(PerSide, PerSide, Matching), TableError> {
    let mut pass = FirstPass {
        layout,
        seeds: Seeds::random(),
        fingerprints: Fingerprints::new(options.memory_budget, options.temporary),
        null_keys: [0; 2],
    };
    let rows = match (before, after) {
        // Equal texts are equal values, whatever the kinds are: nothing needs to be parsed.
        (Source::Csv(before), Source::Csv(after)) => PerSide {
            before: pass.texts(Side::Before, before)?,
            after: pass.texts(Side::After, after)?,
        },
        (before, after) => {
            // A CSV file's kinds are known when all of it has been read.
            for source in [&mut *before, &mut *after] {
                if let Source::Csv(source) = source {
                    source.scan(|_, _| Ok(()))?;
                }
            }
            let comparisons = layout.comparisons(&before.schema()?, &after.schema()?);
            PerSide {
                before: pass.values(Side::Before, before, &comparisons)?,
                after: pass.values(Side::After, after, &comparisons)?,
            }
        }
    };
    let [before, after] = pass.null_keys;
    Ok((
        rows,
        PerSide { before, after },
        pass.fingerprints.matching()?,
    ))
}

struct FirstPass<'l> {
    layout: &'l Layout,
    seeds: Seeds,
    fingerprints: Fingerprints,
    null_keys: [u64; 2],
}

impl FirstPass<'_> {
    /// Takes the fingerprints of a CSV file's rows from their texts.
    fn texts(&mut self, side: Side, source: &mut CsvSource) -> Result<u64, TableError> {
        let columns: Vec<(usize, bool)> = self
            .layout
            .common
            .iter()
            .map(|common| {
                (
                    source.columns[common.places[side as usize]].0,
                    common.is_key,
                )
            })
            .collect();
        let keys: Vec<usize> = columns.iter().filter(|c| c.1).map(|c| c.0).collect();
        let seeds = self.seeds;
        let is_same = self.layout.is_same;
        source.scan(|number, record| {
            let field = |index: usize| record.get(index).unwrap_or_default();
            let mut key = seeds.start(false);
            let mut is_null = false;
            for &index in &keys {
                is_null |= field(index).is_empty();
                key = seeds.bytes(key, field(index));
            }
            let mut row = seeds.start(true);
            if is_same {
                // All fields in one go; where they end says the rest.
                row = seeds.bytes(row, record.as_slice());
                for index in 0..record.len() {
                    row = seeds.number(row, field(index).len() as u64);
                }
            } else {
                for &(index, _) in &columns {
                    row = seeds.bytes(row, field(index));
                }
            }
            self.null_keys[side as usize] += u64::from(is_null);
            self.fingerprints.push(side, key, row, number)
        })
    }

    /// Takes the fingerprints of a file's rows from their values.
    fn values(
        &mut self,
        side: Side,
        source: &mut Source,
        comparisons: &[Comparison],
    ) -> Result<u64, TableError> {
        match source {
            Source::Parquet(source) => self.parquet_values(side, source, comparisons),
            Source::Csv(source) => {
                let kinds: Vec<_> = source.schema()?.columns().iter().map(|c| c.kind).collect();
                let reader = source.clone();
                source.scan(|number, record| {
                    let cells = reader.cells(record, &kinds)?;
                    let cell = |place: usize| cells[place].borrow();
                    let mut hashes = Hashes::new(self.seeds);
                    for (common, comparison) in self.layout.common.iter().zip(comparisons) {
                        let cell = cell(common.places[side as usize]);
                        hashes.add(self.seeds, common, *comparison, cell);
                    }
                    self.push(side, number, &hashes)
                })
            }
        }
    }

    fn parquet_values(
        &mut self,
        side: Side,
        source: &ParquetSource,
        comparisons: &[Comparison],
    ) -> Result<u64, TableError> {
        let mut hashes = Vec::new();
        source.read(None, |first, table| {
            hashes.clear();
            hashes.resize(table.num_rows(), Hashes::new(self.seeds));
            for (common, comparison) in self.layout.common.iter().zip(comparisons) {
                each_cell(table, common.places[side as usize], |row, cell| {
                    hashes[row].add(self.seeds, common, *comparison, cell);
                });
            }
            for (number, hashes) in (first..).zip(&hashes) {
                self.push(side, number, hashes)?;
            }
            Ok(())
        })
    }

    fn push(&mut self, side: Side, number: u64, hashes: &Hashes) -> Result<(), TableError> {
        self.null_keys[side as usize] += u64::from(hashes.has_null_key);
        self.fingerprints.push(side, hashes.key, hashes.row, number)
    }
}

/// The fingerprint of a row, while its cells come in.
#[derive(Debug, Clone, Copy)]
struct Hashes {
    key: u64,
    row: u64,
    has_null_key: bool,
}

impl Hashes {
    fn new(seeds: Seeds) -> Self {
        Self {
            key: seeds.start(false),
            row: seeds.start(true),
            has_null_key: false,
        }
    }

    #[inline]
    fn add(&mut self, seeds: Seeds, common: &Common, comparison: Comparison, cell: CellRef<'_>) {
        self.row = seeds.cell(self.row, comparison, cell);
        if common.is_key {
            self.key = seeds.cell(self.key, comparison, cell);
            self.has_null_key |= matches!(cell, CellRef::Null);
        }
    }
}
