//! Telling that results were made elsewhere.

use ketch_project::{Elsewhere, Project, made_elsewhere};

use super::shown;
use crate::printer::Printer;
use crate::settings::Settings;

/// How many differences and stages are named.
const NAMED: usize = 3;

/// Looks at all results in the work tree.
pub(crate) fn warn_of_results(project: &Project, settings: &Settings, printer: &Printer) {
    if printer.speaks_dvc() {
        return;
    }
    match made_elsewhere(project, &settings.circumstances) {
        Ok(Some(elsewhere)) => warn(printer, &elsewhere),
        Ok(None) => {}
        Err(error) => printer.warning(format_args!(
            "what made the results cannot be told: {error}"
        )),
    }
}

/// In one line, and where there is more.
pub(crate) fn warn(printer: &Printer, elsewhere: &Elsewhere) {
    let stages: Vec<String> = elsewhere
        .stages
        .iter()
        .map(|stage| format!("`{stage}`"))
        .collect();
    let differences: Vec<String> = elsewhere.differences.iter().map(shown).collect();
    printer.warning(format_args!(
        "results of {} were made elsewhere: {}",
        first(&stages),
        first(&differences)
    ));
    printer.hint("see all that differs: `ketch env diff`");
}

/// The first few, and how many more there are.
fn first(all: &[String]) -> String {
    // Saying `1 more` is no shorter than what it is.
    if all.len() <= NAMED + 1 {
        return all.join(", ");
    }
    let named: Vec<&str> = all.iter().take(NAMED).map(String::as_str).collect();
    format!("{}, {} more", named.join(", "), all.len() - NAMED)
}
