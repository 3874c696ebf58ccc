use ketch_monitoring::drift::{
    DRIFT_TESTS, DriftTest as _, KolmogorovSmirnov, PValueMethod, PopulationStability, Sample,
    SmallSample, benjamini_hochberg, drift_test, ks_one_sample_survival, ks_two_sample,
    missing_rise_p_value,
};
use proptest::prelude::*;

use super::random::sample;
use super::{assert_close, json, number, numbers};

const GOLDEN: &str = include_str!("../golden/golden.json");

#[test]
fn ks_agrees_with_scipy() {
    let golden = json(GOLDEN);
    let rows = golden["ks"].as_array().unwrap();
    assert_eq!(rows.len(), 20);
    for row in rows {
        let seed = |index: usize| row["seeds"][index].as_u64().unwrap();
        let size = |key: &str| row[key].as_u64().unwrap() as usize;
        let digits = row["digits"].as_i64().unwrap() as i32;
        let first = Sample::new(sample(seed(0), size("m"), 0.0, digits));
        let second = Sample::new(sample(seed(1), size("n"), number(&row["shift"]), digits));
        let asymptotic = ks_two_sample(first.sorted(), second.sorted(), SmallSample::Asymptotic);
        assert_close(asymptotic.statistic, number(&row["d"]), 1e-12);
        if let Some(expected) = row["asymp"].as_f64() {
            assert_close(asymptotic.p_value, expected, 1e-6);
        }
        assert_eq!(asymptotic.method, PValueMethod::Asymptotic);
        let auto = ks_two_sample(first.sorted(), second.sorted(), SmallSample::Exact);
        if let Some(expected) = row["exact"].as_f64() {
            assert_eq!(auto.method, PValueMethod::Exact);
            assert_close(auto.p_value, expected, 1e-8);
        } else {
            assert_eq!(auto, asymptotic);
        }
    }
}

#[test]
fn the_one_sample_tail_agrees_with_scipy() {
    let golden = json(GOLDEN);
    for row in golden["kstwo_sf"].as_array().unwrap() {
        let [n, d, expected] = numbers(row)[..] else {
            panic!("{row}")
        };
        let found = ks_one_sample_survival(n, d);
        let distance = (found - expected).abs();
        assert!(
            distance <= 1e-7 * expected.max(1e-300),
            "n {n}, d {d}: {found} is not {expected}"
        );
    }
}

#[test]
fn false_discovery_control_agrees_with_scipy() {
    let golden = json(GOLDEN);
    for row in golden["false_discovery_control"].as_array().unwrap() {
        let found = benjamini_hochberg(&numbers(&row["p"]));
        for (found, expected) in found.iter().zip(numbers(&row["q"])) {
            assert!(
                (found - expected).abs() < 1e-14,
                "{found} is not {expected}"
            );
        }
    }
    assert!(benjamini_hochberg(&[]).is_empty());
    assert_eq!(benjamini_hochberg(&[f64::NAN, 0.01, 7.0]), [1.0, 0.03, 1.0]);
}

#[test]
fn the_rise_of_missing_values_agrees_with_scipys_fisher_exact() {
    let golden = json(GOLDEN);
    for row in golden["fisher_greater"].as_array().unwrap() {
        let [r, rows_r, c, rows_c, expected] = numbers(row)[..] else {
            panic!("{row}")
        };
        let p = missing_rise_p_value(r as usize, rows_r as usize, c as usize, rows_c as usize);
        assert_close(p, expected, 1e-8);
    }
    assert_eq!(missing_rise_p_value(0, 10, 0, 10), 1.0);
    assert_eq!(missing_rise_p_value(0, 0, 3, 10), 1.0);
}

#[test]
fn names_are_unique_and_found() {
    for test in DRIFT_TESTS {
        assert_eq!(drift_test(test.name()).unwrap().name(), test.name());
        assert!(!test.summary().is_empty());
    }
    assert!(drift_test("astrology").is_none());
    let mut names: Vec<_> = DRIFT_TESTS.iter().map(|test| test.name()).collect();
    names.dedup();
    assert_eq!(names.len(), DRIFT_TESTS.len());
}

#[test]
fn a_constant_that_moves_is_seen_by_every_test() {
    for test in DRIFT_TESTS {
        for moved in [2.0, 4.0, f64::INFINITY] {
            let result = test.test(&[3.0; 500], &vec![moved; 300]);
            assert!(result.statistic > 0.9, "{}: {result:?}", test.name());
            assert!(result.p_value < 1e-9, "{}: {result:?}", test.name());
        }
    }
}

