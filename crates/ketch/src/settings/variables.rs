//! The environment: each variable that ketch itself reads, and what it means. (Programs that ketch
//! starts, such as Git and the stages of a pipeline, get the whole environment.)

use std::env;

use camino::{Utf8Path, Utf8PathBuf};

use jiff::Timestamp;
use ketch_project::{Circumstances, SharedSettings};
use ketch_store::remote::RemoteEnvironment;

use crate::exit::CommandError;

/// No colours, whatever its value, unless it is empty.
const NO_COLOR: &str = "NO_COLOR";

/// Colours also where the output is not a terminal, unless it is empty or `0`.
const CLICOLOR_FORCE: &str = "CLICOLOR_FORCE";

/// With the value `dumb`: neither colours nor progress bars.
const TERM: &str = "TERM";

/// The account's name, the first that is set: the actor where Git knows no name.
const LOGIN: [&str; 2] = ["LOGNAME", "USER"];

/// A directory for what can be made again, such as the demo's Python packages.
const CACHE: &str = "KETCH_CACHE_DIR";

/// The account's directory for caches; ketch uses `ketch` in it. Counts only if it is absolute.
const XDG_CACHE: &str = "XDG_CACHE_HOME";

/// The account's home; ketch uses `.cache/ketch` in it where the two before are not set.
const HOME: &str = "HOME";

/// The account's directory for configuration; DVC's settings of the account are in `dvc` in it.
/// Counts only if it is absolute.
const XDG_CONFIG: &str = "XDG_CONFIG_HOME";

/// The machine's directories for configuration, with `:` between them; DVC's settings of the
/// machine are in `dvc` in the first that is absolute.
const XDG_CONFIG_DIRS: &str = "XDG_CONFIG_DIRS";

/// The directories of DVC's settings of the account and of the machine, if they are elsewhere.
const DVC_GLOBAL: &str = "DVC_GLOBAL_CONFIG_DIR";
const DVC_SYSTEM: &str = "DVC_SYSTEM_CONFIG_DIR";

/// Set by the pre-commit tool where DVC's hook gets no arguments: `1` where another commit was
/// checked out.
const CHECKOUT_KIND: &str = "PRE_COMMIT_CHECKOUT_TYPE";

/// For tests: the time, in the form of RFC 3339; the clock stands still.
const TEST_CLOCK: &str = "KETCH_TEST_CLOCK";

/// For tests: a number from which the identifiers of new runs follow.
const TEST_SEED: &str = "KETCH_TEST_SEED";

pub(super) fn test_clock() -> Option<Timestamp> {
    read(TEST_CLOCK)?.parse().ok()
}

pub(super) fn test_seed() -> Option<u64> {
    read(TEST_SEED)?.parse().ok()
}

pub(super) fn color_refused() -> bool {
    read(NO_COLOR).is_some()
}

pub(super) fn color_forced() -> bool {
    read(CLICOLOR_FORCE).is_some_and(|value| value != "0") && !color_refused()
}

pub(super) fn dumb_terminal() -> bool {
    read(TERM).is_some_and(|value| value == "dumb")
}

/// What remotes may use that have no credentials of their own: the variables of Amazon's, Google's
/// and Microsoft's tools, with the meaning they have there.
pub(super) fn remote_environment() -> RemoteEnvironment {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| RemoteEnvironment::asks_for(name))
        .collect()
}

/// What programs compute by, and where they are found: the variables that [`Circumstances`] lists.
pub(super) fn circumstances() -> Circumstances {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| Circumstances::asks_for(name))
        .collect()
}

pub(super) fn checkout_kind() -> Option<String> {
    read(CHECKOUT_KIND)
}

/// Where DVC finds its settings outside of the project, by its own rules.
pub(super) fn shared_settings(directory: &Utf8Path) -> SharedSettings {
    let standard = read(XDG_CONFIG)
        .map(Utf8PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || read(HOME).map(|home| directory.join(home).join(".config"));
    let global = read(DVC_GLOBAL)
        .map(|path| directory.join(path))
        .or_else(|| Some(standard.or_else(home)?.join("dvc")));
    let machine = || {
        let listed = read(XDG_CONFIG_DIRS)?;
        let mut listed = listed.split(':').map(Utf8PathBuf::from);
        listed.find(|path| path.is_absolute())
    };
    let system = read(DVC_SYSTEM).map_or_else(
        || {
            let machine = machine().unwrap_or_else(|| "/etc/xdg".into());
            machine.join("dvc")
        },
        |path| directory.join(path),
    );
    SharedSettings {
        system: Some(system.join("config")),
        global: global.map(|directory| directory.join("config")),
    }
}

pub(super) fn login() -> Option<String> {
    LOGIN.into_iter().find_map(read)
}

/// `directory` is where relative paths begin.
pub(super) fn cache_directory(directory: &Utf8Path) -> Utf8PathBuf {
    if let Some(path) = read(CACHE) {
        return directory.join(path);
    }
    let standard = read(XDG_CACHE)
        .map(Utf8PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || read(HOME).map(|home| directory.join(home).join(".cache"));
    // Without a home there is no better place than where one is.
    let above = standard
        .or_else(home)
        .unwrap_or_else(|| directory.join(".cache"));
    above.join("ketch")
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads it"
)]
pub(super) fn current_directory() -> Result<Utf8PathBuf, CommandError> {
    let directory = env::current_dir().map_err(|source| {
        CommandError::from(source).context("cannot find the current directory")
    })?;
    Utf8PathBuf::from_path_buf(directory).map_err(|path| {
        CommandError::user(format!("the path `{}` is not valid UTF-8", path.display()))
    })
}

/// A variable that is set to something; one that is not UTF-8 counts as not set.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads it"
)]
fn read(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
