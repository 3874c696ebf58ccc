//! Rollouts in simulation: how often a healthy canary is sent back, and a bad one caught.
//!
//! A small form of the table of decision rules in the project's serving measurements (4 000 runs a
//! cell there).

use ketch_serving::{Badness, Rollout, RolloutOptions, Variant, Verdict};

const ALPHA: f64 = 0.01;

/// `SplitMix64` (Steele et al. 2014).
struct Generator(u64);

impl Generator {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

struct Outcome {
    verdict: Verdict,
    weight: u8,
    labels: u64,
}

/// One rollout up to its end, or for so many labels.
fn run(generator: &mut Generator, options: &RolloutOptions, canary: f64, champion: f64) -> Outcome {
    let mut rollout = Rollout::new(options.clone());
    for labels in 1..=20_000 {
        let on_canary = generator.uniform() < f64::from(rollout.weight()) / 100.0;
        let (variant, rate) = if on_canary {
            (Variant::Canary, canary)
        } else {
            (Variant::Champion, champion)
        };
        rollout.observe(variant, Badness::from(generator.uniform() < rate));
        match rollout.verdict() {
            Verdict::Wait => {}
            Verdict::Advance { weight } => {
                rollout.advance();
                assert_eq!(rollout.weight(), weight);
            }
            verdict => {
                return Outcome {
                    verdict,
                    weight: rollout.weight(),
                    labels,
                };
            }
        }
    }
    Outcome {
        verdict: Verdict::Wait,
        weight: rollout.weight(),
        labels: 20_000,
    }
}

/// Many labels a step, so that every look at them has a chance to be wrong.
fn options(minimum_labels: u64) -> RolloutOptions {
    RolloutOptions {
        steps: vec![10, 25, 50, 100],
        minimum_labels,
        alpha: ALPHA,
        margin: 1.25,
    }
}

fn rolled_back(seed: u64, runs: u64, minimum_labels: u64, canary: f64, champion: f64) -> u64 {
    let mut generator = Generator(seed);
    let options = options(minimum_labels);
    (0..runs)
        .filter(|_| {
            let outcome = run(&mut generator, &options, canary, champion);
            matches!(outcome.verdict, Verdict::RollBack { .. })
        })
        .count() as u64
}

#[test]
fn a_healthy_canary_is_sent_back_at_most_as_often_as_alpha_allows() {
    const RUNS: u64 = 2_000;
    // The weight changes twice on the way.
    for (seed, rate) in [(1, 0.01), (2, 0.2), (3, 0.45)] {
        let wrong = rolled_back(seed, RUNS, 60, rate, rate);
        assert!(
            wrong as f64 <= ALPHA * RUNS as f64,
            "base rate {rate}: {wrong} of {RUNS} healthy canaries were sent back"
        );
    }
}

#[test]
fn one_at_the_edge_of_the_margin_is_still_healthy() {
    const RUNS: u64 = 1_000;
    for (seed, rate) in [(4, 0.05), (5, 0.3)] {
        let wrong = rolled_back(seed, RUNS, 60, rate * 1.25, rate);
        assert!(
            wrong as f64 <= ALPHA * RUNS as f64,
            "base rate {rate}: {wrong} of {RUNS}"
        );
    }
}

#[test]
fn a_canary_with_three_times_the_errors_is_caught() {
    const RUNS: u64 = 300;
    for (seed, rate, minimum_labels) in [(6, 0.01, 900), (7, 0.1, 150), (8, 0.3, 60)] {
        let caught = rolled_back(seed, RUNS, minimum_labels, 3.0 * rate, rate);
        assert!(
            caught * 100 >= RUNS * 95,
            "base rate {rate}: {caught} of {RUNS} bad canaries were caught"
        );
    }
}

#[test]
fn a_worse_one_is_caught_earlier() {
    let median = |rate: f64| {
        let mut generator = Generator(9);
        let options = options(200);
        let mut labels: Vec<u64> = (0..101)
            .map(|_| run(&mut generator, &options, rate, 0.1))
            .filter(|outcome| matches!(outcome.verdict, Verdict::RollBack { .. }))
            .map(|outcome| outcome.labels)
            .collect();
        assert!(labels.len() > 90, "{rate}: {}", labels.len());
        labels.sort_unstable();
        labels[labels.len() / 2]
    };
    assert!(median(0.9) < median(0.4));
}

#[test]
fn a_healthy_canary_is_promoted_from_the_last_step_before_all_traffic() {
    let mut generator = Generator(10);
    let mut proven = 0;
    for _ in 0..200 {
        let outcome = run(&mut generator, &options(200), 0.2, 0.2);
        match outcome.verdict {
            Verdict::Promote { safe } => {
                assert_eq!(outcome.weight, 50);
                proven += u64::from(safe >= 20.0);
            }
            Verdict::RollBack { .. } => {}
            other => panic!("{other:?} after {} labels", outcome.labels),
        }
    }
    assert!(
        proven >= 150,
        "only {proven} of 200 were proven not to be twice as bad"
    );
}

#[test]
fn verdicts_and_rules_survive_json() {
    let verdict = Verdict::RollBack {
        worse: 1e300,
        counts: ketch_serving::Counts {
            canary: 3,
            canary_bad: 3,
            champion: 4,
            champion_bad: 0,
        },
    };
    let text = serde_json::to_string(&verdict).unwrap();
    assert!(text.starts_with(r#"{"verdict":"roll_back","#), "{text}");
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
}
