//! DVC's settings and remotes, at four levels: of the machine, of the account, in `.dvc/config` and
//! in `.dvc/config.local`.

mod files;
mod kinds;
mod local_remote;
mod name;
mod remotes;
mod values;

pub use files::{SettingFiles, SettingLevel, SharedSettings};
pub use name::SettingName;
pub use remotes::{
    ExistingRemote, Remote, add_remote, modify_remote, remotes, remove_remote, rename_remote,
    set_default_remote,
};
pub use values::{Setting, set_setting, setting, settings, unset_setting};
