use std::io;

use camino::Utf8PathBuf;
use ketch_dvc::FormatError;
use ketch_store::{StoreError, room_hint};

/// What can go wrong with a project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The operating system said no. The message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The object cache, hashing or the repository lock.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// A file of DVC's is not as it should be; the message names file, line and column.
    #[error(transparent)]
    Format(#[from] FormatError),

    /// `ketch.toml` is not as it should be.
    #[error("{path}:{line}:{column}: {message}")]
    Config {
        path: Utf8PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        message: String,
        hint: Option<String>,
    },

    #[error("`{start}` is not in a project: no `.dvc` directory here or above")]
    NotAProject { start: Utf8PathBuf },

    #[error("`{path}` is not in a Git repository")]
    NotAGitRepository { path: Utf8PathBuf },

    /// `core.no_scm` is set.
    #[error("this needs Git, which the project `{path}` does without")]
    WithoutGit { path: Utf8PathBuf },

    #[error("`{path}` is inside a Git repository, but not its top, which is `{top}`")]
    NotGitTop { path: Utf8PathBuf, top: Utf8PathBuf },

    #[error("`{path}` exists already")]
    AlreadyInitialised { path: Utf8PathBuf },

    #[error("Git ignores `{path}`")]
    IgnoredByGit { path: Utf8PathBuf },

    #[error("`{path}` is not valid UTF-8")]
    NotUtf8 { path: String },

    #[error("`{path}` is not text in UTF-8")]
    NotUtf8Text { path: Utf8PathBuf },

    #[error("the `git` program cannot be run")]
    GitUnavailable { source: io::Error },

    #[error("`{command}` failed: {message}")]
    Git { command: String, message: String },

    #[error("unknown revision `{revision}`")]
    UnknownRevision { revision: String },

    #[error("`{path}` is outside the project `{root}`")]
    OutsideProject {
        path: Utf8PathBuf,
        root: Utf8PathBuf,
    },

    /// A record names a place that belongs to Git, DVC or ketch, or a name that no file can have.
    #[error("`{}` is no place for data", path.as_str().escape_debug())]
    NotForData { path: Utf8PathBuf },

    #[error("{stage} uses `{path}`, which is not a local file")]
    NotLocal { stage: String, path: String },

    #[error("the remote `{remote}` is a directory, which has no option `{option}`")]
    NotOfDirectory { remote: String, option: String },

    #[error("the remote `{name}` would be left without a URL")]
    RemoteWithoutUrl { name: String },

    #[error("Git tracks `{path}`, so it cannot be a data output")]
    TrackedByGit { path: Utf8PathBuf },

    #[error("`{path}` is an output of {owner}")]
    OwnedByStage { path: Utf8PathBuf, owner: String },

    #[error("`{path}` and `{other}` overlap: outputs of {owner} and {other_owner}")]
    OverlappingOutputs {
        path: Utf8PathBuf,
        owner: String,
        other: Utf8PathBuf,
        other_owner: String,
    },

    #[error("stages depend on each other in a circle: {}", stages.join(" → "))]
    Cycle { stages: Vec<String> },

    #[error("there is no stage, output or `.dvc` file `{name}`")]
    UnknownTarget {
        name: String,
        suggestion: Option<String>,
    },

    #[error("{stage} depends on `{path}`, which does not exist")]
    MissingDependency { stage: String, path: Utf8PathBuf },

    #[error("{stage} did not make its output `{path}`")]
    MissingOutput { stage: String, path: Utf8PathBuf },

    #[error("{stage} wants parameter `{key}`, which `{file}` does not have")]
    MissingParameter {
        stage: String,
        file: Utf8PathBuf,
        key: String,
    },

    /// A command of a stage did not end well.
    #[error("stage `{}` failed: `{}` {}", .0.stage, .0.command, .0.status)]
    StageFailed(Box<StageFailure>),

    #[error("the command of {stage} cannot be started")]
    StageNotStarted { stage: String, source: io::Error },

    #[error("`{path}` has changes that are saved nowhere")]
    Unsaved { path: Utf8PathBuf },

    #[error("`{path}` is not recorded in a `.dvc` file or in `dvc.lock`")]
    NotRecorded { path: Utf8PathBuf },

    #[error("`{name}` is no name for a work tree")]
    WorktreeName { name: String },

    #[error("{stage} has not run with what is there now: {change}")]
    InputsChanged { stage: String, change: String },

    #[error("it has to be said what to keep")]
    NoScope,

    #[error("it cannot be told what commit {commit} uses")]
    UsesUnknown { commit: String, source: Box<Self> },

    #[error("the cache `{path}` is outside of the project, so others may use it too")]
    SharedCache { path: Utf8PathBuf },

    #[error("`{path}` says what data is tracked, and is no data itself")]
    PointerAsData { path: Utf8PathBuf },

    #[error("there is no setting `{name}`")]
    UnknownSetting {
        name: String,
        suggestion: Option<String>,
    },

    #[error("`{value}` is no value of `{name}`, which is {expected}")]
    SettingValue {
        name: String,
        value: String,
        expected: String,
    },

    #[error("`{name}` is not set")]
    NotSet { name: String },

    #[error("nobody knows where the settings of this level are")]
    NoSettingFile,

    #[error("there is no remote `{name}`")]
    UnknownRemote {
        name: String,
        suggestion: Option<String>,
    },

    /// Only ketch.toml knows of it.
    #[error("`ketch.toml` has a table `remote.{name}`, but there is no remote `{name}`")]
    LayoutOfNoRemote {
        name: String,
        suggestion: Option<String>,
    },

    #[error(
        "remote `{name}` cannot take DVC's layout: `ketch.toml` says that it has the chunked one"
    )]
    ExportInto { name: String },

    #[error("there is a remote `{name}` already")]
    RemoteExists { name: String },

    #[error("`{path}` is exported as a whole or not at all")]
    ExportedInPart { path: Utf8PathBuf },

    #[error("there is something at `{path}` already")]
    Occupied { path: Utf8PathBuf },

    /// A directory of DVC 2 of which files are neither there nor in the cache.
    #[error("`{path}` was recorded by DVC 2, and {absent} of its files are not here")]
    PartlyHere { path: Utf8PathBuf, absent: u64 },

    #[error("`{path}` was recorded by DVC 2, and cannot hold files with the hashes of DVC 3 too")]
    InsideLegacy { path: Utf8PathBuf },

    #[error("remote `{remote}` cannot be listed, so it keeps no run cache")]
    NoRunCache { remote: String },

    #[error("remote `{remote}` keeps versions, so only what the work tree has can be pushed there")]
    PastVersions { remote: String },

    #[error(
        "remote `{remote}` keeps versions of files under their own names, and takes no other objects"
    )]
    KeepsVersions { remote: String },

    #[error(transparent)]
    Experiment(#[from] crate::experiment::ExperimentError),

    #[error("there is a Git hook `{path}` already")]
    HookExists { path: Utf8PathBuf },

    #[error("stage `{stage}` cannot be taken out of `{file}` without touching other text")]
    NotEditable { file: Utf8PathBuf, stage: String },

    #[error(
        "`frozen` of stage `{stage}` cannot be changed in `{file}` without touching other text"
    )]
    FrozenElsewhere { file: Utf8PathBuf, stage: String },

    #[error("failed to bring up to date: {}", stages.join(", "))]
    StagesFailed { stages: Vec<String> },

    #[error("{stage} was not to be run")]
    Declined { stage: String },

    #[error("stage `{stage}` is one of those that `{group}` makes in `{file}`")]
    Generated {
        stage: String,
        group: String,
        file: Utf8PathBuf,
    },

    #[error("`{file}` has no list `repos` that something can be added to")]
    NoHookList { file: Utf8PathBuf },

    #[error("`{file}` is an import, which cannot be moved")]
    ImportMoved { file: Utf8PathBuf },

    /// Another repository or a URL, and what is taken from there.
    #[error(transparent)]
    Import(#[from] crate::import::ImportError),

    /// The description of an environment cannot be read.
    #[error("{path}: {message}")]
    EnvironmentDocument { path: Utf8PathBuf, message: String },

    #[error("nobody recorded what made `{of}`")]
    NoEnvironment { of: String },

    #[error("`{of}` was made in several environments: stages {}", stages.join(", "))]
    SeveralEnvironments { of: String, stages: Vec<String> },

    #[error("environment {environment} has no interpreter, so there is nothing to make")]
    NoInterpreter { environment: String },

    #[error("there is no {version} on the `PATH`, nor one of the same minor version")]
    PythonMissing { version: String },

    /// What is recorded of a package is not what a package has.
    #[error(
        "`{} {}` cannot be installed: no package is called so, or is from there",
        package.escape_debug(),
        version.escape_debug()
    )]
    NotInstallable { package: String, version: String },

    #[error("`{command}` failed:\n{output}")]
    InstallFailed { command: String, output: String },

    /// Where commands run, and how that failed.
    #[error(transparent)]
    Executor(#[from] crate::ExecutorError),

    /// Verifying results.
    #[error(transparent)]
    Verify(#[from] crate::VerifyError),

    /// A stage that cannot be written as it was asked for.
    #[error(transparent)]
    NewStage(#[from] crate::NewStageError),

    #[error("this would delete {objects} objects of {bytes} bytes, and all records of them")]
    WouldDestroy { objects: u64, bytes: u64 },
}

/// How a stage's command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageFailure {
    /// The stage's address.
    pub stage: String,
    pub command: String,
    /// How it ended: `exited with 3`, `was ended by signal 9`.
    pub status: String,
    /// The exit code, if it was not ended by a signal.
    pub code: Option<i32>,
    /// The last 20 lines it wrote.
    pub tail: Vec<String>,
    /// Everything it wrote.
    pub log: Utf8PathBuf,
}

impl ProjectError {
    /// What to do next, when there is something to say.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) => return error.hint(),
            Self::Format(error) => return error.hint().map(str::to_owned),
            Self::Import(error) => return error.hint(),
            Self::NewStage(error) => error.hint(),
            Self::Executor(error) => return error.hint(),
            Self::Verify(error) => return error.hint(),
            Self::Config { hint, .. } => return hint.clone(),
            Self::NotAProject { .. } => "make one with `ketch init`".to_owned(),
            Self::NotAGitRepository { .. } => {
                "make one with `git init`; to do without, `ketch init --no-scm`, or `ketch config core.no_scm true` in a project"
                    .to_owned()
            }
            Self::WithoutGit { .. } => {
                "if it is in a Git repository now: `ketch config --unset core.no_scm`".to_owned()
            }
            Self::NotGitTop { top, .. } => format!("run it in `{top}`"),
            Self::AlreadyInitialised { .. } => {
                "it is a project already; force it to write the first files anew".to_owned()
            }
            Self::IgnoredByGit { .. } => "take it out of `.gitignore`".to_owned(),
            Self::NotUtf8 { .. } => "rename it".to_owned(),
            Self::NotUtf8Text { .. } => "save it as UTF-8, and commit that".to_owned(),
            Self::GitUnavailable { .. } => "install Git".to_owned(),
            Self::Git { message, .. } if message.contains("tell me who you are") => {
                "set `git config user.name` and `git config user.email`".to_owned()
            }
            Self::UnknownRevision { .. } => "see `git log --all --oneline`".to_owned(),
            Self::NotForData { .. } => "correct the `path` in its `.dvc` file or in `dvc.yaml`".to_owned(),
            Self::OutsideProject { .. } => "move it into the project".to_owned(),
            Self::NotLocal { .. } => {
                "track it with `ketch import-url`, and depend on what that makes"
                    .to_owned()
            }
            Self::TrackedByGit { path } => {
                format!("`git rm -r --cached '{path}'`, then try again")
            }
            Self::OwnedByStage { .. } => "the pipeline tracks it; run `ketch repro`".to_owned(),
            Self::OverlappingOutputs { .. } => {
                "let one of them write somewhere else".to_owned()
            }
            Self::Cycle { .. } => "take one of these dependencies away".to_owned(),
            Self::UnknownTarget { suggestion: Some(name), .. } => format!("did you mean `{name}`?"),
            Self::MissingDependency { path, .. } => {
                format!("make it, or get it with `ketch checkout` if it is tracked: `{path}`")
            }
            Self::MissingOutput { .. } => {
                "correct the command, or the path under `outs` in `dvc.yaml`".to_owned()
            }
            Self::MissingParameter { file, .. } => format!("add it to `{file}`"),
            Self::StageFailed(failure) => format!("all it wrote is in `{}`", failure.log),
            Self::Unsaved { path } => {
                format!("keep it with `ketch add '{path}'` or by moving it away, or force the checkout")
            }
            Self::NotRecorded { .. } => "run `ketch repro` first".to_owned(),
            Self::WorktreeName { .. } => {
                "use lower-case letters, digits, `-` and `_`, beginning with a letter or digit"
                    .to_owned()
            }
            Self::InputsChanged { .. } => {
                "run `ketch repro`, or force it to record the outputs as they are".to_owned()
            }
            Self::NoScope => {
                "name at least one of `--workspace`, `--all-branches`, `--all-tags`, `--all-commits` and `--rev`".to_owned()
            }
            Self::UsesUnknown { .. } => {
                "`--skip-failed` leaves such commits out: what only they use is collected then"
                    .to_owned()
            }
            Self::SharedCache { .. } => {
                "name the other projects with `--projects`, or force it if there are none"
                    .to_owned()
            }
            Self::UnknownSetting { suggestion: Some(name), .. }
            | Self::UnknownRemote { suggestion: Some(name), .. } => {
                format!("did you mean `{name}`?")
            }
            Self::LayoutOfNoRemote { suggestion: Some(near), .. } => {
                format!("did you mean `[remote.{near}]`?")
            }
            Self::LayoutOfNoRemote { name, suggestion: None } => {
                format!("add it with `ketch remote add {name} URL`, or take the table away")
            }
            Self::ExportInto { .. } => {
                "export to a path, a URL or a remote without `layout` in `ketch.toml`".to_owned()
            }
            Self::PointerAsData { .. } => "add it to Git, and name the data here".to_owned(),
            Self::NoSettingFile => {
                "set `DVC_GLOBAL_CONFIG_DIR`, or `HOME`, to a directory".to_owned()
            }
            Self::ExportedInPart { path } => format!("name `{path}`"),
            Self::RemoteExists { .. } => "force it to write it anew".to_owned(),
            Self::NotOfDirectory { remote, .. } => {
                format!("give it another URL first: `ketch remote modify {remote} url URL`")
            }
            Self::RemoteWithoutUrl { name } => {
                format!("give it another one, or take it out: `ketch remote remove {name}`")
            }
            Self::Occupied { .. } => "choose another name, or move it away".to_owned(),
            Self::NoRunCache { .. } => {
                "choose another one with `--remote`, or leave out `--run-cache`".to_owned()
            }
            Self::PastVersions { .. } => {
                "leave out `--all-commits`, `--all-branches` and `--all-tags`: earlier versions stay where they were pushed"
                    .to_owned()
            }
            Self::KeepsVersions { .. } => {
                "choose another one with `--remote`; `ketch push` sends data to this one".to_owned()
            }
            Self::PartlyHere { path, .. } => {
                format!("get them with `ketch pull '{path}.dvc'`, then try again")
            }
            Self::InsideLegacy { path } => {
                format!("add all of it: `ketch add '{path}'`")
            }
            Self::Experiment(error) => return error.hint(),
            Self::HookExists { path } => {
                format!("call ketch from `{path}` yourself, or move it away")
            }
            Self::NotEditable { file, .. } => format!("remove it from `{file}` by hand"),
            Self::FrozenElsewhere { file, .. } => format!("change it in `{file}` by hand"),
            Self::StagesFailed { .. } => {
                "`.ketch/logs` has what they wrote; what is done stays done".to_owned()
            }
            Self::Declined { .. } => "nothing of it was changed".to_owned(),
            Self::Generated { group, file, .. } => {
                format!("change `{group}` in `{file}` by hand: it stands for all of them")
            }
            Self::NoHookList { file } => {
                format!("make `repos` in `{file}` a list, or move the file away")
            }
            Self::ImportMoved { .. } => {
                "remove it, and import it again under the other name".to_owned()
            }
            Self::EnvironmentDocument { path, .. } => {
                format!("take it from Git: `git checkout HEAD -- '{path}'`; or run the stages again")
            }
            Self::NoEnvironment { .. } => {
                "`ketch repro` records it of each stage that runs; of results that were made here, `ketch env capture STAGE` does"
                    .to_owned()
            }
            Self::SeveralEnvironments { .. } => "name one with `--stage`".to_owned(),
            Self::NoInterpreter { .. } => {
                "see what it is with `ketch env diff`; only Python and its packages can be made again"
                    .to_owned()
            }
            Self::PythonMissing { .. } => "install it, or uv, which fetches it".to_owned(),
            Self::NotInstallable { .. } => {
                "look into `.ketch-environments`: somebody may have changed it".to_owned()
            }
            Self::InstallFailed { .. } => {
                "nothing was kept; a package that an index has no more has to be put there again"
                    .to_owned()
            }
            Self::WouldDestroy { .. } => "force it, if that is what you want".to_owned(),
            Self::UnknownSetting { suggestion: None, .. }
            | Self::UnknownRemote { suggestion: None, .. }
            | Self::SettingValue { .. }
            | Self::NotSet { .. } => return None,
            Self::Io(error) => return room_hint(error),
            Self::Git { .. }
            | Self::UnknownTarget { suggestion: None, .. }
            | Self::StageNotStarted { .. } => return None,
        };
        Some(hint)
    }
}
