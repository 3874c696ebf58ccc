//! What verification needs of the program: the time, who is told, and what compares two tables.
//! Joins the project, which makes results again, to the tables, which neither library may do.

use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_project::{DifferentRows, ReproReporter, VerifiedTable, Verifier};

use crate::printer::Printer;
use crate::progress::StageProgress;
use crate::row_diff::{RowComparison, of_one};

pub(crate) struct ProgramVerifier {
    pub(crate) printer: Printer,
    pub(crate) progress: StageProgress,
    /// A folder for rows that do not fit into memory.
    pub(crate) temporary: Utf8PathBuf,
}

impl Verifier for ProgramVerifier {
    fn now(&self) -> SystemTime {
        // What the commands of stages see, whatever time tests set.
        SystemTime::now()
    }

    fn step(&self, text: &str) {
        self.printer.note(text);
    }

    fn repro(&self) -> &dyn ReproReporter {
        &self.progress
    }

    fn compare_tables(
        &self,
        name: &Utf8Path,
        recorded: &Utf8Path,
        rebuilt: &Utf8Path,
        rules: Option<&VerifiedTable>,
    ) -> Option<DifferentRows> {
        if !crate::row_diff::is_table(name) {
            return None;
        }
        let rules = rules.cloned().unwrap_or_default();
        let comparison = RowComparison {
            key: rules.key,
            ignore: rules.ignore,
            tolerance: rules.tolerance,
            sample: 0,
            output: None,
            temporary: self.temporary.clone(),
        };
        // Where it cannot be made, the comparison says so if it needs it.
        let _ = fs_err::create_dir_all(&self.temporary);
        let compared = of_one(name, recorded, rebuilt, &comparison);
        let rows = match compared {
            Ok(rows) => rows,
            Err(error) => {
                self.printer.warning(format_args!(
                    "the rows of `{name}` cannot be compared: {error}"
                ));
                return None;
            }
        };
        Some(DifferentRows {
            recorded: rows.rows.before,
            rebuilt: rows.rows.after,
            added: rows.added,
            removed: rows.removed,
            changed: rows.changed,
            columns_differ: !rows.columns_added.is_empty()
                || !rows.columns_removed.is_empty()
                || !rows.columns_retyped.is_empty(),
        })
    }
}
