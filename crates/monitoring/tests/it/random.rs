//! The generator that `golden/make_golden.py` has too.

/// `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// 1 with this probability, else 0.
    pub(crate) fn error(&mut self, rate: f64) -> f64 {
        f64::from(u8::from(self.uniform() < rate))
    }
}

/// Sums of three uniforms and a shift, rounded down to so many digits.
pub(crate) fn sample(seed: u64, size: usize, shift: f64, digits: i32) -> Vec<f64> {
    let mut random = Random::new(seed);
    let scale = 10_f64.powi(digits);
    (0..size)
        .map(|_| {
            let sum = random.uniform() + random.uniform() + random.uniform() + shift;
            (sum * scale).floor() / scale
        })
        .collect()
}
