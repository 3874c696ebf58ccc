//! Names that people choose, with MLflow's rules.

use crate::error::TrackingError;
use crate::id::{Broken, checked_text};

/// Longest key of a metric, a param or a tag, in characters.
const LONGEST_KEY: usize = 250;
/// Longest value of a param, in characters. MLflow cuts longer ones off without a word; we refuse.
const LONGEST_PARAM: usize = 6_000;
/// Longest value of a run's tag, in characters. MLflow cuts longer ones off; we refuse.
const LONGEST_TAG: usize = 8_000;
/// Longest value of a tag in the registry, in characters.
const LONGEST_REGISTRY_TAG: usize = 100_000;
/// Longest name of an experiment, in characters.
const LONGEST_EXPERIMENT: usize = 500;
/// Longest name of a run or a user, in characters: the width of MLflow's columns.
const LONGEST_RUN_NAME: usize = 250;
/// Longest source of a model version, in characters: the width of MLflow's column.
const LONGEST_SOURCE: usize = 500;

checked_text! {
    /// A registered model. MLflow's rule (no `/`, no `:`, no name that is a path step, at most 256
    /// characters) and, because the name becomes a part of paths and addresses, no `\` and no
    /// control character.
    ModelName, "model name", check_model_name
}

checked_text! {
    /// A movable name for a model version, such as `champion`: letters, digits, `_` and `-`, at
    /// most 255. `latest` and `v1`, `v2`… are reserved, in any case.
    Alias, "alias", check_alias
}

checked_text! {
    /// Where a model version's bytes lie: a path inside the project with `/` between its parts.
    /// Absolute paths, `..`, addresses and control characters are refused, so a stored source
    /// can never be made to point elsewhere.
    ArtifactPath, "artifact path", check_artifact_path
}

fn check_model_name(text: &str) -> Result<(), Broken> {
    let advice = "use letters, digits, `-`, `_`, `.` and spaces";
    let reason = if text.trim().is_empty() {
        "it is empty"
    } else if text.contains(['/', ':', '\\']) {
        "it contains `/`, `:` or `\\`"
    } else if text.chars().any(char::is_control) {
        "it contains a control character"
    } else if text == "." || text.starts_with("..") {
        "it is a path step"
    } else if longer_than(text, 256) {
        "it is longer than 256 characters"
    } else {
        return Ok(());
    };
    Err(Broken { reason, advice })
}

fn check_alias(text: &str) -> Result<(), Broken> {
    let advice = "use letters, digits, `_` and `-`, for example `champion`";
    let reason = if text.is_empty() {
        "it is empty"
    } else if !text.chars().all(|c| is_word(c) || c == '-') {
        "it contains something else than letters, digits, `_` and `-`"
    } else if longer_than(text, 255) {
        "it is longer than 255 characters"
    } else if text.eq_ignore_ascii_case("latest") {
        "it is reserved for the highest version"
    } else if text
        .strip_prefix(['v', 'V'])
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(char::is_numeric))
    {
        "it is reserved for a version number"
    } else {
        return Ok(());
    };
    Err(Broken { reason, advice })
}

fn check_artifact_path(text: &str) -> Result<(), Broken> {
    let advice = "give a path inside the project, for example `models/rain.onnx`";
    let reason = if text.is_empty() {
        "it is empty"
    } else if text.starts_with('/') {
        "it is absolute"
    } else if text.contains([':', '\\', '#', '?']) {
        "it contains `:`, `\\`, `#` or `?`"
    } else if text.chars().any(char::is_control) {
        "it contains a control character"
    } else if text.split('/').any(|step| matches!(step, "" | "." | "..")) {
        "it contains an empty step, `.` or `..`"
    } else if longer_than(text, LONGEST_SOURCE) {
        "it is longer than 500 characters"
    } else {
        return Ok(());
    };
    Err(Broken { reason, advice })
}

/// Checks the key of a metric, a param or a tag; `what` says which.
pub(crate) fn check_key(what: &'static str, key: &str) -> Result<(), TrackingError> {
    let advice = "use letters, digits, `_`, `-`, `.`, `:`, spaces and single slashes between parts";
    let reason = if key.is_empty() {
        "it is empty"
    } else if !key.chars().all(|c| is_word(c) || "/.- :".contains(c)) {
        "it contains a character that is not allowed"
    } else if key.starts_with("..") || key.split('/').any(|step| matches!(step, "" | "." | "..")) {
        "as a path it would be another name"
    } else if longer_than(key, LONGEST_KEY) {
        "it is longer than 250 characters"
    } else {
        return Ok(());
    };
    Err(Broken { reason, advice }.error(what, key))
}

