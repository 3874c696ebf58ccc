//! `ketch verify`

mod check;
mod print;

use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{
    Diagnosis, StatementSigner, Verdict, VerifyData, VerifyEnvironment, VerifyOptions, VerifyRuns,
    sign_statement, statement, verify, write_statement,
};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::StageProgress;
use crate::settings::Settings;
use crate::verifier::ProgramVerifier;
use crate::workspace::{open_project, remote_choice};

/// Prove that the results of a commit can be made again
///
/// Clones the commit into a temporary folder, gets its data from the remote, makes the environment
/// again that is recorded, runs the pipeline from the start, and compares every output with
/// `dvc.lock`: by its hash; else the numbers in metrics by `[verify.tolerance]` of ketch.toml, and
/// tables by their rows (`[verify.table."FILE"]`). Nothing of the work tree counts, and nothing in it
/// changes. Of the first stage that differs the cause is looked for, by running it again with what
/// may be missing. Ends with 1 if something differs.
///
/// With `--statement` what was found is written as a verification summary (in-toto, SLSA), which
/// `--sign` signs with a key of SSH and `ketch verify --check` checks.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of the command line are independent"
)]
pub(crate) struct VerifyArgs {
    /// The commit to verify
    #[arg(value_name = "REV", default_value = "HEAD")]
    revision: String,

    /// Only this stage; what others make for it comes from the remote. May be given many times
    #[arg(long = "stage", value_name = "STAGE")]
    stages: Vec<String>,

    /// Run everything twice, in two clones, to find what changes from run to run
    #[arg(long)]
    twice: bool,

    /// Take data from the cache of this machine too, not only from the remote
    #[arg(long)]
    local_cache: bool,

    /// Run in the environment that there is here, instead of making the recorded one again
    #[arg(long)]
    no_env_build: bool,

    /// Only say what differs, not why
    #[arg(long)]
    no_diagnosis: bool,

    /// How far numbers in metrics may be off, where ketch.toml does not say
    #[arg(long, value_name = "NUMBER", value_parser = distance)]
    tolerance: Option<f64>,

    /// Remote to get the data from [default: each output's own, or the default one]
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,

    /// Stages that run at once [default: `pipeline.jobs` in ketch.toml, or 1]
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,

    /// Write a statement of what was found to this file
    #[arg(long, value_name = "FILE")]
    statement: Option<Utf8PathBuf>,

    /// Sign the statement with this key of SSH; the signature goes to FILE.sig
    #[arg(long, value_name = "KEY", requires = "statement")]
    sign: Option<Utf8PathBuf>,

    #[command(flatten)]
    check: check::CheckArgs,
}

pub(super) fn run(
    args: VerifyArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    if let Some(checked) = args.check.options(settings) {
        return check::run(&checked, settings, printer);
    }
    let project = open_project(settings, printer)?;
    if !project.git().changed_files()?.is_empty() {
        printer.note(format_args!(
            "verifying {}: what is not committed does not count",
            args.revision
        ));
    }
    let options = VerifyOptions {
        revision: Some(args.revision),
        stages: args.stages,
        data: if args.local_cache {
            VerifyData::LocalCache
        } else {
            VerifyData::Remote
        },
        environment: if args.no_env_build {
            VerifyEnvironment::Here
        } else {
            VerifyEnvironment::Rebuilt
        },
        runs: if args.twice {
            VerifyRuns::Twice
        } else {
            VerifyRuns::Once
        },
        diagnosis: if args.no_diagnosis {
            Diagnosis::LeftOut
        } else {
            Diagnosis::Made
        },
        tolerance: args.tolerance,
        remote: remote_choice(settings, args.remote, None),
        jobs: args.jobs,
        circumstances: settings.circumstances.clone(),
    };
    let verifier = ProgramVerifier {
        printer: printer.clone(),
        progress: StageProgress::new(printer),
        temporary: project.state_dir()?.join("diff"),
    };
    let report = verify(&project, &options, &verifier)?;
    if let Some(path) = args.statement {
        let path = settings.directory.join(path);
        let now = settings.clock.now().into();
        let text = statement(&project, &report, env!("CARGO_PKG_VERSION"), now)?;
        write_statement(&path, &text)?;
        printer.note(format_args!("wrote `{path}`"));
        if let Some(key) = args.sign {
            let key = settings.directory.join(key);
            let signature = sign_statement(&path, &StatementSigner { key })?;
            printer.note(format_args!("signed in `{signature}`"));
        }
    }
    printer.json(&report);
    print::report(printer, &report);
    Ok(if report.verdict == Verdict::Different {
        ExitStatus::Refused
    } else {
        ExitStatus::Success
    })
}

fn distance(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    let number = number.filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "it is no number from 0 up".to_owned())
}
