use ketch_monitoring::drift::{
    ColumnReport, ColumnStatus, DRIFT_TESTS, DriftOptions, DriftReport, Reference, Sample, Window,
    compare,
};

use super::random::{Random, sample};

fn column<'a>(report: &'a DriftReport, name: &str) -> &'a ColumnReport {
    report
        .columns
        .iter()
        .find(|column| column.column == name)
        .unwrap()
}

fn normal(seed: u64, shift: f64) -> Sample {
    Sample::new(sample(seed, 2000, shift, 9))
}

#[test]
fn each_column_has_its_own_verdict() {
    let reference: Reference = [
        ("same", normal(1, 0.0)),
        ("shifted", normal(2, 0.0)),
        ("trifle", normal(3, 0.0)),
        ("constant", Sample::new([3.0; 2000])),
        ("moved", Sample::new([3.0; 2000])),
        ("empty", Sample::new(vec![None; 2000])),
        ("gone", normal(4, 0.0)),
        ("absent", normal(5, 0.0)),
        ("nan", normal(6, 0.0)),
    ]
    .into_iter()
    .collect();
    let half = |value: Option<f64>| {
        sample(16, 2000, 0.0, 9)
            .into_iter()
            .enumerate()
            .map(move |(row, v)| if row % 2 == 0 { Some(v) } else { value })
    };
    let mut window: Window = [
        ("same", normal(11, 0.0)),
        ("shifted", normal(12, 0.25)),
        ("trifle", normal(13, 0.05)),
        ("constant", Sample::new([3.0; 2000])),
        ("moved", Sample::new([4.0; 2000])),
        ("empty", normal(14, 0.0)),
        ("gone", Sample::new(vec![None; 2000])),
        ("nan", Sample::new(half(Some(f64::NAN)))),
    ]
    .into_iter()
    .collect();
    window.insert("new", normal(17, 0.0));
    let report = compare(&reference, &window, &DriftOptions::default());
    let drifted: Vec<&str> = report
        .drifted()
        .map(|column| column.column.as_str())
        .collect();
    assert_eq!(drifted, ["gone", "moved", "nan", "shifted"]);
    assert!(report.any_drifted());
    assert_eq!(report.unknown_columns, ["new"]);
    assert_eq!((report.reference_rows, report.current_rows), (2000, 2000));

    let trifle = column(&report, "trifle");
    assert!(
        trifle.q_value.unwrap() < 0.05,
        "significant, and too small to matter: {trifle:?}"
    );
    assert!(trifle.values.unwrap().statistic < 0.1);
    assert_eq!(column(&report, "constant").status, ColumnStatus::Constant);
    assert_eq!(column(&report, "moved").values.unwrap().statistic, 1.0);
    assert_eq!(column(&report, "empty").status, ColumnStatus::NoReference);
    assert_eq!(column(&report, "absent").status, ColumnStatus::NotInWindow);
    let gone = column(&report, "gone");
    assert_eq!(
        (gone.status, gone.values, gone.q_value),
        (ColumnStatus::NoData, None, None)
    );
    assert_eq!(
        (gone.missing.reference_share, gone.missing.current_share),
        (0.0, 1.0)
    );
    assert!(gone.missing.drifted);
    let nan = column(&report, "nan");
    assert_eq!(
        (nan.missing.current_share, nan.missing.current_nan_share),
        (0.0, 0.5)
    );
    assert!(
        nan.values.unwrap().statistic < 0.1,
        "NaN does not reach the statistic"
    );
    assert!(nan.missing.drifted && nan.missing.q_value.unwrap() < 1e-100);

    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["columns"][0]["column"], "absent");
    assert_eq!(json["columns"][0]["status"], "not_in_window");
    assert_eq!(json["columns"][2]["values"], serde_json::Value::Null);
}

#[test]
fn nothing_at_all_is_a_report() {
    let report = compare(&Reference::new(), &Window::new(), &DriftOptions::default());
    assert!(report.columns.is_empty() && !report.any_drifted());
    let reference: Reference = [("x", Sample::default())].into_iter().collect();
    let window: Window = [("x", Sample::default())].into_iter().collect();
    let report = compare(&reference, &window, &DriftOptions::default());
    assert_eq!(column(&report, "x").status, ColumnStatus::NoReference);
    assert_eq!(column(&report, "x").missing.p_value, None);
}

#[test]
fn stable_columns_raise_hardly_an_alarm() {
    // Forty columns, twenty windows, no drift: every alarm is false. At 5 % a window, whatever the
    // number of its columns, one is expected; without the correction it would be forty.
    for test in DRIFT_TESTS {
        let options = DriftOptions {
            test: *test,
            ..DriftOptions::default()
        };
        let reference: Reference = (0..40)
            .map(|c| (format!("c{c}"), normal(100 + c, 0.0)))
            .collect();
        let alarms: usize = (0..20)
            .map(|w| {
                let columns = (0..40).map(|c| {
                    let values = sample(1000 + 40 * w + c, 300, 0.0, 9);
                    (format!("c{c}"), Sample::new(values))
                });
                compare(&reference, &columns.collect(), &options)
                    .drifted()
                    .count()
            })
            .sum();
        assert!(alarms <= 4, "{}: {alarms} of 800", test.name());
    }
}

#[test]
fn a_few_more_missing_values_are_no_drift() {
    let mut random = Random::new(5);
    let mut thinned = |share: f64| {
        let values = sample(6, 5000, 0.0, 9);
        Sample::new(
            values
                .into_iter()
                .map(|v| (random.uniform() >= share).then_some(v))
                .collect::<Vec<_>>(),
        )
    };
    let reference: Reference = [("x", thinned(0.01))].into_iter().collect();
    let small: Window = [("x", thinned(0.03))].into_iter().collect();
    let report = compare(&reference, &small, &DriftOptions::default());
    assert!(report.columns[0].missing.q_value.unwrap() < 0.001);
    assert!(!report.any_drifted(), "below the floor");
    let large: Window = [("x", thinned(0.2))].into_iter().collect();
    assert!(compare(&reference, &large, &DriftOptions::default()).any_drifted());
    let fewer = compare(
        &[("x", thinned(0.2))].into_iter().collect(),
        &[("x", thinned(0.01))].into_iter().collect(),
        &DriftOptions::default(),
    );
    assert!(!fewer.any_drifted(), "fewer missing values are no drift");
}
