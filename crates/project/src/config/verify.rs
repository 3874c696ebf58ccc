use std::collections::BTreeMap;

use serde::Serialize;

use super::reader::{Document, TableReader};
use crate::ProjectError;

/// `[verify]`: when results that were made again count as the same though their bytes differ.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct VerifyConfig {
    /// `[verify.tolerance]`: how far numbers may be off, by `FILE` or `FILE:DOTTED.NAME`.
    pub tolerance: BTreeMap<String, f64>,
    /// `[verify.table."FILE"]`: how the rows of tables are compared, by the path of the table.
    pub table: BTreeMap<String, VerifiedTable>,
}

/// How the rows of a table are compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct VerifiedTable {
    /// The columns that say which row is which; the whole row if none.
    pub key: Vec<String>,
    /// Columns that do not count.
    pub ignore: Vec<String>,
    /// Numbers that differ by no more are the same.
    pub tolerance: f64,
}

impl VerifyConfig {
    pub(super) fn read(
        mut reader: TableReader<'_, '_>,
        document: &mut Document<'_>,
    ) -> Result<Self, ProjectError> {
        let tolerance =
            reader.number_of_each(document, "tolerance", "a number from 0 up", is_distance)?;
        let mut table = BTreeMap::new();
        for (name, mut reader) in reader.tables(document, "table")? {
            let wanted = "a number from 0 up";
            let tolerance = reader.number(document, "tolerance", wanted, is_distance)?;
            let rules = VerifiedTable {
                key: reader.strings(document, "key")?,
                ignore: reader.strings(document, "ignore")?,
                tolerance: tolerance.unwrap_or(0.0),
            };
            reader.finish(document);
            table.insert(name, rules);
        }
        reader.finish(document);
        Ok(Self { tolerance, table })
    }
}

fn is_distance(number: f64) -> bool {
    number >= 0.0 && number.is_finite()
}
