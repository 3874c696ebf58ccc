//! Second pass: what has become of the rows that are not on both sides as they are.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use super::cell::{Canonical, Cell, Comparison};
use super::report::{CellChange, PerSide, Retyped, RowChange, RowDiff, RowValues};
use super::spill::{PARTS, Side, Spill};
use super::{Layout, RowDiffOptions};
use crate::{Schema, TableError};

/// Rows of one key are tried in pairs while there are no more pairs than this.
const PAIR_LIMIT: usize = 1 << 20;
/// A row takes about so much more memory when it is looked at than when it waits.
const UNPACKED: usize = 4;

/// Collects rows, and tells them apart by key.
pub(super) struct Settlement<'a, 'w> {
    layout: &'a Layout,
    comparisons: Vec<Comparison>,
    names: [Vec<Arc<str>>; 2],
    tolerance: f64,
    sample: usize,
    spill: Spill<2>,
    changes: Option<&'w mut dyn Write>,
    report: RowDiff,
    /// By common column.
    changed_cells: Vec<u64>,
}

type Row = Vec<Cell>;

/// The rows of one key.
#[derive(Default)]
struct Group {
    rows: [Vec<Row>; 2],
    /// Whether more rows have this key, which were settled before.
    is_shared: bool,
}

impl<'a, 'w> Settlement<'a, 'w> {
    pub(super) fn new(
        options: &RowDiffOptions<'_>,
        layout: &'a Layout,
        before: &Schema,
        after: &Schema,
        changes: Option<&'w mut dyn Write>,
    ) -> Self {
        let only_in = |one: &Schema, other: &Schema| {
            let columns = one.columns().iter();
            columns
                .filter(|column| other.kind(&column.name).is_none())
                .cloned()
                .collect()
        };
        let retyped = before.columns().iter().filter_map(|column| {
            let after = after.kind(&column.name)?;
            (after != column.kind).then(|| Retyped {
                column: column.name.clone(),
                before: column.kind,
                after,
            })
        });
        let report = RowDiff {
            key: options.key.to_vec(),
            rows: PerSide::default(),
            unchanged: 0,
            added: 0,
            removed: 0,
            changed: 0,
            changed_cells: Vec::new(),
            columns_added: only_in(after, before),
            columns_removed: only_in(before, after),
            columns_retyped: retyped.collect(),
            duplicate_keys: PerSide::default(),
            null_keys: PerSide::default(),
            sample: Vec::new(),
        };
        Self {
            layout,
            comparisons: layout.comparisons(before, after),
            names: [before, after].map(|schema| schema.names().map(Arc::from).collect()),
            tolerance: options.tolerance,
            sample: options.sample,
            spill: Spill::new(options.memory_budget / UNPACKED, options.temporary),
            changes,
            report,
            changed_cells: vec![0; layout.common.len()],
        }
    }

    /// Takes a row of a side.
    pub(super) fn add(
        &mut self,
        side: Side,
        row: &[Cell],
        is_shared: bool,
    ) -> Result<(), TableError> {
        let part = part_of(&self.key(side, row));
        self.spill.push(part, side as usize, |bytes| {
            bytes.push(u8::from(is_shared));
            for cell in row {
                pack(cell, bytes);
            }
        })
    }

    /// Settles all rows taken.
    pub(super) fn finish(mut self) -> Result<RowDiff, TableError> {
        // In one go, so that all keys are in order; or part by part, each in order.
        let all: Vec<usize> = (0..PARTS).collect();
        let at_once = if self.spill.is_in_memory() { PARTS } else { 1 };
        for parts in all.chunks(at_once) {
            let mut keys: BTreeMap<Vec<Canonical>, Group> = BTreeMap::new();
            for &part in parts {
                for side in [Side::Before, Side::After] {
                    let bytes = self.spill.take(part, side as usize)?;
                    let mut rest = bytes.as_slice();
                    let width = self.names[side as usize].len();
                    while let Some((is_shared, row)) = unpack_row(&mut rest, width) {
                        let group = keys.entry(self.key(side, &row)).or_default();
                        group.is_shared |= is_shared;
                        group.rows[side as usize].push(row);
                    }
                }
            }
            for group in keys.into_values() {
                self.settle(group)?;
            }
        }
        let names = self.layout.common.iter().map(|common| common.name.clone());
        let counts = names
            .zip(self.changed_cells)
            .filter(|(_, count)| *count > 0);
        self.report.changed_cells = counts.collect();
        Ok(self.report)
    }

