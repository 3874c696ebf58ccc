//! `ketch demo`: the whole circle on real data.

mod client;
mod error;
mod example;
mod narrator;
mod python;
mod replay;
mod story;
mod summary;
mod weather;
mod workspace;

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use ketch_control::{LoopReporter, ModelPaths, RegisterOptions, list_versions, register};
use ketch_project::{Project, ProjectError, ReproOptions, metrics, repro};
use ketch_server::bind;
use ketch_tracking::{Alias, ChangeNote, ModelName, TrackingStore};

pub(crate) use self::error::DemoError;
use self::{
    client::Client,
    narrator::Narrator,
    python::Python,
    replay::Replay,
    story::{DRIFT_DAY, Length, MODEL, Story},
    summary::{Sources, Summary},
    weather::Weather,
};
use crate::{
    exit::{CommandError, ExitStatus},
    printer::Printer,
    settings::Settings,
    signals::StopSignals,
    up::{Running, start_project},
    workspace::open_tracking,
};

/// Take a model through a real drift, from the first data to a rollback
///
/// Makes an ordinary Git repository from an example project, trains a model on real weather, serves
/// it, replays fifty years day by day, notices that the weather and its relation to rain change on
/// day 12,000, retrains, gates, releases by canary, and takes back a bad version that somebody
/// forced past the gate. Then it leaves the server running with a page to look at.
///
/// Needs Git, Python 3.9 or newer, and a package index for the example's Python packages and data.
/// What was begun and ended half-way goes on with `--resume`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Folder of the demo; must be new or empty
    #[arg(default_value = "ketch-demo")]
    dir: Utf8PathBuf,

    /// Port of the server; 0 takes any free one
    #[arg(long, default_value_t = 8750)]
    port: u16,

    /// Go on with a demo that was interrupted
    #[arg(long)]
    resume: bool,

    /// Replay only the days around the change
    #[arg(long)]
    short: bool,

    /// End the server when the story is over
    #[arg(long)]
    exit: bool,

    /// Python for the example's virtual environment
    #[arg(long, value_name = "PATH")]
    python: Option<String>,
}

pub(crate) fn run(
    args: DemoArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let DemoArgs {
        dir,
        port,
        resume,
        short,
        exit,
        python,
    } = args;
    let directory = settings.directory.join(&dir);
    let length = if short { Length::Short } else { Length::Full };
    // Everything that can be known to be missing is said before anything is made.
    workspace::find_git()?;
    let python = python::find(python.as_deref())?;
    drop(bind(port)?);
    let claim = workspace::claim(&directory, resume, length)?;
    let demo = Demo {
        directory: canonical(&directory)?,
        length: claim.length,
        python,
        port,
        ending: if exit { Ending::Exit } else { Ending::Serve },
    };
    // From here on nothing is lost, whatever happens.
    demo.tell(settings, printer)
        .map_err(|error| match error.status() {
            ExitStatus::Refused => error,
            _ => error.hint(format!("go on afterwards with `ketch demo --resume {dir}`")),
        })
}

/// A demo in a folder that is claimed.
struct Demo {
    directory: Utf8PathBuf,
    length: Length,
    python: Python,
    port: u16,
    ending: Ending,
}

/// What becomes of the server when the story is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Serve,
    Exit,
}

impl Demo {
    fn tell(&self, settings: &Settings, printer: &Printer) -> Result<ExitStatus, CommandError> {
        let Self {
            directory,
            length,
            python,
            port,
            ending,
        } = self;
        let (length, port) = (*length, *port);
        let story = Story::new(length);
        let narrator = Arc::new(Narrator::new(printer));

        narrator.step("python", "collect", "Python packages");
        let environment = python::prepare(python, &settings.cache, &narrator)?;
        narrator.step(
            "project",
            "collect",
            "an ordinary Git repository from the rain example",
        );
        let project = workspace::make_project(directory, &environment, story)?;
        narrator.step(
            "pipeline",
            "collect",
            "the pipeline: collect, prepare, train, evaluate",
        );
        run_pipeline(&project, &narrator)?;
        let commit = workspace::commit_results(&project, "Train the first model")?;
        tell_metrics(&project, &narrator, &commit)?;
        narrator.step(
            "register",
            "evaluate",
            "the run and the model's first version in the registry",
        );
        let tracking = open_tracking(&project, settings)?;
        register_first(&project, &tracking, settings, &narrator)?;

        narrator.step(
            "serve",
            "deploy",
            "the champion behind the Open Inference Protocol",
        );
        let signals = StopSignals::catch()?;
        let reporter: Arc<dyn LoopReporter> = narrator.clone();
        let running = start_project(Project::open(directory)?, port, reporter, settings)?;
        let url = format!("http://{}", running.server.address());
        narrator.detail(&format!("the page: {url}"));
        let told = format!(
            "days {} to {}, one request each; labels follow a week later",
            story.today,
            story.end - 1
        );
        narrator.step("replay", "monitor", &told);
        let summary = play(
            &running, &project, &tracking, &narrator, story, length, &url,
        );
        narrator.finish();
        let summary = match summary {
            Ok(summary) => summary,
            Err(error) => {
                // What is in memory is still worth keeping; the error that ended the story matters more.
                let _ = running.stop();
                return Err(error);
            }
        };
        summary.print(printer);
        printer.json_line(&summary);
        let broken = summary.broken_promises();
        if *ending == Ending::Serve && broken.is_empty() {
            printer.note("The server goes on; Ctrl-C ends it.");
            signals.wait();
        }
        running.stop()?;
        if broken.is_empty() {
            Ok(ExitStatus::Success)
        } else {
            Err(DemoError::Ending {
                reason: broken.join("; "),
            }
            .into())
        }
    }
}

