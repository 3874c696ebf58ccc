//! Settings of the machine and of the account, by DVC's rules about where they are.

use camino::Utf8Path;
use ketch_testkit::peer;

use crate::personality::{Answer, Twin, link, twins};
use crate::support::project;

fn said(answer: &Answer) -> (Option<i32>, String) {
    (answer.code, answer.output.clone())
}

/// Two folders of settings, in each twin's home.
fn write(twin: &Twin, folder: &str, text: &str) {
    let path = twin.project.home().join(folder).join("dvc/config");
    fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs_err::write(path, text).expect("written");
}

#[test]
fn the_four_levels_are_read_and_written_as_by_dvc() {
    let Some(twins) = twins(Twin::new) else {
        return;
    };
    for line in [
        // Outside of a project there are two levels.
        "config --system core.checksum_jobs 1",
        "config --global core.checksum_jobs 2",
        "config core.checksum_jobs",
        "config --system core.checksum_jobs",
        "config --project core.checksum_jobs 3",
        "config core.checksum_jobs 3",
        "config --local core.checksum_jobs",
        "remote add st ../store",
        "remote list",
        "config --list --show-origin",
        "init -q",
        "config core.checksum_jobs",
        "config --project core.checksum_jobs 3",
        "config core.checksum_jobs",
        "config --local core.checksum_jobs 4",
        "config core.checksum_jobs",
        "config --list --show-origin",
        "remote add --system -d machine ../of-the-machine",
        "remote add --global account ../of-the-account",
        "remote list",
        "remote default",
        "remote modify --system machine jobs 2",
        "config --system --unset core.checksum_jobs",
        "config --system core.checksum_jobs",
        "config --system -l",
        "config --global cache.type copy",
        "remote default --local account",
        "remote default",
        "remote remove --system machine",
        "remote list",
        "config --global --unset cache.type",
        "remote add only ../store",
        "config --unset core.checksum_jobs",
        "remote remove only",
        "remote list",
    ] {
        let answers = twins.each_ref().map(|twin| said(&twin.run(line)));
        assert_eq!(answers[0], answers[1], "dvc {line}");
        let files = twins.each_ref().map(|twin| {
            let home = twin.project.home();
            let own = twin.project.path(".dvc");
            [home.join("machine"), home.join("account"), own].map(|level| {
                let path = level.join("config");
                fs_err::read_to_string(path).unwrap_or_default()
            })
        });
        assert_eq!(files[0], files[1], "dvc {line}");
    }
}

/// What the machine's settings say happens: a remote and a cache that the project does not name.
#[test]
fn settings_of_the_machine_count_in_every_project() {
    let folder = project();
    let twin = Twin::without_git(link(&folder.root()));
    let store = twin.project.root().parent().expect("around").join("store");
    let cache = twin.project.root().parent().expect("around").join("cache");
    let text = format!(
        "[core]\n    remote = far\n['remote \"far\"']\n    url = {store}\n[cache]\n    dir = {cache}\n    type = symlink\n"
    );
    let machine = twin.project.home().join("machine/config");
    fs_err::create_dir_all(machine.parent().expect("a folder")).expect("a folder");
    fs_err::write(machine, text).expect("written");
    twin.project.write("f", "1\n");
    for line in ["init -q --no-scm", "add -q f", "push -q"] {
        let answer = twin.run(line);
        assert_eq!(answer.code, Some(0), "{line}: {}", answer.errors);
    }
    let object = "files/md5/b0/26324c6904b2a9cb4b88d6d61c81d1";
    assert!(store.join(object).is_file() && cache.join(object).is_file());
    assert!(twin.project.path("f").is_symlink());
    assert!(!twin.project.path(".dvc/cache").exists());
    // The account's settings win.
    let account = twin.project.home().join("account/config");
    fs_err::create_dir_all(account.parent().expect("a folder")).expect("a folder");
    fs_err::write(account, "[cache]\n    type = copy\n").expect("written");
    assert_eq!(twin.run("checkout --relink").code, Some(0));
    assert!(!twin.project.path("f").is_symlink());
}

#[test]
fn the_standard_folders_are_found_as_by_dvc() {
    let Some(twins) = twins(Twin::without_git) else {
        return;
    };
    let jobs = |number: u8| format!("[core]\n    checksum_jobs = {number}\n");
    for twin in &twins {
        for (folder, number) in [("a", 1), ("b", 2), (".config", 3), ("c", 4)] {
            write(twin, folder, &jobs(number));
        }
        // Where a relative folder would be.
        twin.project.write("relative/dvc/config", jobs(9));
    }
    let in_home = |home: &Utf8Path, list: &str| {
        let folders = list.split(':').map(|part| match part.strip_prefix('~') {
            Some(rest) => format!("{home}{rest}"),
            None => part.to_owned(),
        });
        folders.collect::<Vec<_>>().join(":")
    };
    for variables in [
        vec![],
        vec![("XDG_CONFIG_HOME", "~/a")],
        vec![("XDG_CONFIG_HOME", "")],
        vec![("XDG_CONFIG_HOME", "relative")],
        vec![("XDG_CONFIG_HOME", "~/nothing")],
        vec![
            ("XDG_CONFIG_HOME", "~/a"),
            ("DVC_GLOBAL_CONFIG_DIR", "~/c/dvc"),
        ],
        vec![("XDG_CONFIG_DIRS", "~/a:~/b")],
        vec![("XDG_CONFIG_DIRS", "relative:~/b")],
        vec![
            ("XDG_CONFIG_DIRS", "~/b"),
            ("DVC_SYSTEM_CONFIG_DIR", "~/c/dvc"),
        ],
        vec![("XDG_CONFIG_HOME", "~/a"), ("XDG_CONFIG_DIRS", "~/b")],
    ] {
        let answers = twins.each_ref().map(|twin| {
            let home = twin.project.home();
            ["config --list --show-origin", "config core.checksum_jobs"].map(|line| {
                let mut command = twin.command(line);
                for gone in [
                    "DVC_GLOBAL_CONFIG_DIR",
                    "DVC_SYSTEM_CONFIG_DIR",
                    "XDG_CONFIG_HOME",
                    "XDG_CONFIG_DIRS",
                ] {
                    command.env_remove(gone);
                }
                for (name, value) in &variables {
                    command.env(name, in_home(&home, value));
                }
                said(&twin.answer(command))
            })
        });
        assert_eq!(answers[0], answers[1], "{variables:?}");
    }
}

/// Every variable that DVC's own list has is in ours.
#[test]
fn the_variables_of_dvc_are_all_told_of() {
    let Some(dvc) = peer("dvc/bin/python") else {
        return;
    };
    let script = "import dvc.env, dvc_studio_client.env\n\
                  for module in (dvc.env, dvc_studio_client.env):\n    \
                      print(*(name for name in vars(module) if name.startswith('DVC_')))\n";
    let output = std::process::Command::new(dvc)
        .args(["-c", script])
        .output()
        .expect("it runs");
    let listed = String::from_utf8(output.stdout).expect("text");
    let names: Vec<&str> = listed.split_whitespace().collect();
    assert!(names.len() >= 22, "{output:?}", output = output.stderr);
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/dvc-environment.md");
    let page = fs_err::read_to_string(page).expect("the page");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
