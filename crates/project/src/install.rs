//! Git hooks that call ketch, by themselves or through the pre-commit tool.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8PathBuf;
use ketch_dvc::yaml;
use ketch_store::write_atomically;

use crate::paths::{join, read_if_there};
use crate::{Project, ProjectError};

/// By one of these lines a hook is known that may be written anew: ours, and DVC's own.
const MARKS: [&str; 2] = ["# Written by `ketch install`.", "exec dvc git-hook "];

/// Each hook. What it does is with the hidden command `git-hook`, as with DVC.
const HOOKS: [&str; 3] = ["pre-commit", "post-checkout", "pre-push"];

/// What the pre-commit tool reads, at the top of the Git repository.
const PRE_COMMIT: &str = ".pre-commit-config.yaml";

/// What DVC 3.67.1 adds to it. The hooks are in DVC's repository.
const HOOKS_OF_DVC: &str = "repo: https://github.com/treeverse/dvc
rev: 3.67.1
hooks:
- id: dvc-pre-commit
  additional_dependencies: ['.[all]']
  language_version: python3
  stages: [pre-commit]
- id: dvc-pre-push
  additional_dependencies: ['.[all]']
  language_version: python3
  stages: [pre-push]
- id: dvc-post-checkout
  additional_dependencies: ['.[all]']
  language_version: python3
  stages: [post-checkout]
  always_run: true
";

/// The same of ketch, which is one program: there is nothing to install.
const HOOKS_OF_KETCH: &str = "repo: local
hooks:
- id: ketch-pre-commit
  name: ketch pre-commit
  entry: ketch git-hook pre-commit
  language: system
  stages: [pre-commit]
  always_run: true
  pass_filenames: false
  verbose: true
- id: ketch-pre-push
  name: ketch pre-push
  entry: ketch git-hook pre-push
  language: system
  stages: [pre-push]
  always_run: true
  pass_filenames: false
- id: ketch-post-checkout
  name: ketch post-checkout
  entry: ketch git-hook post-checkout
  language: system
  stages: [post-checkout]
  always_run: true
  pass_filenames: false
";

/// The program that hooks call first; where it is not installed they call the other one, as a
/// clone may be worked in with either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HookProgram {
    #[default]
    Ketch,
    Dvc,
}

impl HookProgram {
    fn in_order(self) -> [&'static str; 2] {
        match self {
            Self::Ketch => ["ketch", "dvc"],
            Self::Dvc => ["dvc", "ketch"],
        }
    }
}

/// Writes the hooks and returns their paths, relative to the root where they are below it. Fails
/// before any is written where there is one of somebody else's; as DVC, where there is any.
pub fn install_hooks(
    project: &Project,
    program: HookProgram,
) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let answer = project.git().run(&["rev-parse", "--git-path", "hooks"])?;
    let directory = join(project.root(), answer.trim_end_matches('\n'));
    for name in HOOKS {
        let path = directory.join(name);
        let foreign = read_if_there(&path)?.is_some_and(|text| {
            program == HookProgram::Dvc || !MARKS.iter().any(|mark| text.contains(mark))
        });
        if foreign {
            return Err(ProjectError::HookExists { path });
        }
    }
    let mut written = Vec::new();
    let [first, second] = program.in_order();
    for name in HOOKS {
        let path = directory.join(name);
        let text = format!(
            "#!/bin/sh\n{}\nif command -v {first} >/dev/null; then\n    exec {first} git-hook {name} \"$@\"\nfi\nexec {second} git-hook {name} \"$@\"\n",
            MARKS[0]
        );
        write_atomically(&path, text.as_bytes())?;
        fs_err::set_permissions(&path, Permissions::from_mode(0o755))?;
        written.push(project.shown(&path));
    }
    Ok(written)
}

/// Lets the pre-commit tool call the hooks: adds them to its configuration, whose other text stays.
/// Returns the file's path, relative to the root where it is below it; nothing if they are there.
pub fn install_with_pre_commit(
    project: &Project,
    program: HookProgram,
) -> Result<Option<Utf8PathBuf>, ProjectError> {
    let path = project.git().top_level()?.join(PRE_COMMIT);
    let shown = project.shown(&path);
    let hooks = match program {
        HookProgram::Dvc => HOOKS_OF_DVC,
        HookProgram::Ketch => HOOKS_OF_KETCH,
    };
    let hooks = yaml::parse(hooks, "the hooks")?.to_value();
    let text = read_if_there(&path)?.unwrap_or_default();
    let known = yaml::parse(&text, shown.as_str())?;
    let listed = known.get("repos").and_then(yaml::Node::items);
    if listed.is_some_and(|listed| listed.iter().any(|one| one.to_value() == hooks)) {
        return Ok(None);
    }
    let Some(text) = yaml::append_to(&text, "repos", &hooks) else {
        return Err(ProjectError::NoHookList { file: shown });
    };
    write_atomically(&path, text.as_bytes())?;
    Ok(Some(shown))
}
