//! What can go wrong with running stages elsewhere.

use std::io;

use camino::Utf8PathBuf;

/// What can go wrong with running stages elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    #[error("the program `{program}` of Slurm cannot be run")]
    NoSlurm {
        program: &'static str,
        source: io::Error,
    },

    /// Slurm's own words follow.
    #[error("Slurm does not take {stage}: {message}")]
    Refused { stage: String, message: String },

    #[error("`{program}` failed: {message}")]
    Call {
        program: &'static str,
        message: String,
    },

    /// By something else than its own commands.
    #[error("Slurm ended {stage}: {state}")]
    Ended {
        stage: String,
        /// Slurm's word: `TIMEOUT`, `OUT_OF_MEMORY`.
        state: String,
        log: Utf8PathBuf,
    },

    /// Slurm says that the job is over, and nothing that it wrote is there.
    #[error("the job of {stage} ended ({state}) without a word in `{folder}`")]
    Silent {
        stage: String,
        state: String,
        folder: Utf8PathBuf,
    },

    #[error("{stage} was begun {attempts} times, and did not come to its end: {reason}")]
    Attempts {
        stage: String,
        attempts: u32,
        reason: String,
    },

    #[error("{stage} uses `{path}`, which is outside of the project and not an absolute path")]
    Outside { stage: String, path: String },

    #[error("{stage} writes `{path}`, which is outside of the project")]
    OutputOutside { stage: String, path: String },

    #[error("another ketch runs {stage} on Slurm")]
    Busy { stage: String },

    /// Its outputs are not taken.
    #[error("an attempt at {stage} is not the last one any more")]
    Superseded { stage: String },

    #[error("stopped: the job of {stage} is cancelled")]
    Stopped { stage: String },

    #[error("stopped before all stages were done")]
    Interrupted,
}

impl ExecutorError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSlurm { .. } => {
                "run it on a machine with Slurm's client programs (`slurm-client`), or with `--executor local`"
                    .to_owned()
            }
            Self::Refused { message, .. } if message.contains("artition") => {
                "see the partitions with `sinfo`; set `partition` of `[executor.slurm]` in ketch.toml"
                    .to_owned()
            }
            Self::Refused { message, .. } if message.contains("ccount") => {
                "see your accounts with `sacctmgr show associations`; set `account` of `[executor.slurm]` in ketch.toml"
                    .to_owned()
            }
            Self::Refused { .. } => {
                "correct what is asked for in `[executor.slurm]` of ketch.toml".to_owned()
            }
            Self::Call { .. } => "try it by hand: Slurm has to answer on this machine".to_owned(),
            Self::Ended { state, .. } if state.starts_with("TIMEOUT") => {
                "give it more `time` in `[executor.slurm.stage.NAME]` of ketch.toml".to_owned()
            }
            Self::Ended { state, .. } if state.starts_with("OUT_OF_MEMORY") => {
                "give it more `memory` in `[executor.slurm.stage.NAME]` of ketch.toml".to_owned()
            }
            Self::Ended { log, .. } => format!("all it wrote is in `{log}`"),
            Self::Silent { .. } => {
                "the project has to be in a folder that all nodes share under the same path"
                    .to_owned()
            }
            Self::Attempts { .. } => {
                "see the nodes with `sinfo -R`; `attempts` of `[executor.slurm]` in ketch.toml says how often it is tried"
                    .to_owned()
            }
            Self::Outside { .. } => "move it into the project, or write its absolute path".to_owned(),
            Self::OutputOutside { .. } => {
                "let it write into the project: elsewhere two attempts could meet".to_owned()
            }
            Self::Busy { .. } => "wait for it".to_owned(),
            Self::Superseded { .. } => "run it again".to_owned(),
            Self::Stopped { .. } | Self::Interrupted => "what is done stays done; `ketch repro` goes on".to_owned(),
        })
    }
}
