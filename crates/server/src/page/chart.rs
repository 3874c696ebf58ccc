//! The quality curve as SVG, with what the loop did marked on it.

use ketch_control::{Event, EventKind, QualityPoint};
use maud::{Markup, html};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 28.0;

/// The curve over the rows' places in time, or over the count of labels where rows have none.
pub(super) fn chart(points: &[QualityPoint], events: &[Event]) -> Markup {
    let curve: Vec<(f64, f64)> = points
        .iter()
        .filter_map(|point| Some((place(point), point.roc_auc?)))
        .collect();
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else {
        return html! { p.note { "The curve begins when enough labels have arrived." } };
    };
    if first.0 >= last.0 {
        return html! { p.note { "The curve begins when enough labels have arrived." } };
    }
    let lowest = curve.iter().map(|(_, auc)| *auc).fold(0.5, f64::min);
    let floor = ((lowest - 0.03) * 10.0).floor() / 10.0;
    let scale = Scale {
        first: first.0,
        last: last.0,
        floor,
    };
    let line: Vec<String> = curve
        .iter()
        .map(|(at, auc)| format!("{:.1},{:.1}", scale.x(*at), scale.y(*auc)))
        .collect();
    let mut marks: Vec<Mark> = events
        .iter()
        .filter_map(|event| mark(event, &scale))
        .collect();
    // What matters most is drawn last, where marks stand on each other.
    marks.sort_by_key(|mark| KINDS.iter().position(|kind| *kind == mark.kind));
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
            aria-label={ "Quality from " (scale.first) " to " (scale.last) } {
            @for step in grid(floor) {
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(one(scale.y(step))) y2=(one(scale.y(step))) {}
                text.axis x=(LEFT - 6.0) y=(one(scale.y(step) + 4.0)) text-anchor="end" { (format!("{step:.1}")) }
            }
            line.coin x1=(LEFT) x2=(WIDTH - RIGHT) y1=(one(scale.y(0.5))) y2=(one(scale.y(0.5))) {}
            text.axis x=(WIDTH - RIGHT) y=(one(scale.y(0.5) - 4.0)) text-anchor="end" { "a coin" }
            @for at in ticks(&scale) {
                text.axis x=(one(scale.x(at))) y=(HEIGHT - 8.0) text-anchor="middle" { (at) }
            }
            @for mark in &marks {
                g.mark.{ "mark-" (mark.kind) } {
                    title { (mark.sentence) }
                    line x1=(one(mark.x)) x2=(one(mark.x)) y1=(TOP - 8.0) y2=(HEIGHT - BOTTOM) {}
                    circle cx=(one(mark.x)) cy=(TOP - 12.0) r="5" {}
                }
            }
            polyline.curve points=(line.join(" ")) {}
        }
        p.legend {
            span.key.mark-incident { "incident" }
            span.key.mark-canary { "canary" }
            span.key.mark-promoted { "promoted" }
            span.key.mark-rollback { "rolled back" }
            span.key.mark-refused { "gate refused" }
        }
    }
}

/// Kinds of marks, the most important one last.
const KINDS: [&str; 5] = ["refused", "canary", "promoted", "rollback", "incident"];

struct Scale {
    first: f64,
    last: f64,
    floor: f64,
}

impl Scale {
    fn x(&self, at: f64) -> f64 {
        LEFT + (at - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, auc: f64) -> f64 {
        HEIGHT - BOTTOM - (auc - self.floor) / (1.0 - self.floor) * (HEIGHT - BOTTOM - TOP)
    }
}

struct Mark {
    x: f64,
    kind: &'static str,
    sentence: String,
}

fn mark(event: &Event, scale: &Scale) -> Option<Mark> {
    let kind = match &event.kind {
        EventKind::IncidentOpened { .. } | EventKind::Escalated { .. } => "incident",
        EventKind::RolloutStarted { .. } => "canary",
        EventKind::Promoted { .. } => "promoted",
        EventKind::RolledBack { .. } => "rollback",
        EventKind::GateChecked { passed: false, .. } => "refused",
        _ => return None,
    };
    let at = event
        .position
        .observed_at
        .unwrap_or(event.position.labelled as f64);
    let inside = at >= scale.first && at <= scale.last * 1.001;
    inside.then(|| Mark {
        x: scale.x(at.min(scale.last)),
        kind,
        sentence: format!("at {at}: {}", event.kind.sentence()),
    })
}

fn place(point: &QualityPoint) -> f64 {
    point.observed_at.unwrap_or(point.labelled as f64)
}

fn grid(floor: f64) -> Vec<f64> {
    (0..=10)
        .map(|tenth| f64::from(tenth) / 10.0)
        .filter(|step| *step >= floor && (floor > 0.35 || (*step * 10.0).round() % 2.0 == 0.0))
        .collect()
}

fn ticks(scale: &Scale) -> Vec<f64> {
    let raw = (scale.last - scale.first) / 8.0;
    let magnitude = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| *step >= raw)
        .unwrap_or(raw)
        .max(1.0);
    let begin = (scale.first / step).ceil() as i64;
    let end = (scale.last / step).floor() as i64;
    (begin..=end).map(|tick| tick as f64 * step).collect()
}

/// One decimal is a tenth of a pixel.
fn one(value: f64) -> String {
    format!("{value:.1}")
}