    fn key(&self, side: Side, row: &[Cell]) -> Vec<Canonical> {
        let columns = self.layout.common.iter().zip(&self.comparisons);
        columns
            .filter(|(common, _)| common.is_key)
            .map(|(common, comparison)| {
                comparison.canonical(row[common.places[side as usize]].borrow())
            })
            .collect()
    }

    /// Tells the rows of one key.
    fn settle(&mut self, group: Group) -> Result<(), TableError> {
        let [mut before, mut after] = group.rows;
        if self.layout.common.iter().all(|common| common.is_key) {
            // Nothing but the key: these rows are all the same.
            let pairs = before.len().min(after.len());
            self.report.unchanged += pairs as u64;
            before.truncate(before.len() - pairs);
            after.truncate(after.len() - pairs);
        }
        let is_shared = group.is_shared || before.len() > 1 || after.len() > 1;
        if is_shared {
            // Which of them the first pass has left, and so their order in the file, is chance.
            self.sort(Side::Before, &mut before);
            self.sort(Side::After, &mut after);
        }
        if is_shared && before.len().saturating_mul(after.len()) <= PAIR_LIMIT {
            before.retain(|row| {
                let same = |other: &Row| self.changes_of(row, other).is_empty();
                match after.iter().position(same) {
                    Some(place) => {
                        after.remove(place);
                        self.report.unchanged += 1;
                        false
                    }
                    None => true,
                }
            });
        }
        if let ([old], [new], false) = (before.as_slice(), after.as_slice(), is_shared) {
            let changes = self.changes_of(old, new);
            if changes.is_empty() {
                self.report.unchanged += 1;
                return Ok(());
            }
            self.report.changed += 1;
            for &index in &changes {
                self.changed_cells[index] += 1;
            }
            return self.tell(|this| this.changed(&changes, old, new));
        }
        for row in before {
            self.report.removed += 1;
            self.tell(|this| RowChange::Removed {
                row: this.values(Side::Before, row),
            })?;
        }
        for row in after {
            self.report.added += 1;
            self.tell(|this| RowChange::Added {
                row: this.values(Side::After, row),
            })?;
        }
        Ok(())
    }

    /// Orders rows by their values.
    fn sort(&self, side: Side, rows: &mut [Row]) {
        if rows.len() < 2 {
            return;
        }
        let mut comparisons = vec![Comparison::Exact; self.names[side as usize].len()];
        for (common, comparison) in self.layout.common.iter().zip(&self.comparisons) {
            comparisons[common.places[side as usize]] = *comparison;
        }
        rows.sort_by_cached_key(|row| {
            let cells = row.iter().zip(&comparisons);
            cells
                .map(|(cell, comparison)| comparison.canonical(cell.borrow()))
                .collect::<Vec<Canonical>>()
        });
    }

    /// The common columns in which two rows differ.
    fn changes_of(&self, before: &Row, after: &Row) -> Vec<usize> {
        let columns = self.layout.common.iter().zip(&self.comparisons);
        columns
            .enumerate()
            .filter(|(_, (common, comparison))| {
                let [old, new] = common.places;
                !common.is_key && !comparison.is_same(&before[old], &after[new], self.tolerance)
            })
            .map(|(index, _)| index)
            .collect()
    }

