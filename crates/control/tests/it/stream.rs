//! A deterministic stream of two features and a noisy outcome, whose relation turns round at a row.

use std::ops::Range;

/// One row of the stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) index: usize,
    pub(crate) features: [f64; 2],
    pub(crate) label: f64,
}

/// What happens in a stream.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) seed: u64,
    pub(crate) rows: usize,
    /// The first row of the inverted relation.
    pub(crate) inverts_at: Option<usize>,
    /// Rows whose first feature is moved up, with the relation unchanged.
    pub(crate) moved: Range<usize>,
}

impl Stream {
    pub(crate) fn steady(seed: u64, rows: usize) -> Self {
        Self {
            seed,
            rows,
            inverts_at: None,
            moved: 0..0,
        }
    }

    pub(crate) fn inverting(seed: u64, rows: usize, at: usize) -> Self {
        Self {
            inverts_at: Some(at),
            ..Self::steady(seed, rows)
        }
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut generator = Generator(self.seed);
        (0..self.rows)
            .map(|index| {
                let mut features =
                    [generator.uniform(), generator.uniform()].map(|u| 2.0 * u - 1.0);
                if self.moved.contains(&index) {
                    features[0] += 1.0;
                }
                let chance = 1.0 / (1.0 + (-8.0 * (features[0] + features[1])).exp());
                let truth = generator.uniform() < chance;
                let inverted = self.inverts_at.is_some_and(|at| index >= at);
                Row {
                    index,
                    features,
                    label: f64::from(u8::from(truth != inverted)),
                }
            })
            .collect()
    }
}

/// Knuth's MMIX generator, as in `golden/make_models.py`.
pub(crate) struct Generator(pub(crate) u64);

impl Generator {
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}
