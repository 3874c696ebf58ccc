use std::num::NonZeroUsize;

use ketch_monitoring::performance::{
    RollingAccuracy, RollingAuc, RollingMean, Undefined, accuracy, balanced_accuracy, brier,
    log_loss, paired_auc_difference, roc_auc,
};
use proptest::prelude::*;
use serde_json::Value;

use super::random::{Random, sample};
use super::{assert_close, json, number, numbers};

/// The two models' scores and the labels of a golden row.
fn models(row: &Value) -> (Vec<f64>, Vec<f64>, Vec<bool>) {
    let seed = row["seed"].as_u64().unwrap();
    let rows = row["rows"].as_u64().unwrap() as usize;
    let digits = row["digits"].as_i64().unwrap() as i32;
    let mut random = Random::new(seed);
    let labels: Vec<bool> = (0..rows).map(|_| random.uniform() < 0.3).collect();
    let noise_a = sample(seed + 1000, rows, 0.0, digits);
    let noise_b = sample(seed + 2000, rows, 0.0, digits);
    let y = |row: usize| f64::from(u8::from(labels[row]));
    let a = (0..rows).map(|r| (noise_a[r] + 0.8 * y(r)) / 4.0).collect();
    let b = (0..rows)
        .map(|r| (0.7 * noise_a[r] + 0.3 * noise_b[r] + 0.5 * y(r)) / 4.0)
        .collect();
    (a, b, labels)
}

fn golden() -> Vec<Value> {
    let golden = json(include_str!("../golden/golden.json"));
    golden["performance"].as_array().unwrap().clone()
}

#[test]
fn measures_agree_with_scikit_learn() {
    for row in golden() {
        let (a, b, labels) = models(&row);
        assert_close(
            roc_auc(&a, &labels).unwrap(),
            number(&row["roc_auc"][0]),
            1e-13,
        );
        assert_close(
            roc_auc(&b, &labels).unwrap(),
            number(&row["roc_auc"][1]),
            1e-13,
        );
        assert_close(
            log_loss(&a, &labels).unwrap(),
            number(&row["log_loss"]),
            1e-12,
        );
        assert_close(brier(&a, &labels).unwrap(), number(&row["brier"]), 1e-12);
        let hard: Vec<bool> = a.iter().map(|&score| score > 0.45).collect();
        assert_close(
            accuracy(&hard, &labels).unwrap(),
            number(&row["accuracy"]),
            1e-13,
        );
        let balanced = balanced_accuracy(&hard, &labels).unwrap();
        assert_close(balanced, number(&row["balanced_accuracy"]), 1e-13);
    }
}

#[test]
fn the_paired_difference_agrees_with_all_pairs_and_the_bootstrap() {
    for row in golden() {
        let (a, b, labels) = models(&row);
        let found = paired_auc_difference(&a, &b, &labels, 0.95).unwrap();
        let [difference, error, lower, upper, p] = numbers(&row["delong"])[..] else {
            panic!("{row}")
        };
        assert!((found.difference - difference).abs() < 1e-13);
        assert_close(found.standard_error, error, 1e-10);
        assert!((found.lower - lower).abs() < 1e-12 && (found.upper - upper).abs() < 1e-12);
        assert_close(found.p_value, p, 1e-8);
        assert_close(found.auc_a, roc_auc(&a, &labels).unwrap(), 1e-13);
        assert_close(found.auc_b, roc_auc(&b, &labels).unwrap(), 1e-13);
        assert_close(
            found.standard_error,
            number(&row["bootstrap_standard_error"]),
            0.15,
        );
    }
}

#[test]
fn the_interval_holds_what_it_promises() {
    // Two models of equal worth: the 90 % interval misses zero in about 10 % of 300 samples
    // (30 ± 5.2; the bounds are four deviations).
    let mut missed = 0;
    for seed in 0..300 {
        let mut random = Random::new(40_000 + seed);
        let labels: Vec<bool> = (0..200).map(|_| random.uniform() < 0.4).collect();
        let shared: Vec<f64> = (0..200).map(|_| random.uniform()).collect();
        let mut scores = || -> Vec<f64> {
            let rows = shared.iter().zip(&labels);
            rows.map(|(&s, &y)| s + random.uniform() + 0.4 * f64::from(u8::from(y)))
                .collect()
        };
        let found = paired_auc_difference(&scores(), &scores(), &labels, 0.9).unwrap();
        missed += usize::from(found.lower > 0.0 || found.upper < 0.0);
    }
    assert!((10..=50).contains(&missed), "{missed} of 300");
}

#[test]
fn the_same_model_twice_has_no_difference() {
    let row = &golden()[1];
    let (a, _, labels) = models(row);
    let found = paired_auc_difference(&a, &a, &labels, 0.95).unwrap();
    assert_eq!((found.difference, found.standard_error), (0.0, 0.0));
    assert_eq!((found.lower, found.upper, found.p_value), (0.0, 0.0, 1.0));
}

