//! What the process was started with, as far as results depend on it.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

/// Variables that say where things are; their values are used, not recorded.
const PLACES: [&str; 8] = [
    "CONDA_PREFIX",
    "HOME",
    "KETCH_IMAGE",
    "PATH",
    "PYENV_VERSION",
    "PYTHONNOUSERSITE",
    "PYTHONPATH",
    "VIRTUAL_ENV",
];

/// Variables that change what programs compute; these are recorded.
const RECORDED: [&str; 27] = [
    "BLIS_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_DEVICE_ORDER",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_VISIBLE_DEVICES",
    "GOTO_NUM_THREADS",
    "HIP_VISIBLE_DEVICES",
    "JAX_ENABLE_X64",
    "JAX_PLATFORMS",
    "LANG",
    "LANGUAGE",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "PYTHONHASHSEED",
    "PYTHONOPTIMIZE",
    "PYTHONUTF8",
    "RAYON_NUM_THREADS",
    "ROCR_VISIBLE_DEVICES",
    "SOURCE_DATE_EPOCH",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TZ",
    "VECLIB_MAXIMUM_THREADS",
    "XLA_FLAGS",
];

/// Of whole families all are recorded.
const RECORDED_FAMILIES: [&str; 5] = ["KMP_", "LC_", "MKL_", "OMP_", "OPENBLAS_"];

/// What the name of a secret has in it.
const SECRET: [&str; 6] = ["CREDENTIAL", "KEY", "PASS", "PWD", "SECRET", "TOKEN"];

/// The longest value that is recorded, in bytes.
const LONGEST_VALUE: usize = 1024;

/// Variables of the process, and where the machine's files are.
#[derive(Debug, Clone)]
pub struct Circumstances {
    variables: BTreeMap<String, String>,
    machine: Utf8PathBuf,
}

impl Default for Circumstances {
    fn default() -> Self {
        Self {
            variables: BTreeMap::new(),
            machine: "/".into(),
        }
    }
}

impl FromIterator<(String, String)> for Circumstances {
    /// Variables that nobody asks for, or without a value, are left out.
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        let mut circumstances = Self::default();
        for (name, value) in variables {
            circumstances.set(name, value);
        }
        circumstances
    }
}

impl Circumstances {
    /// Whether the variable of this name counts.
    pub fn asks_for(name: &str) -> bool {
        PLACES.contains(&name) || is_recorded(name)
    }

    /// The same on a machine whose root directory is elsewhere.
    #[must_use]
    pub fn with_machine(mut self, root: impl Into<Utf8PathBuf>) -> Self {
        self.machine = root.into();
        self
    }

    /// The same with variables that the commands get besides.
    pub(super) fn with(&self, variables: &[(String, String)]) -> Self {
        let mut circumstances = self.clone();
        for (name, value) in variables {
            circumstances.set(name.clone(), value.clone());
        }
        circumstances
    }

    fn set(&mut self, name: String, value: String) {
        if !Self::asks_for(&name) {
            return;
        }
        if value.is_empty() {
            self.variables.remove(&name);
        } else {
            self.variables.insert(name, value);
        }
    }

    /// A variable that is set to something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The absolute directories of `PATH` or the like, in order.
    pub(super) fn directories(&self, name: &str) -> impl Iterator<Item = &Utf8Path> {
        let listed = self.get(name).unwrap_or_default().split(':');
        listed.map(Utf8Path::new).filter(|path| path.is_absolute())
    }

    /// A file of the machine, by its absolute path.
    pub(super) fn on_machine(&self, path: &str) -> Utf8PathBuf {
        self.machine.join(path.trim_start_matches('/'))
    }

    /// What is recorded.
    pub(super) fn recorded(&self) -> BTreeMap<String, String> {
        self.variables
            .iter()
            .filter(|(name, value)| is_recorded(name) && is_harmless(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

fn is_recorded(name: &str) -> bool {
    let listed = RECORDED.contains(&name)
        || RECORDED_FAMILIES
            .iter()
            .any(|family| name.starts_with(family));
    listed && !SECRET.iter().any(|word| name.contains(word))
}

/// A value that looks like an address may have a password in it.
fn is_harmless(value: &str) -> bool {
    value.len() <= LONGEST_VALUE && !value.contains("://") && !value.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circumstances(variables: &[(&str, &str)]) -> Circumstances {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn only_what_changes_results_is_recorded_and_no_secret() {
        let found = circumstances(&[
            ("OMP_NUM_THREADS", "4"),
            ("PYTHONHASHSEED", "0"),
            ("LC_ALL", "C"),
            ("PATH", "/bin"),
            ("HOME", "/home/ana"),
            ("AWS_SECRET_ACCESS_KEY", "hidden"),
            ("MKL_LICENSE_KEY", "hidden"),
            ("OMP_TOKEN", "hidden"),
            ("XLA_FLAGS", "--dump=https://ana:hidden@host/x"),
            ("TZ", ""),
        ])
        .recorded();
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["LC_ALL", "OMP_NUM_THREADS", "PYTHONHASHSEED"]);
    }

    #[test]
    fn lists_are_in_order() {
        assert!(RECORDED.is_sorted() && PLACES.is_sorted() && RECORDED_FAMILIES.is_sorted());
    }
}
