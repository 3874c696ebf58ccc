//! What differs between two environments.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::document::{Container, Environment, Manager, Package, PackageOrigin};

/// Packages that put others in place and compute nothing.
const INSTALLERS: [&str; 3] = ["pip", "uv", "wheel"];

/// How much of a package's hash is shown.
const SHOWN_HASH: usize = 8;

/// One thing that differs. A value is none where the thing is not there or not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `python`, the name of a package, `libc`, `variable TZ` …
    pub what: String,
    pub from: Option<String>,
    pub to: Option<String>,
    pub weight: Weight,
}

/// Whether a difference can show in results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// It can: interpreter, packages, C library, instructions, graphics card, variables.
    Result,
    /// Hardly ever: the kernel, the processor's name, pip.
    Context,
}

/// All that differs, the weightiest first.
pub(super) fn differences(from: &Environment, to: &Environment) -> Vec<Difference> {
    let mut found = Differences::default();
    let python = |environment: &Environment| {
        let interpreter = environment.interpreter.as_ref()?;
        let version = interpreter.version.as_deref().unwrap_or_default();
        Some(match interpreter.name.as_str() {
            "CPython" => version.to_owned(),
            other => format!("{other} {version}"),
        })
    };
    found.add("python", python(from), python(to), Weight::Result);
    found.packages(from, to);
    let own = |text: &str| Some(text.to_owned());
    let (old, new) = (&from.system, &to.system);
    found.add("os", own(&old.os), own(&new.os), Weight::Result);
    found.add(
        "architecture",
        own(&old.architecture),
        own(&new.architecture),
        Weight::Result,
    );
    found.add(
        "distribution",
        old.distribution.clone(),
        new.distribution.clone(),
        Weight::Result,
    );
    found.add("libc", old.libc.clone(), new.libc.clone(), Weight::Result);
    found.features(from, to);
    let driver = |environment: &Environment| Some(environment.gpu.as_ref()?.driver.clone());
    let cards = |environment: &Environment| {
        let models = &environment.gpu.as_ref()?.models;
        (!models.is_empty()).then(|| models.join(", "))
    };
    found.add("gpu", cards(from), cards(to), Weight::Result);
    found.add("gpu driver", driver(from), driver(to), Weight::Result);
    let names: BTreeSet<&String> = from.variables.keys().chain(to.variables.keys()).collect();
    for name in names {
        let value = |environment: &Environment| environment.variables.get(name).cloned();
        found.add(
            &format!("variable {name}"),
            value(from),
            value(to),
            Weight::Result,
        );
    }
    found.add(
        "kernel",
        old.kernel.clone(),
        new.kernel.clone(),
        Weight::Context,
    );
    found.add(
        "cpu",
        from.cpu.model.clone(),
        to.cpu.model.clone(),
        Weight::Context,
    );
    let container = |environment: &Environment| environment.container.as_ref().map(container);
    found.add("container", container(from), container(to), Weight::Context);
    let mut all = found.0;
    // What changed says more than what is only in one.
    let lonely = |one: &Difference| one.from.is_none() || one.to.is_none();
    all.sort_by_key(|difference| (difference.weight, lonely(difference)));
    all
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn add(&mut self, what: &str, from: Option<String>, to: Option<String>, weight: Weight) {
        if from != to {
            self.0.push(Difference {
                what: what.to_owned(),
                from,
                to,
                weight,
            });
        }
    }

    fn packages(&mut self, from: &Environment, to: &Environment) {
        let (old, new) = (by_name(from), by_name(to));
        let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        for name in names {
            let (old, new) = (old.get(name), new.get(name));
            let (mut left, mut right) = (
                old.map(|packages| versions(packages)),
                new.map(|packages| versions(packages)),
            );
            if let (Some([old]), Some([new])) = (old.map(Vec::as_slice), new.map(Vec::as_slice))
                && left == right
                && let (Some(one), Some(other)) = (&old.content, &new.content)
                && one != other
            {
                left = left.map(|version| with_hash(&version, one));
                right = right.map(|version| with_hash(&version, other));
            }
            let weight = if INSTALLERS.contains(&name) {
                Weight::Context
            } else {
                Weight::Result
            };
            self.add(name, left, right, weight);
        }
    }

    /// Only what one has and the other has not.
    fn features(&mut self, from: &Environment, to: &Environment) {
        let only = |one: &Environment, other: &Environment| {
            let features = one.cpu.features.iter();
            let only: Vec<&str> = features
                .filter(|feature| !other.cpu.features.contains(feature))
                .map(String::as_str)
                .collect();
            (!only.is_empty()).then(|| only.join(" "))
        };
        self.add(
            "cpu features",
            only(from, to),
            only(to, from),
            Weight::Result,
        );
    }
}

/// Conda's and pip's packages of one name are together.
fn by_name(environment: &Environment) -> BTreeMap<&str, Vec<&Package>> {
    let mut found: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in &environment.packages {
        found.entry(&package.name).or_default().push(package);
    }
    found
}

fn versions(packages: &[&Package]) -> String {
    let all: Vec<String> = packages.iter().map(|package| version(package)).collect();
    all.join(", ")
}

/// `2.0 [1a2b3c4d]`
fn with_hash(version: &str, hash: &str) -> String {
    let digits = hash.rsplit(':').next().unwrap_or_default();
    let digits: String = digits.chars().take(SHOWN_HASH).collect();
    format!("{version} [{digits}]")
}

/// `1.26.4`, and of Conda's packages the build, of others where they are from.
fn version(package: &Package) -> String {
    let version = match &package.build {
        Some(build) if !build.is_empty() => format!("{}={build}", package.version),
        _ => package.version.clone(),
    };
    match &package.origin {
        Some(PackageOrigin::Git { url, commit, .. }) => format!("{version} ({url}@{commit})"),
        Some(PackageOrigin::Archive { url, .. }) if package.manager == Manager::Pip => {
            format!("{version} ({url})")
        }
        Some(PackageOrigin::Local { editable: true, .. }) => format!("{version} (editable)"),
        Some(PackageOrigin::Local { .. }) => format!("{version} (local)"),
        Some(PackageOrigin::Archive { .. }) | None => version,
    }
}

pub(super) fn container(container: &Container) -> String {
    let parts = [&container.engine, &container.image];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    parts.join(" ")
}
