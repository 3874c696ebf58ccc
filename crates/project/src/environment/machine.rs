//! The machine, out of the files in which Linux describes it.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::circumstances::Circumstances;
use super::document::{Container, Cpu, Gpu, System};

/// Enough for the first processor in `/proc/cpuinfo`: the file is as long as there are processors.
const CPUINFO: u64 = 1 << 14;

/// Instructions that change how numbers are computed, by how their names begin.
const FEATURES: [&str; 17] = [
    "aes", "amx", "asimd", "avx", "bf16", "bmi", "f16c", "fma", "fphp", "i8mm", "neon", "pclmul",
    "popcnt", "rvv", "sse4", "ssse3", "sve",
];

/// What the GNU C Library says of itself before its version.
const GLIBC: &[u8] = b"GNU C Library ";
const GLIBC_VERSION: &[u8] = b"release version ";

pub(super) fn system(circumstances: &Circumstances) -> System {
    System {
        os: std::env::consts::OS.to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        distribution: line_file(circumstances, "/etc/os-release")
            .or_else(|| line_file(circumstances, "/usr/lib/os-release"))
            .and_then(|text| distribution(&text)),
        kernel: first_line(circumstances, "/proc/sys/kernel/osrelease"),
        libc: libc(circumstances),
    }
}

pub(super) fn cpu(circumstances: &Circumstances) -> Cpu {
    let mut text = Vec::new();
    if let Ok(file) = fs_err::File::open(circumstances.on_machine("/proc/cpuinfo")) {
        // What could be read counts.
        let _ = file.take(CPUINFO).read_to_end(&mut text);
    }
    let text = String::from_utf8_lossy(&text);
    let value = |names: &[&str]| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            names
                .contains(&name.trim())
                .then(|| value.trim().to_owned())
        })
    };
    let all = value(&["flags", "Features", "isa"]).unwrap_or_default();
    let mut features: Vec<String> = all
        .split_whitespace()
        .filter(|name| FEATURES.iter().any(|begin| name.starts_with(begin)))
        .map(str::to_owned)
        .collect();
    features.sort();
    features.dedup();
    Cpu {
        model: value(&["model name", "uarch"]).filter(|model| !model.is_empty()),
        features,
    }
}

pub(super) fn gpu(circumstances: &Circumstances) -> Option<Gpu> {
    let version = first_line(circumstances, "/proc/driver/nvidia/version")?;
    let is_version = |word: &&str| {
        word.contains('.')
            && word
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let driver = version.split_whitespace().find(is_version)?.to_owned();
    let cards = circumstances.on_machine("/proc/driver/nvidia/gpus");
    let mut cards: Vec<Utf8PathBuf> = listing(&cards);
    cards.sort();
    let model = |card: &Utf8PathBuf| {
        let text = fs_err::read_to_string(card.join("information")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
        Some(line.trim().to_owned())
    };
    Some(Gpu {
        driver,
        models: cards.iter().filter_map(model).collect(),
    })
}

/// `KETCH_IMAGE` says what nobody inside of a container can know.
pub(super) fn container(circumstances: &Circumstances) -> Option<Container> {
    let said = circumstances.get("KETCH_IMAGE").map(str::to_owned);
    if let Some(text) = line_file(circumstances, "/run/.containerenv") {
        return Some(Container {
            engine: Some(assigned(&text, "engine").unwrap_or_else(|| "podman".to_owned())),
            image: said.or_else(|| assigned(&text, "image")),
        });
    }
    let engine = circumstances
        .on_machine("/.dockerenv")
        .exists()
        .then(|| "docker".to_owned());
    (engine.is_some() || said.is_some()).then_some(Container {
        engine,
        image: said,
    })
}

/// What is different after each start, and on each machine.
pub(super) fn start_id(circumstances: &Circumstances) -> String {
    first_line(circumstances, "/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

fn distribution(text: &str) -> Option<String> {
    let id = assigned(text, "ID")?;
    Some(match assigned(text, "VERSION_ID") {
        Some(version) => format!("{id} {version}"),
        None => id,
    })
}

/// The value of `name=value`, with or without quotes.
fn assigned(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches(['"', '\'']))
    })?;
    (!value.is_empty()).then(|| value.to_owned())
}

fn libc(circumstances: &Circumstances) -> Option<String> {
    let folders = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(str::to_owned);
    let multiarch =
        ["/lib", "/usr/lib"].map(|folder| format!("{folder}/{}-linux-gnu", std::env::consts::ARCH));
    for folder in multiarch.into_iter().chain(folders) {
        let path = circumstances.on_machine(&format!("{folder}/libc.so.6"));
        if let Ok(bytes) = fs_err::read(&path) {
            return Some(match glibc_version(&bytes) {
                Some(version) => format!("glibc {version}"),
                None => "glibc".to_owned(),
            });
        }
    }
    let musl = listing(&circumstances.on_machine("/lib"));
    let musl = musl.iter().filter_map(|path| path.file_name());
    let mut musl = musl.filter(|name| name.starts_with("ld-musl-"));
    musl.next().map(|_| "musl".to_owned())
}

fn glibc_version(bytes: &[u8]) -> Option<String> {
    let said = after(bytes, GLIBC)?;
    let version = after(said, GLIBC_VERSION)?;
    let end = version
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let version = std::str::from_utf8(version.get(..end)?).ok()?;
    Some(version.trim_end_matches('.').to_owned())
}

/// What comes after the first place of `needle`.
pub(super) fn after<'a>(bytes: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    let first = needle.first()?;
    let mut rest = bytes;
    loop {
        let place = rest.iter().position(|byte| byte == first)?;
        rest = rest.get(place..)?;
        if let Some(found) = rest.strip_prefix(needle) {
            return Some(found);
        }
        rest = rest.get(1..)?;
    }
}

