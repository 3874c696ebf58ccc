//! The page: one model's life at a glance, rendered on the server, without a script.

mod chart;
mod circle;
mod incidents;

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use ketch_control::{Event, EventKind, Phase, Snapshot, VersionRow, list_versions};
use ketch_tracking::TrackingStore;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{error::ApiError, state::ServerOptions};

/// Seconds after which a browser asks again.
const REFRESH_SECONDS: u32 = 3;

/// Entries of the audit log that the page shows; the journal has all.
const SHOWN_EVENTS: usize = 200;

const STYLE: &str = include_str!("style.css");

pub(crate) async fn home(State(options): State<Arc<ServerOptions>>) -> Response {
    match options.models.keys().next() {
        Some(first) if options.models.len() == 1 => {
            model(State(Arc::clone(&options)), Path(first.clone())).await
        }
        Some(_) => list(&options).into_response(),
        None => Redirect::to("/v2").into_response(),
    }
}

pub(crate) async fn model(
    State(options): State<Arc<ServerOptions>>,
    Path(name): Path<String>,
) -> Response {
    let Some(handle) = options.models.get(&name).cloned() else {
        return ApiError::unknown_model(&name).into_response();
    };
    let rendered = tokio::task::spawn_blocking(move || {
        let snapshot = handle.snapshot();
        // The page is still worth showing while the database is busy.
        let versions = TrackingStore::open_read_only(&options.tracking)
            .map_err(ketch_control::ControlError::from)
            .and_then(|tracking| list_versions(&tracking, &name))
            .unwrap_or_default();
        render(&snapshot, &versions)
    })
    .await;
    rendered.map_or_else(
        |_| ApiError::internal().into_response(),
        IntoResponse::into_response,
    )
}

fn list(options: &ServerOptions) -> Markup {
    document(
        "ketch",
        &html! {
            header { h1 { "ketch" } }
            section {
                h2 { "Models" }
                ul { @for name in options.models.keys() {
                    li { a href={ "/models/" (name) } { (name) } }
                } }
            }
        },
    )
}

fn render(snapshot: &Snapshot, versions: &[VersionRow]) -> Markup {
    let now = snapshot.quality.last();
    document(
        &format!("{} · ketch", snapshot.model),
        &html! {
            header {
                h1 { (snapshot.model) }
                span.phase.{ "phase-" (snapshot.phase.name()) } { (snapshot.phase.name()) }
                p.lead { (situation(snapshot)) }
            }
            (circle::circle(snapshot.phase))
            section.numbers aria-label="Numbers" {
                (figure("champion", &snapshot.state.champion.map_or("–".into(), |version| format!("version {version}"))))
                (figure("quality now", &now.and_then(|point| point.roc_auc).map_or("–".into(), |auc| format!("{auc:.3}"))))
                (figure("wrong answers now", &now.map_or("–".into(), |point| format!("{:.1} %", point.error * 100.0))))
                (figure("rows answered", &snapshot.served.to_string()))
                (figure("rows with labels", &snapshot.labelled.to_string()))
                (figure("log dropped", &snapshot.log.dropped.to_string()))
            }
            @if let Some(failure) = &snapshot.failure {
                p.failure role="alert" { "The last step failed: " (failure) }
            }
            section {
                h2 { "Quality of what was served" }
                p.note { "ROC AUC over the last 365 labelled rows, whichever version answered." }
                (chart::chart(&snapshot.quality, &snapshot.events))
            }
            section {
                h2 { "Incidents" }
                (incidents::incidents(&snapshot.events))
            }
            section {
                h2 { "Versions" }
                (versions_table(snapshot, versions))
            }
            @if let Some(drift) = &snapshot.drift {
                section {
                    h2 { "Inputs beside the reference" }
                    p.note {
                        "The last full window of " (drift.current_rows) " rows against the "
                        (drift.reference_rows) " rows the champion learnt from. A difference is a "
                        "notice; only the labelled loss opens an incident."
                    }
                    table {
                        thead { tr { th { "column" } th.number { "distance" } th.number { "q" } th { "" } } }
                        tbody { @for column in &drift.columns {
                            tr.drifted[column.drifted] {
                                td { (column.column) }
                                td.number { @if let Some(values) = column.values { (format!("{:.3}", values.statistic)) } }
                                td.number { @if let Some(q) = column.q_value { (probability(q)) } }
                                td { @if column.drifted { "differs" } @else { "like the reference" } }
                            }
                        } }
                    }
                }
            }
            section {
                h2 { "Audit log" }
                (audit_log(&snapshot.events))
            }
        },
    )
}

