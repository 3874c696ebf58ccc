use ketch_monitoring::detector::{
    Adwin, AdwinParameters, Change, DETECTORS, Ddm, Detector, Direction, PageHinkley,
    PageHinkleyParameters,
};
use serde_json::Value;

use super::random::Random;
use super::{json, numbers};

fn changes(detector: &mut dyn Detector, values: &[f64]) -> Vec<Change> {
    values
        .iter()
        .filter_map(|&value| detector.update(value))
        .collect()
}

fn alarms(detector: &mut dyn Detector, values: &[f64]) -> Vec<f64> {
    changes(detector, values)
        .iter()
        .map(|change| change.index as f64)
        .collect()
}

fn sensitive_page_hinkley() -> PageHinkley {
    let parameters = PageHinkleyParameters {
        threshold: 20.0,
        ..Default::default()
    };
    PageHinkley::new(parameters).watching(Direction::Increase)
}

#[test]
fn alarms_are_rivers_on_the_shared_streams() {
    let golden = json(include_str!("../golden/river_detectors_golden.json"));
    let gauss: Vec<f64> = include_str!("../golden/gauss_seed3.txt")
        .lines()
        .map(|line| line.trim().parse().unwrap())
        .collect();
    let golden = golden.as_object().unwrap();
    assert_eq!(golden.len(), 4);
    for (name, stream) in golden {
        let values = match stream["bits"].as_str() {
            Some(bits) => bits.bytes().map(|bit| f64::from(bit - b'0')).collect(),
            None => gauss.clone(),
        };
        assert_eq!(values.len(), 5000);
        let expected = |detector: &str| numbers(&stream["alarms"][detector]);
        assert_eq!(
            alarms(&mut Adwin::default(), &values),
            expected("ADWIN"),
            "{name}"
        );
        assert_eq!(
            alarms(&mut PageHinkley::default(), &values),
            expected("PageHinkley"),
            "{name}"
        );
        let up = alarms(&mut sensitive_page_hinkley(), &values);
        assert_eq!(up, expected("PageHinkley(up,thr=20)"), "{name}");
        if !stream["alarms"]["DDM"].is_null() {
            assert_eq!(
                alarms(&mut Ddm::default(), &values),
                expected("DDM"),
                "{name}"
            );
        }
    }
}

/// ADWIN's alarms with the rows it keeps, as `make_golden.py` writes them.
fn adwin_alarms(mut detector: Adwin, values: &[f64]) -> Vec<Vec<f64>> {
    let found = changes(&mut detector, values);
    found
        .iter()
        .map(|c| vec![c.index as f64, (c.index + 1 - c.since) as f64])
        .collect()
}

fn pairs(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

#[test]
fn alarms_and_estimates_are_rivers_on_many_changes() {
    let golden = json(include_str!("../golden/river.json"));
    let eager = AdwinParameters {
        delta: 0.05,
        clock: 8,
        max_buckets: 3,
        min_window: 3,
        grace_period: 4,
    };
    for stream in golden["streams"].as_array().unwrap() {
        let mut random = Random::new(stream["seed"].as_u64().unwrap());
        let values: Vec<f64> = numbers(&stream["rates"])
            .into_iter()
            .flat_map(|rate| (0..3000).map(|_| random.error(rate)).collect::<Vec<_>>())
            .collect();
        let context = &stream["rates"];
        assert_eq!(
            adwin_alarms(Adwin::default(), &values),
            pairs(&stream["adwin"]),
            "{context}"
        );
        assert_eq!(
            adwin_alarms(Adwin::new(eager), &values),
            pairs(
                &stream["adwin, delta 0.05, clock 8, max_buckets 3, min_window_length 3, grace_period 4"]
            ),
            "{context}"
        );
        assert_eq!(
            alarms(&mut PageHinkley::default(), &values),
            numbers(&stream["page-hinkley"]),
            "{context}"
        );
        assert_eq!(
            alarms(&mut sensitive_page_hinkley(), &values),
            numbers(&stream["page-hinkley, up, threshold 20"]),
            "{context}"
        );
        assert_eq!(
            alarms(&mut Ddm::default(), &values),
            numbers(&stream["ddm"]),
            "{context}"
        );
    }
    let stream = &golden["numeric"];
    let mut random = Random::new(stream["seed"].as_u64().unwrap());
    let values: Vec<f64> = numbers(&stream["steps"])
        .into_iter()
        .flat_map(|step| {
            (0..2000)
                .map(|_| random.uniform() * 4.0 - 2.0 + step)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        adwin_alarms(Adwin::default(), &values),
        pairs(&stream["adwin"])
    );
    assert_eq!(
        alarms(&mut PageHinkley::default(), &values),
        numbers(&stream["page-hinkley"])
    );
}

#[test]
fn adwin_is_silent_on_stationary_errors() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let values: Vec<f64> = (0..4000).map(|_| random.error(0.2)).collect();
        assert_eq!(changes(&mut Adwin::default(), &values), [], "seed {seed}");
    }
}