#[test]
fn one_outlier_hides_no_shift() {
    // The failure of bins of equal width (reference 2.1): half a standard deviation, and 1e9 once.
    let mut reference = sample(1, 5000, 0.0, 6);
    reference.push(1e9);
    let reference = Sample::new(reference);
    let current = Sample::new(sample(2, 5000, 0.25, 6));
    let ks = KolmogorovSmirnov.test(reference.sorted(), current.sorted());
    assert!(ks.statistic > 0.15 && ks.p_value < 1e-20, "{ks:?}");
    let index = PopulationStability.test(reference.sorted(), current.sorted());
    assert!(index.statistic > 0.15 && index.p_value < 1e-20, "{index:?}");
}

#[test]
fn p_values_are_honest_when_nothing_has_changed() {
    // At 5 %, of 400 pairs about 20 ± 4.4 are below; the bounds are four deviations.
    for test in DRIFT_TESTS {
        for (m, n) in [(400, 300), (1000, 1000)] {
            let below = (0..400).filter(|&seed| {
                let first = Sample::new(sample(10_000 + seed, m, 0.0, 9));
                let second = Sample::new(sample(20_000 + seed, n, 0.0, 9));
                test.test(first.sorted(), second.sorted()).p_value < 0.05
            });
            let below = below.count();
            assert!((3..=43).contains(&below), "{}: {below} of 400", test.name());
        }
    }
}

#[test]
fn infinities_are_the_ends_of_the_order() {
    let reference = Sample::new([f64::NEG_INFINITY, 0.0, 1.0, f64::INFINITY]);
    let current = Sample::new([0.0, 1.0, f64::INFINITY, f64::INFINITY]);
    let result = KolmogorovSmirnov.test(reference.sorted(), current.sorted());
    assert_eq!(result.statistic, 0.25);
    let zeros = KolmogorovSmirnov.test(&[-0.0, 0.0], &[0.0, 0.0]);
    assert_eq!(zeros.statistic, 0.0, "both zeros are one value");
}

/// By the definition: at every value, the difference of the shares not above it.
fn slow_distance(first: &[f64], second: &[f64]) -> f64 {
    let share = |values: &[f64], at: f64| {
        values.iter().filter(|&&value| value <= at).count() as f64 / values.len() as f64
    };
    let all = first.iter().chain(second);
    all.map(|&at| (share(first, at) - share(second, at)).abs())
        .fold(0.0, f64::max)
}

proptest! {
    #[test]
    fn d_is_the_definition(first in values(), second in values()) {
        let (a, b) = (Sample::new(first), Sample::new(second));
        prop_assume!(!a.sorted().is_empty() && !b.sorted().is_empty());
        let found = KolmogorovSmirnov.test(a.sorted(), b.sorted());
        prop_assert!((found.statistic - slow_distance(a.sorted(), b.sorted())).abs() < 1e-12);
        prop_assert!((0.0..=1.0).contains(&found.p_value));
        let other = KolmogorovSmirnov.test(b.sorted(), a.sorted());
        prop_assert_eq!(found.statistic, other.statistic);
        prop_assert!((found.p_value - other.p_value).abs() < 1e-10);
    }

    #[test]
    fn every_test_gives_finite_numbers(first in values(), second in values()) {
        let (a, b) = (Sample::new(first), Sample::new(second));
        prop_assume!(!a.sorted().is_empty() && !b.sorted().is_empty());
        for test in DRIFT_TESTS {
            let found = test.test(a.sorted(), b.sorted());
            prop_assert!(found.statistic.is_finite() && found.statistic >= 0.0);
            prop_assert!((0.0..=1.0).contains(&found.p_value), "{:?}", found);
            prop_assert!(test.test(a.sorted(), a.sorted()).statistic == 0.0);
        }
    }

    #[test]
    fn adjusted_values_keep_the_order(p in proptest::collection::vec(0.0..=1.0_f64, 0..40)) {
        let q = benjamini_hochberg(&p);
        for i in 0..p.len() {
            prop_assert!(q[i] >= p[i] && q[i] <= 1.0);
            for j in 0..p.len() {
                prop_assert!(p[i] > p[j] || q[i] <= q[j]);
            }
        }
    }
}

fn values() -> impl Strategy<Value = Vec<Option<f64>>> {
    let few = (-3_i32..3).prop_map(f64::from);
    let value =
        prop_oneof![4 => few, 2 => any::<f64>(), 1 => Just(f64::INFINITY), 1 => Just(f64::NAN)];
    proptest::collection::vec(proptest::option::weighted(0.9, value), 0..60)
}
