//! Reads two CSV files side by side.
//!
//! Most of a table is as it was. Where both files go on with the same bytes, they are read once, and
//! their rows are known to be the same. Where a row differs, each file is read by itself until they
//! meet again: in the next row, or where a row comes that the other file had a while ago, so that
//! one of them has to catch up. Rows that are not seen to be the same here are told apart by their
//! fingerprints later on, so that which ones meet changes nothing but the time it takes.

use super::csv_source::{CsvRows, CsvSource};
use super::first_pass::{Fields, FirstPass};
use super::report::PerSide;
use super::spill::Side;
use crate::TableError;
use crate::csv::Guess;

/// Of so many rows, one is remembered: the same ones of both files.
const ONE_IN: u64 = 8;
/// How many rows are remembered of each file: a power of two.
const REMEMBERED: usize = 1 << 15;

/// Takes the rows of two files of which rows of the same bytes are the same; gives their numbers.
pub(super) fn read(
    pass: &mut FirstPass<'_>,
    before: &mut CsvSource,
    after: &mut CsvSource,
) -> Result<PerSide, TableError> {
    let mut one = Reading::new(pass, Side::Before, before)?;
    let mut other = Reading::new(pass, Side::After, after)?;
    let mut guesses = before.no_guesses();
    loop {
        one.rows.refill()?;
        other.rows.refill()?;
        if read_same(pass, &mut one, &mut other, &mut guesses)? {
            continue;
        }
        match one.step(pass, &other)? {
            Step::Behind(rows) => one.skip_rows(pass, rows)?,
            step => match (step, other.step(pass, &one)?) {
                (_, Step::Behind(rows)) => other.skip_rows(pass, rows)?,
                (Step::End, Step::End) => break,
                _ => {}
            },
        }
    }
    let rows = PerSide {
        before: one.rows.count,
        after: other.rows.count,
    };
    let [one, other] = [one, other].map(|reading| {
        let mut learned = reading.rows.learned;
        let pairs = learned.guesses.iter_mut().zip(&guesses);
        pairs.for_each(|(guess, of_both)| guess.join(of_both));
        learned
    });
    before.learn(one);
    after.learn(other);
    Ok(rows)
}

/// Takes the rows that are the same from here on. False if there are none.
fn read_same(
    pass: &mut FirstPass<'_>,
    one: &mut Reading<'_>,
    other: &mut Reading<'_>,
    guesses: &mut [Guess],
) -> Result<bool, TableError> {
    let same = common_prefix(one.rows.records.rest(), other.rows.records.rest());
    let [start, start_of_other] = [&*one, &*other].map(|reading| reading.rows.records.position());
    let count = one.rows.count;
    let mut taken = 0;
    while let Some(record) = one.rows.next_within(same - taken, guesses)? {
        other
            .rows
            .count_row(start_of_other + (record.offset - start));
        pass.add_text_of_both(&one.fields, record)?;
        taken = (one.rows.records.position() - start) as usize;
    }
    // Blank lines count, too.
    let taken = one.rows.records.position() - start;
    other.rows.records.skip(taken as usize);
    Ok(one.rows.count > count)
}

fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let end = one.len().min(other.len());
    let (mut at, mut length) = (0, 64);
    while at < end {
        let next = end.min(at + length);
        let (left, right) = (&one[at..next], &other[at..next]);
        if left != right {
            let pairs = left.iter().zip(right);
            return at + pairs.take_while(|(left, right)| left == right).count();
        }
        (at, length) = (next, 4096);
    }
    end
}

/// What came of reading a row by itself.
enum Step {
    Row,
    /// The other file had this row, and has been read for so many rows since.
    Behind(u64),
    End,
}

struct Reading<'s> {
    rows: CsvRows<'s>,
    fields: Fields,
    /// Fingerprints and numbers of rows that were read a while ago. A newer one takes the place of
    /// an older one.
    remembered: Vec<(u64, u64)>,
}

impl<'s> Reading<'s> {
    fn new(pass: &FirstPass<'_>, side: Side, source: &'s CsvSource) -> Result<Self, TableError> {
        Ok(Self {
            rows: source.rows()?,
            fields: pass.fields(side, source),
            remembered: vec![(0, u64::MAX); REMEMBERED],
        })
    }

    /// Takes a row by itself.
    fn step(&mut self, pass: &mut FirstPass<'_>, other: &Self) -> Result<Step, TableError> {
        let number = self.rows.count;
        let Some(record) = self.rows.next()? else {
            return Ok(Step::End);
        };
        let row = pass.add_text(&self.fields, number, record)?;
        if !row.is_multiple_of(ONE_IN) {
            return Ok(Step::Row);
        }
        let place = (row / ONE_IN) as usize % REMEMBERED;
        self.remembered[place] = (row, number);
        match other.remembered[place] {
            (same, number) if same == row && number < other.rows.count => {
                Ok(Step::Behind(other.rows.count - number - 1))
            }
            _ => Ok(Step::Row),
        }
    }

    /// Takes so many rows by themselves.
    fn skip_rows(&mut self, pass: &mut FirstPass<'_>, rows: u64) -> Result<(), TableError> {
        for _ in 0..rows {
            let number = self.rows.count;
            let Some(record) = self.rows.next()? else {
                break;
            };
            pass.add_text(&self.fields, number, record)?;
        }
        Ok(())
    }
}
