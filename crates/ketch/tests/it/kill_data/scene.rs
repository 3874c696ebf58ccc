//! Projects to kill commands in.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::TestProject;
use serde_json::Value;

use super::content::{data_of, read_all};
use crate::support::{commit_all, project};

/// A project, the remote beside it, and the template from which both are made anew.
pub(super) struct Scene {
    pub(super) project: TestProject,
    pub(super) base: Utf8PathBuf,
}

impl Scene {
    /// Two commits of `data` (small files and some of a few megabytes); both in the cache, none in
    /// the remote.
    pub(super) fn new(link: &str, remote: &[&str]) -> Self {
        let mut project = project();
        let base = project.root().parent().expect("a folder around").to_owned();
        project.set_env("DVC_SITE_CACHE_DIR", base.join("site").as_str());
        project.set_env("DVC_GLOBAL_CONFIG_DIR", base.join("global").as_str());
        project.git_init();
        let _ = project.ketch(["init"]).success();
        let _ = project.ketch(["config", "cache.type", link]).success();
        let _ = project
            .ketch(["remote", "add", "-d", "st", "../store"])
            .success();
        for text in remote {
            project.write("ketch.toml", text);
        }
        let scene = Self { project, base };
        fs_err::create_dir(scene.base.join("store")).expect("a new folder");
        for version in 0..3 {
            scene.write(version);
            let _ = scene.project.ketch(["add", "data"]).success();
            if version > 0 {
                commit_all(&scene.project);
            }
        }
        scene.keep();
        scene
    }

    /// Makes what is there the template.
    pub(super) fn keep(&self) {
        let template = self.base.join("template");
        let _ = fs_err::remove_dir_all(&template);
        fs_err::create_dir(&template).expect("a new folder");
        self.copy(&self.base, &template);
    }

    pub(super) fn restore(&self) {
        for name in ["project", "store"] {
            fs_err::remove_dir_all(self.base.join(name)).expect("removed");
        }
        self.copy(&self.base.join("template"), &self.base);
    }

    /// With links between work tree and cache as they are.
    pub(super) fn copy(&self, from: &Utf8Path, to: &Utf8Path) {
        let mut command = self.project.command("cp");
        command.current_dir(&self.base);
        let copied = command
            .args(["-a", from.join("project").as_str()])
            .args([from.join("store").as_str(), to.as_str()])
            .status();
        assert!(copied.expect("cp").success());
    }

    /// Writes the data of a version. Files are made anew, as a link must not be written through.
    pub(super) fn write(&self, version: usize) {
        let content = data_of(version);
        let _ = fs_err::remove_dir_all(self.project.path("data"));
        for (path, bytes) in &content {
            self.project.write(Utf8Path::new("data").join(path), bytes);
        }
    }

    pub(super) fn clear_cache(&self) {
        fs_err::remove_dir_all(self.project.path(".dvc/cache")).expect("removed");
    }

    /// The report, and that nothing is damaged.
    pub(super) fn fsck(&self, more: &[&str]) -> Value {
        let mut arguments = vec!["--json", "fsck"];
        arguments.extend(more);
        let output = self.project.ketch(arguments);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output}");
        let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
        // Of a remote they are told as damaged.
        let damaged = report.get("corrupt").or(report.get("damaged"));
        assert_eq!(damaged, Some(&Value::Array(Vec::new())), "{output}");
        report
    }

    pub(super) fn assert_sound(&self, more: &[&str]) {
        let report = self.fsck(more);
        assert_eq!(report["missing"], Value::Array(Vec::new()), "{report}");
    }

    /// Temporary files do not count: they are looked for at the end.
    pub(super) fn assert_data(&self, version: usize) {
        let mut found = read_all(&self.project.path("data"));
        found.retain(|path, _| !path.contains("ketch-tmp"));
        let wanted = data_of(version);
        let differ: Vec<&String> = found
            .keys()
            .chain(wanted.keys())
            .filter(|path| found.get(*path) != wanted.get(*path))
            .collect();
        assert!(differ.is_empty(), "not as in version {version}: {differ:?}");
    }
}

/// One scene for each kind of link.
pub(super) fn scenes(remote: &[&str]) -> Vec<Scene> {
    ["hardlink,copy", "copy"]
        .map(|link| Scene::new(link, remote))
        .into()
}