/// What is in a directory; nothing where it cannot be read.
pub(super) fn listing(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = directory.read_dir_utf8() else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.into_path()))
        .collect()
}

fn line_file(circumstances: &Circumstances, path: &str) -> Option<String> {
    fs_err::read_to_string(circumstances.on_machine(path)).ok()
}

fn first_line(circumstances: &Circumstances, path: &str) -> Option<String> {
    let text = line_file(circumstances, path)?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Circumstances) {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        for (path, text) in files {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let circumstances = Circumstances::default().with_machine(root);
        (directory, circumstances)
    }

    #[test]
    fn a_machine_with_a_graphics_card_is_described() {
        let (_guard, machine) = machine(&[
            (
                "etc/os-release",
                "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n",
            ),
            ("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n"),
            (
                "proc/cpuinfo",
                "processor\t: 0\nmodel name\t: AMD EPYC 7B13\nflags\t\t: fpu avx2 sse4_2 lm fma\n\nprocessor\t: 1\n",
            ),
            (
                "proc/driver/nvidia/version",
                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n",
            ),
            (
                "proc/driver/nvidia/gpus/0000:01:00.0/information",
                "Model: \t\t NVIDIA A100\nIRQ: 1\n",
            ),
            (
                "lib64/libc.so.6",
                "\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\nCopyright",
            ),
            (
                "run/.containerenv",
                "engine=\"podman-4.3.1\"\nimage=\"docker.io/library/python:3.12\"\n",
            ),
        ]);
        let found = system(&machine);
        assert_eq!(found.distribution.as_deref(), Some("debian 12"));
        assert_eq!(found.kernel.as_deref(), Some("6.1.0-18-amd64"));
        assert_eq!(found.libc.as_deref(), Some("glibc 2.36"));
        let found = cpu(&machine);
        assert_eq!(found.model.as_deref(), Some("AMD EPYC 7B13"));
        assert_eq!(found.features, ["avx2", "fma", "sse4_2"]);
        let found = gpu(&machine).unwrap();
        assert_eq!(found.driver, "535.104.05");
        assert_eq!(found.models, ["NVIDIA A100"]);
        let found = container(&machine).unwrap();
        assert_eq!(found.engine.as_deref(), Some("podman-4.3.1"));
        assert_eq!(
            found.image.as_deref(),
            Some("docker.io/library/python:3.12")
        );
    }

    #[test]
    fn a_machine_that_says_nothing_is_described_too() {
        let (_guard, machine) = machine(&[]);
        let found = system(&machine);
        assert_eq!(
            (found.distribution, found.kernel, found.libc),
            (None, None, None)
        );
        assert_eq!(cpu(&machine), Cpu::default());
        assert_eq!((gpu(&machine), container(&machine)), (None, None));
    }
}
