//! What was merged, as text: what people wrote stays.

use ketch_dvc::yaml::{self, Value};

use super::value::same;
use super::{FileKind, text_value};
use crate::{Project, ProjectError};

/// The three texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'t> {
    pub(super) base: &'t str,
    pub(super) ours: &'t str,
    pub(super) theirs: &'t str,
}

/// The text of a merged value: the lines of both sides where they merge by themselves and mean
/// just this; else our text, changed where it has to be.
pub(super) fn merged_text(
    project: &Project,
    texts: Texts<'_>,
    value: &Value,
    kind: FileKind,
) -> Result<String, ProjectError> {
    let means_it =
        |text: &str| text_value(text, "").is_ok_and(|merged| same(Some(&merged), Some(value)));
    let (merged, conflicts) = project
        .git()
        .merge_texts(texts.base, texts.ours, texts.theirs)?;
    if !conflicts && means_it(&merged) {
        return Ok(merged);
    }
    Ok(updated(texts.ours, value, kind))
}

/// The two texts in one, with marks around what differs.
pub(super) fn with_markers(
    project: &Project,
    texts: Texts<'_>,
    ours: &Value,
    theirs: &Value,
    kind: FileKind,
) -> Result<String, ProjectError> {
    let our_text = updated(texts.ours, ours, kind);
    let their_text = updated(&our_text, theirs, kind);
    // Without a common text before, every difference is a conflict.
    Ok(project.git().merge_texts("", &our_text, &their_text)?.0)
}

fn updated(text: &str, value: &Value, kind: FileKind) -> String {
    let edited = match kind {
        FileKind::DvcFile => yaml::update_text(text, value),
        // A stage is written anew as a whole, as DVC does.
        FileKind::LockFile => yaml::update_to_depth(text, value, 2),
    };
    edited.unwrap_or_else(|| yaml::emit_readable(value))
}
