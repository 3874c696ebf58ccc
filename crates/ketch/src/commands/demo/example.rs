//! The example project, which is part of this binary.

/// Path below the project, and content.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        ".gitignore",
        include_str!("../../../../../examples/rain/.gitignore"),
    ),
    (
        "README.md",
        include_str!("../../../../../examples/rain/README.md"),
    ),
    (
        "dvc.yaml",
        include_str!("../../../../../examples/rain/dvc.yaml"),
    ),
    (
        "ketch.toml",
        include_str!("../../../../../examples/rain/ketch.toml"),
    ),
    (
        "params.yaml",
        include_str!("../../../../../examples/rain/params.yaml"),
    ),
    (
        "requirements.in",
        include_str!("../../../../../examples/rain/requirements.in"),
    ),
    (
        "requirements.lock",
        include_str!("../../../../../examples/rain/requirements.lock"),
    ),
    (
        "src/collect.py",
        include_str!("../../../../../examples/rain/src/collect.py"),
    ),
    (
        "src/evaluate.py",
        include_str!("../../../../../examples/rain/src/evaluate.py"),
    ),
    (
        "src/parameters.py",
        include_str!("../../../../../examples/rain/src/parameters.py"),
    ),
    (
        "src/prepare.py",
        include_str!("../../../../../examples/rain/src/prepare.py"),
    ),
    (
        "src/recipe.py",
        include_str!("../../../../../examples/rain/src/recipe.py"),
    ),
    (
        "src/train.py",
        include_str!("../../../../../examples/rain/src/train.py"),
    ),
];

/// The packages that the example needs.
pub(super) const REQUIREMENTS: &str =
    include_str!("../../../../../examples/rain/requirements.lock");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use camino::Utf8Path;

    use super::FILES;

    #[test]
    fn every_file_of_the_example_is_in_the_binary() {
        let root = Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/rain"));
        let mut found = BTreeSet::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir_utf8().unwrap() {
                let path = entry.unwrap().into_path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.strip_prefix(root).unwrap().to_string());
                }
            }
        }
        let embedded: BTreeSet<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(found, embedded);
    }
}