#[test]
fn what_is_undefined_says_why() {
    let yes = [true, true, false];
    assert_eq!(roc_auc(&[], &[]), Err(Undefined::NoRows));
    assert_eq!(
        roc_auc(&[0.1], &yes),
        Err(Undefined::Lengths {
            scores: 1,
            labels: 3
        })
    );
    assert_eq!(
        roc_auc(&[0.1, 0.2], &[true, true]),
        Err(Undefined::OneClass)
    );
    assert_eq!(
        roc_auc(&[0.1, f64::NAN, 0.2], &yes),
        Err(Undefined::NotANumber { row: 1 })
    );
    assert_eq!(
        log_loss(&[0.1, 0.2, 1.5], &yes),
        Err(Undefined::NotAProbability { row: 2 })
    );
    assert_eq!(
        brier(&[0.1, -0.2, 0.5], &yes),
        Err(Undefined::NotAProbability { row: 1 })
    );
    assert_eq!(accuracy::<i64>(&[], &[]), Err(Undefined::NoRows));
    let scores = [0.1, 0.2, 0.3];
    let few = Undefined::TooFew {
        positives: 2,
        negatives: 1,
    };
    assert_eq!(
        paired_auc_difference(&scores, &scores, &yes, 0.95),
        Err(few)
    );
    assert_eq!(
        paired_auc_difference(&scores, &scores, &yes, f64::NAN),
        Err(Undefined::Confidence)
    );
    assert_eq!(
        roc_auc(&[f64::NEG_INFINITY, f64::INFINITY], &[false, true]),
        Ok(1.0),
        "infinite scores have an order"
    );
    assert!(log_loss(&[0.0, 1.0], &[true, false]).unwrap().is_finite());
}

#[test]
fn accuracy_knows_more_than_two_classes() {
    let labels = ["a", "a", "a", "b", "c", "c"];
    let predictions = ["a", "a", "b", "b", "a", "z"];
    assert_eq!(accuracy(&predictions, &labels), Ok(0.5));
    let expected = (2.0 / 3.0 + 1.0 + 0.0) / 3.0;
    assert_close(
        balanced_accuracy(&predictions, &labels).unwrap(),
        expected,
        1e-15,
    );
}

proptest! {
    #[test]
    fn rolling_values_are_those_of_the_window(
        size in 1_usize..20,
        rows in proptest::collection::vec((-3_i8..4, any::<bool>(), 0_u8..3, 0_u8..3), 0..80),
    ) {
        let size = NonZeroUsize::new(size).unwrap();
        let mut auc = RollingAuc::new(size);
        let mut hits = RollingAccuracy::new(size);
        let mut mean = RollingMean::new(size);
        for end in 1..=rows.len() {
            let &(score, label, prediction, class) = &rows[end - 1];
            let window = &rows[end.saturating_sub(size.get())..end];
            let scores: Vec<f64> = window.iter().map(|row| f64::from(row.0) / 3.0).collect();
            let labels: Vec<bool> = window.iter().map(|row| row.1).collect();
            let predictions: Vec<u8> = window.iter().map(|row| row.2).collect();
            let classes: Vec<u8> = window.iter().map(|row| row.3).collect();
            prop_assert_eq!(auc.push(f64::NAN, label), auc.value());
            prop_assert_eq!(auc.push(f64::from(score) / 3.0, label), roc_auc(&scores, &labels).ok());
            prop_assert_eq!(auc.num_rows(), window.len());
            hits.push(&prediction, class);
            prop_assert_eq!(hits.accuracy(), accuracy(&predictions, &classes).ok());
            prop_assert_eq!(hits.balanced_accuracy(), balanced_accuracy(&predictions, &classes).ok());
            let found = mean.push(f64::from(score) / 3.0).unwrap();
            let expected = scores.iter().sum::<f64>() / scores.len() as f64;
            prop_assert!((found - expected).abs() < 1e-12);
            prop_assert_eq!(mean.is_full(), window.len() == size.get());
        }
    }

    #[test]
    fn auc_is_the_definition(rows in proptest::collection::vec((-3_i8..4, any::<bool>()), 1..60)) {
        let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
        let labels: Vec<bool> = rows.iter().map(|row| row.1).collect();
        let (mut won, mut pairs) = (0.0, 0.0);
        for positive in rows.iter().filter(|row| row.1) {
            for negative in rows.iter().filter(|row| !row.1) {
                pairs += 1.0;
                won += match positive.0.cmp(&negative.0) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        prop_assert_eq!(roc_auc(&scores, &labels).ok(), (pairs > 0.0).then(|| won / pairs));
    }
}