fn play(
    running: &Running,
    project: &Project,
    tracking: &TrackingStore,
    narrator: &Narrator,
    story: Story,
    length: Length,
    url: &str,
) -> Result<Summary, CommandError> {
    let Some(handle) = running.models.get(MODEL) else {
        return Err(DemoError::Ending {
            reason: "the model is not served".to_owned(),
        }
        .into());
    };
    let features = ketch_control::model_config(project, MODEL)?
        .features
        .clone();
    let path = project.root().join("data/weather.csv");
    let weather = Weather::read(&path, &features, story.end)?;
    let client = Client::new(url, &running.token);
    let replay = Replay {
        project,
        tracking,
        handle,
        client: &client,
        weather: &weather,
        narrator,
        story,
    };
    replay.run()?;
    narrator.step(
        "look_back",
        "monitor",
        "looking back: the first version on every day since",
    );
    handle.endpoint().sync()?;
    let paths = ModelPaths::new(&project.state_dir()?, MODEL);
    let directory = project.root().to_owned();
    let sources = Sources {
        story,
        client: &client,
        weather: &weather,
        paths: &paths,
        length,
        directory: &directory,
        url,
    };
    let mut summary = Summary::gather(&sources, &handle.snapshot())?;
    summary.set_steps(narrator.end_step());
    Ok(summary)
}

fn run_pipeline(project: &Project, narrator: &Narrator) -> Result<(), CommandError> {
    let Err(error) = repro(project, &ReproOptions::default(), narrator) else {
        return Ok(());
    };
    // Most of what a stage writes is not told; what it ended with says what to do.
    let last_words = match &error {
        ProjectError::StageFailed(failure) => failure.tail.last().cloned(),
        _ => None,
    };
    let error = CommandError::from(error);
    Err(match last_words {
        Some(words) => error.hint(format!("its last words: {words}")),
        None => error,
    })
}

fn tell_metrics(project: &Project, narrator: &Narrator, commit: &str) -> Result<(), CommandError> {
    for (path, numbers) in metrics(project)? {
        let shown: Vec<_> = numbers
            .iter()
            .map(|(key, value)| format!("{key} {value:.3}"))
            .collect();
        narrator.detail(&format!("{path}: {}", shown.join(", ")));
    }
    narrator.detail(&format!(
        "committed as {}",
        commit.get(..10).unwrap_or(commit)
    ));
    Ok(())
}

fn register_first(
    project: &Project,
    tracking: &TrackingStore,
    settings: &Settings,
    narrator: &Narrator,
) -> Result<(), CommandError> {
    let versions = list_versions(tracking, MODEL)?;
    if versions.iter().any(|version| version.champion) {
        narrator.detail("version 1 is registered already");
        return Ok(());
    }
    let now = settings.clock.now();
    // One without the alias is what a demo leaves that was killed in between.
    let (version, run, digest) = if let Some(first) = versions.into_iter().next_back() {
        (first.version, first.run, first.digest)
    } else {
        let options = RegisterOptions {
            model: MODEL,
            run_name: "first",
            user: "demo",
            started_at: now,
            ended_at: settings.clock.now(),
        };
        let made = register(project, tracking, &options)?;
        (made.version, made.run, made.digest)
    };
    let note = ChangeNote {
        at_ms: now.as_millisecond(),
        actor: "demo".to_owned(),
        reason: format!("the first model, trained before day {DRIFT_DAY}"),
    };
    let (name, alias): (ModelName, Alias) = (MODEL.parse()?, "champion".parse()?);
    tracking.set_alias(&name, &alias, version, &note)?;
    narrator.detail(&format!(
        "version {version} is the champion: run {}, artifact {digest}",
        run.get(..8).unwrap_or(&run),
    ));
    Ok(())
}

fn canonical(directory: &Utf8Path) -> Result<Utf8PathBuf, DemoError> {
    Ok(directory.canonicalize_utf8()?)
}
