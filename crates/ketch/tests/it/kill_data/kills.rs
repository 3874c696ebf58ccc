//! Killing a command over and over.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use ketch_testkit::peer;
use serde_json::Value;

use super::content::leftovers;
use super::scene::Scene;
use super::with_dvc::{agreed_by_dvc, restored_by_dvc};
use crate::support::say;

/// Commands that are killed; each is a test below.
pub(super) const COMMANDS: usize = 9;

/// What may be missing until the killed command has run again.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Expected {
    /// All that the work tree and the last commit need is in the cache at any moment.
    Nothing,
    /// The command is what brings the objects.
    Objects,
}

/// One command and how to see what it did.
pub(super) struct Case<'a> {
    pub(super) name: &'a str,
    /// The command.
    pub(super) arguments: &'a [&'a str],
    pub(super) missing: Expected,
    /// Brings the project from the template into the state before the command.
    pub(super) prepare: &'a dyn Fn(&Scene),
    /// What else has to hold after the kill.
    pub(super) killed: &'a dyn Fn(&Scene),
    /// Runs what was killed again, if it is not simply the same.
    pub(super) again: Option<&'a dyn Fn(&Scene)>,
    /// What has to hold after the command ran again.
    pub(super) finished: &'a dyn Fn(&Scene),
    /// A DVC command that must say that there is nothing to do, besides `status` and `checkout`.
    pub(super) with_dvc: &'a [&'a str],
}

pub(super) fn kill_often(scenes: &[Scene], case: &Case<'_>) {
    let kills = (number_from("KETCH_KILLS", 60) as usize).div_ceil(COMMANDS);
    let seed = number_from("KETCH_KILL_SEED", 20_260_102);
    let dvc = peer("dvc/bin/dvc");
    // In the middle, and now and then if there are many.
    let asked = |run: usize| run % 25 == kills.min(25) / 2;
    let mut random = Random(seed ^ case.name.len() as u64 ^ u64::from(case.name.as_bytes()[0]));
    let mut durations = Vec::new();
    let mut hit = 0;
    for run in 0..kills {
        let mut told = Told(case.name, seed, run);
        let at = run % scenes.len();
        let scene = &scenes[at];
        if durations.len() == at {
            scene.restore();
            (case.prepare)(scene);
            let started = Instant::now();
            let _ = scene.project.ketch(case.arguments).success();
            durations.push(started.elapsed());
            (case.finished)(scene);
        }
        scene.restore();
        (case.prepare)(scene);
        hit += usize::from(killed_after(
            scene,
            case,
            durations[at].mul_f64(random.next()),
        ));
        let report = scene.fsck(&[]);
        if case.missing == Expected::Nothing {
            assert_eq!(report["missing"], Value::Array(Vec::new()), "{report}");
        }
        (case.killed)(scene);
        if let Some(dvc) = dvc.as_ref().filter(|_| asked(run))
            && case.missing == Expected::Nothing
        {
            restored_by_dvc(scene, dvc, "HEAD");
        }
        match case.again {
            Some(again) => again(scene),
            None => {
                let _ = scene.project.ketch(case.arguments).success();
            }
        }
        (case.finished)(scene);
        scene.assert_sound(&[]);
        let left: Vec<Utf8PathBuf> = leftovers(&scene.project.root())
            .into_iter()
            .filter(|path| !path.as_str().contains("/.dvc/"))
            .collect();
        assert_eq!(left, [] as [&str; 0], "in the work tree");
        if let Some(dvc) = dvc.as_ref().filter(|_| asked(run)) {
            agreed_by_dvc(scene, dvc, case);
        }
        told.2 = run;
    }
    say(&format!(
        "ketch {}: {kills} runs, {hit} killed at work, within {durations:?}",
        case.name
    ));
    assert!(hit > 0 || kills < 8, "none of {kills} was killed at work");
}

/// Whether the command was still at work.
pub(super) fn killed_after(scene: &Scene, case: &Case<'_>, delay: Duration) -> bool {
    let mut child = scene
        .project
        .ketch_command()
        .args(case.arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ketch starts");
    sleep(delay);
    child.kill().expect("a child that can be killed");
    let status = child.wait().expect("a child to wait for");
    assert!(
        status.success() || status.code().is_none(),
        "`ketch {}` failed by itself: {status}",
        case.name
    );
    status.code().is_none()
}

pub(super) fn nothing(_: &Scene) {}

#[expect(
    clippy::disallowed_methods,
    reason = "how whoever runs the tests chooses how much"
)]
pub(crate) fn number_from(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// Numbers from 0 below 1 that follow from a seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Says on failure how to see it again.
pub(crate) struct Told<'a>(pub(crate) &'a str, pub(crate) u64, pub(crate) usize);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!(
                "kill {} of `ketch {}` with KETCH_KILL_SEED={}",
                self.2, self.0, self.1
            ));
        }
    }
}
