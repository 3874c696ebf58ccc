use camino::Utf8PathBuf;

/// What can be wrong with a new stage. Paths are relative to the root where they are below it.
#[derive(Debug, thiserror::Error)]
pub enum NewStageError {
    #[error("`{name}` is no name for a stage")]
    Name { name: String },

    #[error("stage `{stage}` has no command")]
    NoCommand { stage: String },

    #[error("there is a stage `{stage}` in `{file}` already")]
    Exists { stage: String, file: Utf8PathBuf },

    #[error("the working directory `{path}` is no directory of the project")]
    WorkingDirectory { path: Utf8PathBuf },

    #[error("output `{path}` is not in the project, so it cannot go into the cache")]
    Outside { path: String },

    #[error("`{path}` is an output and a dependency of one stage")]
    OutputNeeded { path: String },

    #[error("`{path}` is named twice")]
    NamedTwice { path: String },

    #[error("`{file}` lies in `{output}`, an output of {owner}")]
    InsideOutput {
        file: Utf8PathBuf,
        output: Utf8PathBuf,
        owner: String,
    },

    #[error("stage `{stage}` cannot be written into `{file}` without touching other text")]
    NotEditable { file: Utf8PathBuf, stage: String },
}

impl NewStageError {
    /// What to do next.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Name { .. } => "of punctuation a name has nothing but `-` and `_`".to_owned(),
            Self::NoCommand { stage } => {
                format!("say it at the end: `ketch stage add -n {stage} … COMMAND`")
            }
            Self::Exists { .. } => "force it to write the stage anew".to_owned(),
            Self::WorkingDirectory { path } => format!("make it: `mkdir -p '{path}'`"),
            Self::Outside { .. } => {
                "name one in the project, or give it with `--outs-no-cache`".to_owned()
            }
            Self::OutputNeeded { .. } => "let the command write somewhere else".to_owned(),
            Self::NamedTwice { .. } => "name it once".to_owned(),
            Self::InsideOutput { .. } => {
                "name the files that the stage makes, or move one of them".to_owned()
            }
            Self::NotEditable { file, .. } => format!("write it into `{file}` by hand"),
        }
    }
}
