//! One project, two tools: random steps by either, and both see the same after each. And the same
//! steps in twins, with the same files after each.

use camino::Utf8Path;
use ketch_project::{
    CheckoutOptions, Overwrite, RecordOptions, RemoveOptions, RemovedOutputs, checkout, move_data,
    record, remove,
};
use ketch_store::Silent;

use crate::data_peer::{add_ours, assert_agreement, prepared};
use crate::interop::{Dvc, assert_same};
use crate::sandbox::Sandbox;

/// A step that both tools can take.
#[derive(Debug, Clone)]
enum Step {
    Add(&'static str),
    Record,
    Checkout,
    Remove(&'static str),
    RemoveWithData(&'static str),
    Move(&'static str, &'static str),
}

fn ours(sandbox: &Sandbox, step: &Step) {
    let project = sandbox.open();
    match step {
        Step::Add(path) => add_ours(sandbox, path),
        Step::Record => {
            record(&project, &RecordOptions::default(), &Silent).unwrap();
        }
        Step::Checkout => {
            let options = CheckoutOptions {
                overwrite: Overwrite::Force,
                trash: Some("t".to_owned()),
                ..CheckoutOptions::default()
            };
            checkout(&project, &options, &Silent).unwrap();
        }
        Step::Remove(target) | Step::RemoveWithData(target) => {
            let options = RemoveOptions {
                targets: vec![(*target).to_owned()],
                outputs: match step {
                    Step::Remove(_) => RemovedOutputs::Keep,
                    _ => RemovedOutputs::Delete,
                },
                trash: "t".to_owned(),
            };
            remove(&project, &options, &Silent).unwrap();
        }
        Step::Move(from, to) => {
            move_data(&project, Utf8Path::new(from), Utf8Path::new(to), &Silent).unwrap();
        }
    }
}

fn theirs(dvc: &Dvc, sandbox: &Sandbox, step: &Step) {
    let arguments: Vec<&str> = match step {
        Step::Add(path) => vec!["add", "--quiet", path],
        Step::Record => vec!["commit", "--quiet", "--force"],
        Step::Checkout => vec!["checkout", "--quiet", "--force"],
        Step::Remove(target) => vec!["remove", "--quiet", target],
        Step::RemoveWithData(target) => vec!["remove", "--quiet", "--outs", target],
        Step::Move(from, to) => vec!["move", "--quiet", from, to],
    };
    dvc.run(&sandbox.root, &arguments);
}

#[test]
fn twins_stay_twins() {
    let Some((left, right, dvc)) = prepared() else {
        return;
    };
    for sandbox in [&left, &right] {
        sandbox.write(
            "dvc.yaml",
            "stages:\n  first:\n    cmd: cp single.csv made\n    deps: [single.csv]\n    outs: [made]\n  second:\n    cmd: cp made last\n    deps: [made]\n    outs: [last]\n",
        );
        sandbox.write("sub/keep", "of Git");
    }
    let both = |step: &Step| {
        ours(&left, step);
        theirs(&dvc, &right, step);
        assert_same(&left.root, &right.root);
    };
    both(&Step::Add("data"));
    both(&Step::Add("single.csv"));
    left.repro();
    dvc.run(&right.root, &["repro", "--quiet"]);
    both(&Step::Move("data", "renamed"));
    both(&Step::Move("renamed", "sub"));
    both(&Step::Remove("second"));
    both(&Step::RemoveWithData("first"));
    both(&Step::Move("single.csv", "sub/other.csv"));
    both(&Step::Remove("sub/renamed.dvc"));
    both(&Step::RemoveWithData("sub/other.csv.dvc"));
}

/// A fixed sequence that looks random.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn either_tool_can_go_on_where_the_other_stopped() {
    let Some((sandbox, _, dvc)) = prepared() else {
        return;
    };
    // The stage would hold changes of its own against every recording.
    sandbox.remove("dvc.yaml");
    let mut random = Seeded(20_261_123);
    let names = ["data", "single.csv", "third", "fourth"];
    sandbox.write("third/x", "x");
    sandbox.write("fourth", "4");
    ours(&sandbox, &Step::Add("data"));
    sandbox.commit("begin");
    for turn in 0..30 {
        let name = names[random.below(names.len())];
        let file: &'static str = match name {
            "data" => "data.dvc",
            "single.csv" => "single.csv.dvc",
            "third" => "third.dvc",
            _ => "fourth.dvc",
        };
        let there = sandbox.exists(name);
        let step = match random.below(7) {
            0 | 1 if there => Step::Add(name),
            2 if there && names.iter().all(|name| sandbox.exists(name)) => Step::Record,
            3 => Step::Checkout,
            4 if sandbox.exists(file) => Step::Remove(file),
            5 if there && sandbox.exists(file) && !sandbox.exists("moved") => {
                Step::Move(name, "moved")
            }
            6 if sandbox.exists("moved.dvc") && !there && !sandbox.exists(file) => {
                Step::Move("moved", name)
            }
            _ => {
                // Somebody works with the data.
                if sandbox.root.join(name).is_dir() {
                    let path = format!("{name}/f{}", random.below(4));
                    sandbox.write(&path, format!("{turn}"));
                } else {
                    sandbox.write(name, format!("{turn}"));
                }
                if random.below(3) == 0 {
                    sandbox.commit("meanwhile");
                }
                continue;
            }
        };
        let by_us = random.below(2) == 0;
        if by_us {
            ours(&sandbox, &step);
        } else {
            theirs(&dvc, &sandbox, &step);
        }
        let who = if by_us { "ketch" } else { "dvc" };
        assert_agreement(&dvc, &sandbox, &format!("turn {turn}: {who} {step:?}"));
    }
}
