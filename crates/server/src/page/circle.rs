//! The circle of a model's life with the part that is at work.

use ketch_control::{LIFECYCLE, Phase};
use maud::{Markup, html};

/// The stages in a row with an arrow back, the ones at work marked.
pub(super) fn circle(phase: Phase) -> Markup {
    let active = match phase {
        Phase::Empty => &["collect"][..],
        Phase::Watching | Phase::Collecting | Phase::Escalated => &["monitor"],
        Phase::Retraining => &["retrain", "collect", "preprocess", "train", "evaluate"],
        Phase::Canary => &["deploy", "monitor"],
    };
    html! {
        nav.circle aria-label="The model's life" {
            @for stage in LIFECYCLE {
                span.stage.active[active.contains(&stage)] { (stage) }
                @if stage != "retrain" { span.arrow aria-hidden="true" { "→" } }
            }
            span.arrow aria-hidden="true" { "↺" }
        }
    }
}
