//! First pass: the fingerprints of all rows.

use super::cell::{CellRef, Comparison, each_cell};
use super::csv_source::CsvSource;
use super::hash::Seeds;
use super::matching::{Fingerprints, Matching};
use super::records::Record;
use super::report::PerSide;
use super::source::{ParquetSource, Source};
use super::spill::Side;
use super::{Common, Layout, RowDiffOptions, together};
use crate::TableError;

/// What the first pass tells.
pub(super) struct Found {
    pub(super) rows: PerSide,
    pub(super) null_keys: PerSide,
    pub(super) matching: Matching,
}

/// Reads both files. Leaves in CSV sources what their columns are.
pub(super) fn first_pass(
    options: &RowDiffOptions<'_>,
    layout: &Layout,
    before: &mut Source,
    after: &mut Source,
) -> Result<Found, TableError> {
    let mut pass = FirstPass {
        layout,
        seeds: Seeds::random(),
        fingerprints: Fingerprints::new(options.memory_budget, options.temporary),
        null_keys: PerSide::default(),
    };
    let rows = match (before, after) {
        // Equal texts are equal values, whatever the kinds are: nothing needs to be parsed.
        (Source::Csv(before), Source::Csv(after)) => {
            if before.is_written_as(after) {
                together::read(&mut pass, before, after)?
            } else {
                PerSide {
                    before: pass.texts(Side::Before, before)?,
                    after: pass.texts(Side::After, after)?,
                }
            }
        }
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
    Ok(Found {
        rows,
        null_keys: pass.null_keys,
        matching: pass.fingerprints.matching()?,
    })
}

pub(super) struct FirstPass<'l> {
    layout: &'l Layout,
    seeds: Seeds,
    fingerprints: Fingerprints,
    null_keys: PerSide,
}

impl FirstPass<'_> {
    /// Takes the fingerprints of a CSV file's rows from their texts.
    fn texts(&mut self, side: Side, source: &mut CsvSource) -> Result<u64, TableError> {
        let texts = self.fields(side, source);
        source.scan(|number, record| self.add_text(&texts, number, record).map(drop))
    }

    /// The fields of a CSV file that count.
    pub(super) fn fields(&self, side: Side, source: &CsvSource) -> Fields {
        let common = self.layout.common.iter();
        let field = |common: &Common| source.columns[common.places[side as usize]].0;
        Fields {
            side,
            keys: common.clone().filter(|c| c.is_key).map(field).collect(),
            all: common.map(field).collect(),
        }
    }

    /// Takes a row of one CSV file. Gives its fingerprint.
    #[inline]
    pub(super) fn add_text(
        &mut self,
        fields: &Fields,
        number: u64,
        record: Record<'_>,
    ) -> Result<u64, TableError> {
        let (key, is_null) = self.key_text(fields, record);
        let mut row = self.seeds.start(true);
        for &index in &fields.all {
            row = self.seeds.bytes(row, record.get(index).unwrap_or_default());
        }
        *self.null_keys.of(fields.side) += u64::from(is_null);
        self.fingerprints.push(fields.side, key, row, number)?;
        Ok(row)
    }

    /// Takes a row that both CSV files have.
    #[inline]
    pub(super) fn add_text_of_both(
        &mut self,
        fields: &Fields,
        record: Record<'_>,
    ) -> Result<(), TableError> {
        let (key, is_null) = self.key_text(fields, record);
        self.null_keys.before += u64::from(is_null);
        self.null_keys.after += u64::from(is_null);
        self.fingerprints.push_pair(key)
    }

    /// The fingerprint of the key, and whether a value of it is missing.
    #[inline]
    fn key_text(&self, fields: &Fields, record: Record<'_>) -> (u64, bool) {
        let mut key = self.seeds.start(false);
        let mut is_null = false;
        for &index in &fields.keys {
            let field = record.get(index).unwrap_or_default();
            is_null |= field.is_empty();
            key = self.seeds.bytes(key, field);
        }
        (key, is_null)
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
        *self.null_keys.of(side) += u64::from(hashes.has_null_key);
        self.fingerprints.push(side, hashes.key, hashes.row, number)
    }
}

/// Field numbers of the columns that both files have.
pub(super) struct Fields {
    side: Side,
    keys: Vec<usize>,
    all: Vec<usize>,
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
