//! A clone in which nothing is but what Git and a remote give.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::Config;
use ketch_store::{Reporter, StoreError, write_atomically};

use crate::graph::StageGraph;
use crate::paths::{is_url, join, overlap, read_if_there};
use crate::project::canonical;
use crate::stage::{Index, Stage};
use crate::{
    CheckoutOptions, CommitId, Git, MissingTargets, NoRemote, Patience, Project, ProjectError,
    RemoteChoice, TransferSelection, checkout, fetch,
};

/// The project of one commit, in a folder of its own.
pub(super) struct CleanClone {
    pub(super) project: Project,
}

impl CleanClone {
    /// Clones `main` at a commit to `place`, which must not be there. Objects of data go to `cache`.
    ///
    /// Of what is not committed only `.dvc/config.local` counts, which says how to get at remotes;
    /// paths in settings lead where they lead in `main`.
    pub(super) fn make(
        main: &Project,
        commit: &CommitId,
        place: &Utf8Path,
        cache: &Utf8Path,
    ) -> Result<Self, ProjectError> {
        let top = canonical(&main.git().top_level()?)?;
        let below = main.root().strip_prefix(&top).unwrap_or(Utf8Path::new(""));
        let without_hooks = ["-c", "core.hooksPath=/dev/null"];
        let clone = ["clone", "--quiet", "--no-checkout", "--shared", "--"];
        let addresses = [top.as_str(), place.as_str()];
        main.git()
            .run(&[&without_hooks[..], &clone, &addresses].concat())?;
        let git = Git::at(place);
        let switch = ["checkout", "--quiet", "--detach", commit.as_str()];
        git.run(&[&without_hooks[..], &switch].concat())?;
        if place.join(".gitmodules").exists() {
            let fetch = ["submodule", "--quiet", "update", "--init", "--recursive"];
            git.run(&[&without_hooks[..], &fetch].concat())?;
        }
        let root = place.join(below);
        let settings = local_settings(main, &root, cache)?;
        write_atomically(
            &root.join(".dvc/config.local"),
            settings.to_text().as_bytes(),
        )?;
        let shared = main.shared_settings().clone();
        Ok(Self {
            project: Project::open_with(&root, shared, Patience::Endless)?,
        })
    }

    /// Gets tracked data by its paths (relative to the root) and puts it in place. Returns what
    /// there is neither in Git nor on a remote.
    pub(super) fn bring(
        &self,
        paths: &[Utf8PathBuf],
        remote: &RemoteChoice,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        let mut missing = Vec::new();
        for target in paths.iter().map(ToString::to_string) {
            let from = TransferSelection {
                targets: vec![target.clone()],
                remote: RemoteChoice {
                    without: NoRemote::PassedOver,
                    ..remote.clone()
                },
                ..TransferSelection::default()
            };
            fetch(&self.project, &from, reporter)?;
            let into = CheckoutOptions {
                targets: vec![target.clone()],
                missing: MissingTargets::Reported,
                ..CheckoutOptions::default()
            };
            match checkout(&self.project, &into, reporter) {
                Ok(report) => missing.extend(report.missing),
                Err(ProjectError::Store(StoreError::Missing { .. })) => {
                    missing.push(target.into());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }
}

/// The tracked data that the stages read and none of them makes, relative to the root.
pub(super) fn needed(project: &Project, index: &Index, stages: &[&Stage]) -> Vec<Utf8PathBuf> {
    let runs = |stage: &Stage| stages.iter().any(|other| other.address == stage.address);
    let read: Vec<Utf8PathBuf> = stages
        .iter()
        .flat_map(|stage| stage.local_deps().collect::<Vec<_>>())
        .collect();
    let made = index.stages.iter().filter(|stage| !runs(stage));
    let made = made.flat_map(|stage| {
        stage
            .outputs()
            .filter(|(out, _)| out.cache)
            .map(|(_, path)| path)
    });
    let tracked = index.data.iter().filter(|data| data.entry.cache);
    let mut needed: Vec<Utf8PathBuf> = made
        .chain(tracked.map(|data| data.path.clone()))
        .filter(|path| read.iter().any(|wanted| overlap(wanted, path)))
        .map(|path| project.shown(&path))
        .collect();
    needed.sort();
    needed.dedup();
    needed
}

/// The stages that are to run, each after what it needs; all if none is named. Those that are frozen
/// never are.
pub(super) fn chosen<'i>(
    index: &'i Index,
    names: &[String],
) -> Result<Vec<&'i Stage>, ProjectError> {
    let mut wanted: Vec<bool> = Vec::new();
    for stage in &index.stages {
        let is_named = |name: &String| crate::stage::answers_to(&stage.address, name);
        let is_wanted = names.is_empty() || names.iter().any(is_named);
        wanted.push(is_wanted && !stage.spec.frozen);
    }
    for name in names {
        let answers = |stage: &Stage| crate::stage::answers_to(&stage.address, name);
        if !index.stages.iter().any(answers) {
            return Err(index.unknown(name));
        }
    }
    let order = StageGraph::build(index)?.order_of(&wanted);
    let stages = order.into_iter();
    Ok(stages.filter_map(|place| index.stages.get(place)).collect())
}

/// The settings that make the clone find what `main` finds, and keep its objects apart.
fn local_settings(
    main: &Project,
    root: &Utf8Path,
    cache: &Utf8Path,
) -> Result<Config, ProjectError> {
    let mut settings = Config::default();
    let (committed, local) = (
        root.join(".dvc/config"),
        main.root().join(".dvc/config.local"),
    );
    let home = main.root().join(".dvc");
    for (path, is_local) in [(committed, false), (local, true)] {
        let Some(text) = read_if_there(&path)? else {
            continue;
        };
        let config = Config::parse(&text, main.shown(&path).as_str())?;
        for (section, keys) in config.sections() {
            if section == "cache" {
                continue;
            }
            for (key, value) in keys {
                let is_path = section.starts_with("remote") && key == "url" && !is_url(value);
                if is_path {
                    let value = join(&home, value);
                    settings.set(section, key, value.as_str())?;
                } else if is_local {
                    settings.set(section, key, value)?;
                }
            }
        }
    }
    settings.set("cache", "dir", cache.as_str())?;
    Ok(settings)
}