fn situation(snapshot: &Snapshot) -> String {
    let state = &snapshot.state;
    match (snapshot.phase, &state.rollout, &state.incident) {
        (Phase::Canary, Some(rollout), _) => format!(
            "Version {} has {} % of the traffic beside version {}.",
            rollout.candidate, rollout.weight, rollout.champion
        ),
        (Phase::Retraining, ..) => "A candidate is being trained in a clean worktree.".to_owned(),
        (Phase::Escalated, ..) => "The loop has tried what it can. A person must look.".to_owned(),
        (Phase::Collecting, _, Some(incident)) => format!(
            "Incident {} is open; labels are gathered for a retrain.",
            incident.number
        ),
        (Phase::Empty, ..) => "No version serves yet.".to_owned(),
        _ => "The champion serves and is watched.".to_owned(),
    }
}

fn figure(name: &str, value: &str) -> Markup {
    html! { div.figure { span.value { (value) } span.name { (name) } } }
}

fn versions_table(snapshot: &Snapshot, versions: &[VersionRow]) -> Markup {
    html! {
        table {
            thead { tr {
                th.number { "version" } th { "" } th { "run" } th { "commit" } th { "artifact" } th { "metrics" }
            } }
            tbody { @for row in versions {
                tr {
                    td.number { (row.version) }
                    td { (role(snapshot, row.version)) }
                    td { (row.run_name) }
                    td { code { (row.commit.as_deref().and_then(|commit| commit.get(..10)).unwrap_or("–")) } }
                    td { code title=(row.digest) { (row.digest.get(..10).unwrap_or(&row.digest)) } }
                    td { @for (key, value) in &row.metrics { span.metric { (key) " " b { (short(*value)) } } } }
                }
            } }
        }
    }
}

fn role(snapshot: &Snapshot, version: u32) -> Markup {
    let rollout = snapshot.state.rollout.as_ref();
    let was_rolled_back = snapshot.events.iter().any(|event| {
        matches!(&event.kind, EventKind::RolledBack { version: out, .. } if *out == version)
    });
    html! {
        @if snapshot.state.champion == Some(version) { span.badge.good { "champion" } }
        @else if rollout.is_some_and(|rollout| rollout.candidate == version) { span.badge.warn { "canary" } }
        @else if was_rolled_back { span.badge.bad { "rolled back" } }
    }
}

fn audit_log(events: &[Event]) -> Markup {
    html! {
        ol.log reversed {
            @for event in events.iter().rev().take(SHOWN_EVENTS) {
                li.{ "event-" (event.kind.name()) } value=(event.sequence) {
                    span.where {
                        @if let Some(at) = event.position.observed_at { "at " (at) }
                        @else { (event.position.labelled) " labels" }
                    }
                    span.who { (event.actor) }
                    span.what { (event.kind.sentence()) }
                    time datetime=(event.at) { (event.at.strftime("%H:%M:%S")) }
                }
            }
        }
        @if events.is_empty() { p.note { "Nothing has happened yet." } }
    }
}

/// Three figures, or a whole number as it is.
fn short(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value}")
    } else {
        format!("{value:.3}")
    }
}

fn probability(value: f64) -> String {
    if value < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{value:.3}")
    }
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content=(REFRESH_SECONDS);
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
}
