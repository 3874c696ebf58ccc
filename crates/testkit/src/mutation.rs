//! Damage to files, the same at every run.

use std::process::Command;

use camino::Utf8Path;

/// How much memory a test may take that reads damaged files, in KiB of address space.
const MOST_MEMORY: u64 = 3 << 20;

/// The files of a folder of `fuzz/seeds`, by name.
///
/// # Panics
///
/// When there are none.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("fuzz/seeds").join(target);
    let mut seeds: Vec<_> = folder
        .read_dir_utf8()
        .expect("a folder of seeds")
        .map(|entry| {
            let entry = entry.expect("a name in UTF-8");
            let bytes = fs_err::read(entry.path()).expect("a seed");
            (entry.file_name().to_owned(), bytes)
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {folder}");
    seeds
}

/// Calls `check` with each of `seeds`, then `rounds` times with one that was damaged: cut, flipped,
/// spliced with another, repeated, or with a number that is too large. The same at every run.
pub fn with_damage(seeds: &[(String, Vec<u8>)], rounds: u64, mut check: impl FnMut(&[u8])) {
    for (_, seed) in seeds {
        check(seed);
    }
    for round in 0..rounds {
        let mut random = Random(round);
        let mut bytes = random.pick(seeds).1.clone();
        for _ in 0..=random.below(3) {
            let other = &random.pick(seeds).1;
            damage(&mut bytes, other, &mut random);
            bytes.truncate(LONGEST);
        }
        check(&bytes);
    }
}

/// Runs an `#[ignore]`d test of this test binary in a process of its own that may not take more
/// than 3 GiB, so that a huge allocation fails.
///
/// # Panics
///
/// When the test fails, or is not there.
pub fn run_within_limits(test: &str) {
    let binary = std::env::current_exe().expect("the test's own program");
    let output = Command::new("sh")
        .args(["-c", "ulimit -v \"$1\" && shift && exec \"$@\"", "sh"])
        .arg(MOST_MEMORY.to_string())
        .arg(binary)
        .args(["--ignored", "--exact", "--test-threads=1", test])
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Longer ones find nothing that shorter ones do not.
const LONGEST: usize = 64 << 10;

/// Numbers that do not fit, texts that mean something somewhere, and bytes that are no text.
const TOKENS: &[&[u8]] = &[
    b"18446744073709551616",
    b"9223372036854775808",
    b"-1",
    b"1e999",
    b"0x7fffffffffffffff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x7f\xff\xff\xff",
    b"\0",
    b"\r\n",
    b"\n  ",
    b"'",
    b"\"",
    b"\"\"\"",
    b"[",
    b"{",
    b"]",
    b"}",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!binary ",
    b"!",
    b": ",
    b"- ",
    b"#",
    b"../",
    b"/",
    b"**/",
    b"\\",
    b"\\ud800",
    b"%00",
    b"\xc3\x28",
    b"\xef\xbb\xbf",
    "\u{2028}".as_bytes(),
    "é".as_bytes(),
];

fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let end = at + random.below((bytes.len() - at).min(64) + 1);
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1_u8 << random.below(8);
            }
        }
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
        4 => {
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        5 => {
            let piece = bytes[at..end].repeat(1 + random.below(40));
            bytes.splice(at..at, piece);
        }
        6 => drop(bytes.splice(at..end, random.pick(TOKENS).iter().copied())),
        _ => {
            // A whole number in the text becomes a token.
            let digit = |byte: &u8| byte.is_ascii_digit();
            if let Some(start) = bytes[at..].iter().position(digit).map(|start| at + start) {
                let length = bytes[start..].iter().take_while(|byte| digit(byte)).count();
                let token = random.pick(TOKENS).iter().copied();
                bytes.splice(start..start + length, token);
            }
        }
    }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_damage_is_the_same_every_time() {
        let seeds = vec![("a".to_owned(), b"size: 12\n".to_vec())];
        let all = |rounds| {
            let mut all = Vec::new();
            with_damage(&seeds, rounds, |bytes| all.push(bytes.to_vec()));
            all
        };
        let found = all(200);
        assert_eq!(found, all(200));
        assert_eq!(found[0], b"size: 12\n");
        let different: std::collections::BTreeSet<_> = found.iter().collect();
        assert!(different.len() > 150, "{}", different.len());
    }

    #[test]
    #[ignore = "started by the test below"]
    fn takes_too_much() {
        let bytes = vec![1_u8; 4 << 30];
        assert_eq!(bytes.last(), Some(&1));
    }

    #[test]
    #[should_panic(expected = "memory allocation")]
    fn too_much_memory_fails() {
        run_within_limits("mutation::tests::takes_too_much");
    }
}
