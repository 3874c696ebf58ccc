//! What can go wrong with verifying.

use std::io;

use camino::Utf8PathBuf;

/// What can go wrong with verifying results and with statements about them.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("`{revision}` has no stage that could run")]
    NothingToVerify { revision: String },

    #[error("`ssh-keygen`, which signs and checks signatures, cannot be run")]
    NoSshKeygen { source: io::Error },

    /// What `ssh-keygen` says follows.
    #[error("`{path}` cannot be signed: {message}")]
    NotSigned { path: Utf8PathBuf, message: String },

    #[error("`{path}` is no statement of `ketch verify`: {message}")]
    NoStatement { path: Utf8PathBuf, message: String },

    #[error("`{path}` has no signature `{signature}` beside it")]
    NoSignature {
        path: Utf8PathBuf,
        signature: Utf8PathBuf,
    },

    #[error("nothing says whose signatures count")]
    NoAllowedSigners,
}

impl VerifyError {
    /// What to do next, when there is something to say.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NothingToVerify { .. } => {
                "describe the pipeline in `dvc.yaml` (`ketch stage add`), run `ketch repro`, commit"
                    .to_owned()
            }
            Self::NoSshKeygen { .. } => "install OpenSSH's client".to_owned(),
            Self::NotSigned { .. } => {
                "name a private key, or a public one whose private one is in the SSH agent"
                    .to_owned()
            }
            Self::NoSignature { .. } => {
                "sign with `ketch verify --statement FILE --sign KEY`".to_owned()
            }
            Self::NoAllowedSigners => {
                "give `--allowed-signers FILE` (see `man ssh-keygen`), or set Git's \
                 `gpg.ssh.allowedSignersFile`"
                    .to_owned()
            }
            Self::NoStatement { .. } => return None,
        })
    }
}