pub(crate) fn check_param_value(value: &str) -> Result<(), TrackingError> {
    check_length(
        "param value",
        value,
        LONGEST_PARAM,
        "it is longer than 6,000 characters",
    )
}

pub(crate) fn check_tag_value(value: &str) -> Result<(), TrackingError> {
    check_length(
        "tag value",
        value,
        LONGEST_TAG,
        "it is longer than 8,000 characters",
    )
}

pub(crate) fn check_registry_tag_value(value: &str) -> Result<(), TrackingError> {
    let reason = "it is longer than 100,000 characters";
    check_length("tag value", value, LONGEST_REGISTRY_TAG, reason)
}

pub(crate) fn check_experiment_name(name: &str) -> Result<(), TrackingError> {
    check_line("experiment name", name)?;
    check_length(
        "experiment name",
        name,
        LONGEST_EXPERIMENT,
        "it is longer than 500 characters",
    )
}

pub(crate) fn check_run_name(name: &str) -> Result<(), TrackingError> {
    check_line("run name", name)?;
    check_length(
        "run name",
        name,
        LONGEST_RUN_NAME,
        "it is longer than 250 characters",
    )
}

pub(crate) fn check_user(user: &str) -> Result<(), TrackingError> {
    check_line("user", user)?;
    check_length(
        "user",
        user,
        LONGEST_RUN_NAME,
        "it is longer than 250 characters",
    )
}

pub(crate) fn check_reason(reason: &str) -> Result<(), TrackingError> {
    if reason.trim().is_empty() {
        let advice = "say in a sentence why the alias moves";
        return Err(Broken {
            reason: "it is empty",
            advice,
        }
        .error("reason", reason));
    }
    check_length(
        "reason",
        reason,
        LONGEST_TAG,
        "it is longer than 8,000 characters",
    )
}

fn check_line(what: &'static str, text: &str) -> Result<(), TrackingError> {
    let reason = if text.trim().is_empty() {
        "it is empty"
    } else if text.chars().any(char::is_control) {
        "it contains a control character"
    } else {
        return Ok(());
    };
    Err(Broken {
        reason,
        advice: "give a short text on one line",
    }
    .error(what, text))
}

fn check_length(
    what: &'static str,
    text: &str,
    longest: usize,
    reason: &'static str,
) -> Result<(), TrackingError> {
    if longer_than(text, longest) {
        let advice = "shorten it, or store it as a file and log that";
        return Err(Broken { reason, advice }.error(what, text));
    }
    Ok(())
}

fn longer_than(text: &str, longest: usize) -> bool {
    text.chars().nth(longest).is_some()
}

/// A letter or digit of any script, or `_`: what MLflow's name rules call a word character.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn artifact_paths_stay_inside_the_project() {
        for good in ["model.onnx", "models/rain v2.onnx", "..a/b", ".hidden"] {
            assert!(good.parse::<ArtifactPath>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "//proc/self/root",
            "../x",
            "a/../../x",
            "a//b",
            "./a",
            "a/",
            ".",
            "file:///etc/passwd",
            "C:\\x",
            "a\\..\\b",
            "a#/../b",
            "a?b",
            "a\0b",
            "a\nb",
        ] {
            assert!(bad.parse::<ArtifactPath>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(501).parse::<ArtifactPath>().is_err());
    }

    #[test]
    fn what_mlflow_lets_through_by_accident_is_refused() {
        // A pattern ending in `$` also matches before a last line feed.
        assert!(check_key("metric name", "loss\n").is_err());
        assert!("champion\n".parse::<Alias>().is_err());
        assert!("rain\0".parse::<ModelName>().is_err());
    }

    proptest! {
        #[test]
        fn aliases_obey_their_rule(text in "\\PC{0,12}|[vV]?[0-9a-z_-]{0,6}|(?i)latest") {
            let reserved = text.to_lowercase() == "latest"
                || (text.len() > 1
                    && text.starts_with(['v', 'V'])
                    && text.chars().skip(1).all(char::is_numeric));
            let words = !text.is_empty()
                && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
            prop_assert_eq!(text.parse::<Alias>().is_ok(), words && !reserved);
        }

        #[test]
        fn names_survive_text_and_never_panic(text in any::<String>()) {
            if let Ok(alias) = text.parse::<Alias>() {
                prop_assert_eq!(alias.as_str(), text.as_str());
            }
            if let Ok(name) = text.parse::<ModelName>() {
                prop_assert_eq!(name.to_string(), text.as_str());
            }
            let _ = check_key("metric name", &text);
            let _ = text.parse::<ArtifactPath>();
        }
    }
}
