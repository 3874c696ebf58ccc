//! What `ketch verify` tells people.

use ketch_project::{
    Cause, DifferentValue, EnvironmentOrigin, OutputDifference, OutputOutcome, PlainValue,
    Rounding, Verdict, VerifiedOutput, VerifiedStage, VerifyOutcome, VerifyReport,
};
use owo_colors::OwoColorize as _;

use crate::printer::Printer;
use crate::table::TextTable;

/// How many values are shown of each file.
const SHOWN: usize = 5;

pub(super) fn report(printer: &Printer, report: &VerifyReport) {
    for used in &report.environments {
        let stages = used.stages.join(", ");
        match used.origin {
            EnvironmentOrigin::Rebuilt => {}
            EnvironmentOrigin::Here => {
                printer.note(format_args!("{stages}: ran in the environment here"));
            }
            EnvironmentOrigin::NotRecorded => printer.note(format_args!(
                "{stages}: ran in the environment here: the commit records none with an interpreter (`.ketch-environments`)"
            )),
        }
    }
    let mut table = TextTable::new(["stage", "result", "outputs"]);
    for stage in &report.stages {
        let outputs: Vec<String> = stage.outputs.iter().map(output).collect();
        let outputs = outputs.join(", ");
        table.row([
            stage.stage.clone(),
            outcome(stage.outcome).to_owned(),
            outputs,
        ]);
    }
    printer.line(table);
    for stage in &report.stages {
        details(printer, stage);
    }
    let commit = format!("{:.10}", report.commit.as_str());
    match report.verdict {
        Verdict::Equal => printer.line(format_args!(
            "{commit} is reproducible: every output is equal, byte for byte"
        )),
        Verdict::Equivalent => printer.line(format_args!(
            "{commit} is reproducible: what is not equal is within its tolerance, or has the same \
             rows"
        )),
        Verdict::Different => {
            if let Some(first) = report.first_divergence() {
                let how = match first.outcome {
                    VerifyOutcome::Failed => "failed",
                    VerifyOutcome::NotRecorded => "has nothing recorded",
                    _ => "differed",
                };
                printer.line(format_args!(
                    "{commit} is not reproducible: `{}` is the first stage that {how}",
                    first.stage
                ));
            }
        }
    }
    if report.from_local_cache && report.verdict != Verdict::Different {
        printer.note("with data of this machine's cache: whether the remote has it is not shown");
    }
}

fn details(printer: &Printer, stage: &VerifiedStage) {
    for output in &stage.outputs {
        match &output.difference {
            Some(OutputDifference::Values { values }) => {
                for different in values.iter().take(SHOWN) {
                    printer.line(format_args!("  {}: {}", output.path, value(different)));
                }
                if values.len() > SHOWN {
                    let more = values.len() - SHOWN;
                    printer.line(format_args!("  {}: {more} more values", output.path));
                }
            }
            Some(OutputDifference::Rows(rows)) if output.outcome == OutputOutcome::Different => {
                printer.line(format_args!(
                    "  {}: {} rows, {} of them added, {} changed; {} removed{}",
                    output.path,
                    rows.rebuilt,
                    rows.added,
                    rows.changed,
                    rows.removed,
                    if rows.columns_differ {
                        "; other columns"
                    } else {
                        ""
                    }
                ));
            }
            Some(OutputDifference::Files { count, first }) => printer.line(format_args!(
                "  {}: {count} files differ: {}{}",
                output.path,
                first.join(", "),
                if first.len() < *count { ", …" } else { "" }
            )),
            _ => {}
        }
    }
    for path in &stage.unsteady {
        printer.line(format_args!("  {path}: two runs differ"));
    }
    if let (Some(failure), VerifyOutcome::Failed) = (&stage.failure, stage.outcome) {
        printer.line(format_args!("  {failure}"));
    }
    if let Some(found) = &stage.cause {
        cause(printer, &stage.stage, found);
    }
    if stage.outcome == VerifyOutcome::NotRecorded {
        printer.hint(format_args!(
            "`dvc.lock` has nothing of `{}`: run `ketch repro` and commit it",
            stage.stage
        ));
    }
}

fn cause(printer: &Printer, stage: &str, cause: &Cause) {
    printer.line(format_args!(
        "  cause of `{stage}`: {}",
        cause.kind.to_string().bold()
    ));
    for evidence in &cause.evidence {
        printer.line(format_args!("    {evidence}"));
    }
    printer.hint(cause.kind.advice());
}

fn outcome(outcome: VerifyOutcome) -> &'static str {
    match outcome {
        VerifyOutcome::Equal => "equal",
        VerifyOutcome::Equivalent => "equivalent",
        VerifyOutcome::Different => "different",
        VerifyOutcome::Follows => "different as what it reads",
        VerifyOutcome::Failed => "failed",
        VerifyOutcome::Skipped => "not run",
        VerifyOutcome::NotRecorded => "not recorded",
    }
}

fn output(output: &VerifiedOutput) -> String {
    match output.outcome {
        OutputOutcome::Equal => output.path.to_string(),
        OutputOutcome::Equivalent => format!("{} (equivalent)", output.path),
        OutputOutcome::Different => format!("{} (different)", output.path),
    }
}

fn value(different: &DifferentValue) -> String {
    let side = |value: &Option<PlainValue>| {
        let shown = value
            .as_ref()
            .and_then(|value| value.shown(Rounding::Significant(8)));
        shown.unwrap_or_else(|| "–".to_owned())
    };
    let (old, new) = (side(&different.recorded), side(&different.rebuilt));
    let within = match (different.tolerance, different.is_within) {
        (Some(tolerance), true) => format!(" (within {tolerance})"),
        (Some(tolerance), false) => format!(" (may be off by {tolerance})"),
        (None, _) => String::new(),
    };
    format!("{} {old} → {new}{within}", different.name)
}
