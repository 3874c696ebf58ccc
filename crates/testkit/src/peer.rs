//! The programs that ketch is compared with.

use camino::{Utf8Path, Utf8PathBuf};

/// A program of a real peer, for example `dvc/bin/dvc` or `python/bin/python`, from the folder that
/// `KETCH_PEERS` names or else from `.peers` in the workspace.
///
/// When it is missing the caller should return: a message that says how to get it was printed.
///
/// # Panics
///
/// When it is missing and `CI` is `true`: there a comparison must not be left out unnoticed.
#[expect(
    clippy::disallowed_methods,
    reason = "how whoever runs the tests chooses the peers"
)]
pub fn peer(name: &str) -> Option<Utf8PathBuf> {
    let folder = std::env::var("KETCH_PEERS")
        .ok()
        .filter(|folder| !folder.is_empty());
    let folder = folder.map_or_else(|| workspace().join(".peers"), Utf8PathBuf::from);
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true");
    match find(&folder, name) {
        Ok(found) => Some(found),
        Err(missing) if strict => panic!("{missing}"),
        Err(missing) => {
            say(&missing);
            None
        }
    }
}

fn find(folder: &Utf8Path, name: &str) -> Result<Utf8PathBuf, String> {
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(format!(
        "skipped: the peer `{name}` is not in `{folder}`; run scripts/test-setup"
    ))
}

#[expect(clippy::print_stderr, reason = "a test that was skipped must say so")]
pub(crate) fn say(message: &str) {
    eprintln!("{message}");
}

fn workspace() -> &'static Utf8Path {
    let crates = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates
        .and_then(Utf8Path::parent)
        .expect("a crate two levels below the workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_found_or_the_message_says_how_to_get_it() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(directory.path()).unwrap();
        let message = find(folder, "dvc/bin/dvc").unwrap_err();
        assert!(message.contains("`dvc/bin/dvc`") && message.contains("scripts/test-setup"));
        fs_err::create_dir_all(folder.join("dvc/bin")).unwrap();
        assert!(
            find(folder, "dvc/bin").is_err(),
            "a directory is no program"
        );
        fs_err::write(folder.join("dvc/bin/dvc"), "").unwrap();
        assert_eq!(
            find(folder, "dvc/bin/dvc").unwrap(),
            folder.join("dvc/bin/dvc")
        );
    }

    #[test]
    fn the_workspace_holds_the_crates() {
        assert!(workspace().join("crates/testkit/Cargo.toml").is_file());
    }
}
