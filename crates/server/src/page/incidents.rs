//! What went wrong and what ended it, one row an incident.

use ketch_control::{Event, EventKind};
use maud::{Markup, html};

/// One incident, folded from its events.
struct Incident<'a> {
    number: u64,
    opened: &'a Event,
    resolved: Option<(&'a Event, u32)>,
    escalated: bool,
}

pub(super) fn incidents(events: &[Event]) -> Markup {
    let incidents = fold(events);
    html! {
        @if incidents.is_empty() {
            p.note { "None so far: the champion's labelled loss has not risen." }
        } @else {
            table {
                thead { tr {
                    th.number { "incident" } th { "" } th.number { "changed at" } th.number { "opened at" }
                    th.number { "loss before" } th.number { "loss after" } th { "inputs that differ too" } th { "ended" }
                } }
                tbody { @for incident in incidents.iter().rev() { (row(incident)) } }
            }
        }
    }
}

fn row(incident: &Incident<'_>) -> Markup {
    let EventKind::IncidentOpened {
        loss_before,
        loss_after,
        changed_after,
        changed_at,
        drifted_columns,
        ..
    } = &incident.opened.kind
    else {
        return html! {};
    };
    html! {
        tr {
            td.number { (incident.number) }
            td {
                @if incident.resolved.is_some() { span.badge.good { "resolved" } }
                @else if incident.escalated { span.badge.bad { "needs a person" } }
                @else { span.badge.warn { "open" } }
            }
            td.number { (changed_at.map_or_else(|| format!("{changed_after} labels"), |at| at.to_string())) }
            td.number { (place(incident.opened)) }
            td.number { (format!("{loss_before:.3}")) }
            td.number { (format!("{loss_after:.3}")) }
            td { @if drifted_columns.is_empty() { "none" } @else { (drifted_columns.join(", ")) } }
            td { @match incident.resolved {
                Some((event, version)) => { "by version " (version) " at " (place(event)) }
                None => { "not yet" }
            } }
        }
    }
}

/// Where in the data something happened: the row's place in time, or how many labels there were.
fn place(event: &Event) -> String {
    event.position.observed_at.map_or_else(
        || format!("{} labels", event.position.labelled),
        |at| at.to_string(),
    )
}

fn fold(events: &[Event]) -> Vec<Incident<'_>> {
    let mut incidents: Vec<Incident<'_>> = Vec::new();
    for event in events {
        match &event.kind {
            EventKind::IncidentOpened { incident, .. } => incidents.push(Incident {
                number: *incident,
                opened: event,
                resolved: None,
                escalated: false,
            }),
            EventKind::IncidentResolved { incident, version } => {
                if let Some(known) = find(&mut incidents, *incident) {
                    known.resolved = Some((event, *version));
                }
            }
            EventKind::Escalated { incident, .. } => {
                if let Some(known) = find(&mut incidents, *incident) {
                    known.escalated = true;
                }
            }
            _ => {}
        }
    }
    incidents
}

fn find<'a, 'b>(incidents: &'a mut [Incident<'b>], number: u64) -> Option<&'a mut Incident<'b>> {
    incidents
        .iter_mut()
        .find(|incident| incident.number == number)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use ketch_control::Position;

    use super::*;

    fn event(sequence: u64, kind: EventKind) -> Event {
        Event {
            sequence,
            at: Timestamp::UNIX_EPOCH,
            actor: "loop".to_owned(),
            position: Position {
                served: 0,
                labelled: 120,
                observed_at: Some(12_000.0 + f64::from(u32::try_from(sequence).unwrap())),
            },
            kind,
        }
    }

    fn opened(sequence: u64, incident: u64) -> Event {
        event(
            sequence,
            EventKind::IncidentOpened {
                incident,
                detector: "ADWIN".to_owned(),
                loss_before: 0.151,
                loss_after: 0.33,
                changed_after: 100,
                changed_at: Some(12_005.0),
                drifted_columns: vec!["<pressure>".to_owned()],
            },
        )
    }

    #[test]
    fn each_incident_has_a_row_with_its_end_and_the_newest_comes_first() {
        let events = [
            opened(1, 1),
            event(
                2,
                EventKind::IncidentResolved {
                    incident: 1,
                    version: 4,
                },
            ),
            opened(3, 2),
            event(
                4,
                EventKind::Escalated {
                    incident: 2,
                    reason: "tried".to_owned(),
                },
            ),
            opened(5, 3),
        ];
        let page = incidents(&events).into_string();
        for words in [
            "12005",
            "12001",
            "0.151",
            "0.330",
            "by version 4 at 12002",
            "needs a person",
            "open",
            "not yet",
            "&lt;pressure&gt;",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert_eq!(page.matches("<tr>").count(), 4);
        let newest = page.find(">3</td>").unwrap();
        assert!(newest < page.find(">1</td>").unwrap(), "{page}");
    }

    #[test]
    fn a_quiet_model_says_so() {
        assert!(incidents(&[]).into_string().contains("None so far"));
    }
}