#[test]
fn adwin_is_as_quick_as_the_reference_says() {
    // Errors from 20 to 40 % at row 2000: River's median delay over 100 runs is 143, checks come
    // every 32 rows.
    let mut delays: Vec<usize> = (0..100)
        .map(|seed| {
            let mut random = Random::new(1000 + seed);
            let rate = |row| if row < 2000 { 0.2 } else { 0.4 };
            let values: Vec<f64> = (0..4000).map(|row| random.error(rate(row))).collect();
            let found = changes(&mut Adwin::default(), &values);
            assert!(found[0].index >= 2000, "seed {seed}: a false alarm");
            assert!(found[0].mean_after > found[0].mean_before);
            found[0].index - 2000
        })
        .collect();
    delays.sort_unstable();
    let median = usize::midpoint(delays[49], delays[50]);
    assert!((111..=175).contains(&median), "{median}");
}

#[test]
fn a_clear_change_is_dated_well() {
    // From 3 % to 97 %, as when a concept inverts.
    for entry in DETECTORS {
        for seed in 0..20 {
            let mut random = Random::new(seed);
            let rate = |row| if row < 1000 { 0.03 } else { 0.97 };
            let values: Vec<f64> = (0..1400).map(|row| random.error(rate(row))).collect();
            let mut detector = entry.1(Direction::Increase);
            assert_eq!(detector.name(), entry.0);
            let found = changes(detector.as_mut(), &values);
            let change = found[0];
            if entry.0 == "ddm" && change.index < 1000 {
                continue; // It is known for false alarms, and begins anew after one.
            }
            assert!(change.index >= 1000, "{}: {change:?}", entry.0);
            assert!(change.index < 1070, "{}: {change:?}", entry.0);
            // The sum of Page and Hinkley, and the warning of DDM, may begin by chance long before
            // the change; too early a date is what they may give.
            let earliest = if entry.0 == "adwin" { 900 } else { 0 };
            assert!(
                (earliest..=1010).contains(&change.since),
                "{}: {change:?}",
                entry.0
            );
            assert!(
                change.mean_before < 0.1 && change.mean_after > 2.0 * change.mean_before,
                "{change:?}"
            );
        }
    }
}

#[test]
fn increase_only_passes_over_what_gets_better() {
    let mut random = Random::new(9);
    let rate = |row: usize| [0.5, 0.1, 0.5][row / 2000];
    let values: Vec<f64> = (0..6000).map(|row| random.error(rate(row))).collect();
    for entry in &DETECTORS[..2] {
        let both = changes(entry.1(Direction::Both).as_mut(), &values);
        assert_eq!(both.len(), 2, "{}: {both:?}", entry.0);
        let up = changes(entry.1(Direction::Increase).as_mut(), &values);
        assert_eq!(up.len(), 1, "{}: {up:?}", entry.0);
        assert!((4000..4200).contains(&up[0].index), "{}: {up:?}", entry.0);
        assert!(up[0].mean_before < up[0].mean_after);
    }
}

#[test]
fn what_is_no_number_is_passed_over() {
    let mut random = Random::new(3);
    let rate = |row| if row < 1000 { 0.1 } else { 0.8 };
    let values: Vec<f64> = (0..2000).map(|row| random.error(rate(row))).collect();
    let holes: Vec<f64> = values
        .iter()
        .flat_map(|&v| [f64::NAN, v, f64::INFINITY])
        .collect();
    for entry in DETECTORS {
        let plain = changes(entry.1(Direction::Both).as_mut(), &values);
        assert_eq!(changes(entry.1(Direction::Both).as_mut(), &holes), plain);
    }
}

proptest::proptest! {
    #[test]
    fn any_numbers_are_taken(values in proptest::collection::vec(proptest::prelude::any::<f64>(), 0..300)) {
        for entry in DETECTORS {
            for change in changes(entry.1(Direction::Both).as_mut(), &values) {
                proptest::prop_assert!(change.since <= change.index + 1);
            }
        }
    }
}