    fn changed(&self, changes: &[usize], before: &Row, after: &Row) -> RowChange {
        let common = &self.layout.common;
        let name = |index: usize| Arc::clone(&self.names[0][common[index].places[0]]);
        let key = (0..common.len())
            .filter(|&index| common[index].is_key)
            .map(|index| (name(index), before[common[index].places[0]].clone()));
        let cells = changes.iter().map(|&index| CellChange {
            column: name(index),
            before: before[common[index].places[0]].clone(),
            after: after[common[index].places[1]].clone(),
        });
        RowChange::Changed {
            key: RowValues(key.collect()),
            cells: cells.collect(),
        }
    }

    fn values(&self, side: Side, row: Row) -> RowValues {
        let names = self.names[side as usize].iter().cloned();
        RowValues(names.zip(row).collect())
    }

    /// Writes a change, and keeps it if it is one of the first.
    fn tell(&mut self, change: impl FnOnce(&Self) -> RowChange) -> Result<(), TableError> {
        let keep = self.report.sample.len() < self.sample;
        if !keep && self.changes.is_none() {
            return Ok(());
        }
        let change = change(self);
        if let Some(out) = &mut self.changes {
            let written = serde_json::to_writer(&mut *out, &change).map_err(Into::into);
            written
                .and_then(|()| out.write_all(b"\n"))
                .map_err(|source| TableError::WriteChanges { source })?;
        }
        if keep {
            self.report.sample.push(change);
        }
        Ok(())
    }
}

/// The part that a key belongs to: the same in every run, so that the order is too.
fn part_of(key: &[Canonical]) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |number: u64| hash = (hash ^ number).wrapping_mul(0x0000_0100_0000_01b3);
    for value in key {
        match value {
            Canonical::Null => add(1),
            Canonical::Boolean(value) => add(2 + u64::from(*value)),
            Canonical::Int(number) | Canonical::Timestamp(number) => add(*number as u64),
            Canonical::Number(bits) => add(*bits),
            Canonical::Text(text) => text.bytes().for_each(|byte| add(u64::from(byte))),
        }
    }
    // The low bits hold least of the numbers' differences.
    ((hash ^ (hash >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize % PARTS
}

fn pack(cell: &Cell, bytes: &mut Vec<u8>) {
    let mut number = |tag: u8, value: [u8; 8]| {
        bytes.push(tag);
        bytes.extend_from_slice(&value);
    };
    match cell {
        Cell::Null => bytes.push(0),
        Cell::Boolean(value) => bytes.push(1 + u8::from(*value)),
        Cell::Int(value) => number(3, value.to_le_bytes()),
        Cell::Float(value) => number(4, value.to_le_bytes()),
        Cell::Timestamp(value) => number(5, value.to_le_bytes()),
        Cell::Text(text) => {
            number(6, (text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

/// None at the end.
fn unpack_row(bytes: &mut &[u8], width: usize) -> Option<(bool, Row)> {
    let (is_shared, rest) = bytes.split_first()?;
    *bytes = rest;
    let row: Option<Row> = (0..width).map(|_| unpack(bytes)).collect();
    Some((*is_shared == 1, row?))
}

fn unpack(bytes: &mut &[u8]) -> Option<Cell> {
    let (tag, rest) = bytes.split_first()?;
    *bytes = rest;
    let mut number = || {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        *bytes = rest;
        Some(*number)
    };
    Some(match tag {
        0 => Cell::Null,
        1 | 2 => Cell::Boolean(*tag == 2),
        3 => Cell::Int(i64::from_le_bytes(number()?)),
        4 => Cell::Float(f64::from_le_bytes(number()?)),
        5 => Cell::Timestamp(i64::from_le_bytes(number()?)),
        _ => {
            let length = u64::from_le_bytes(number()?) as usize;
            let (text, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Cell::Text(String::from_utf8_lossy(text).into_owned())
        }
    })
}
