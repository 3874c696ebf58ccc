//! The values of one column, ready to be compared.

/// Values sorted once, with what has no place in the order counted apart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    sorted: Vec<f64>,
    missing: usize,
    nan: usize,
}

impl Sample {
    /// Takes values, or options of values where `None` is a missing one. Infinities are values, at
    /// the ends of the order; NaN is none, and counted.
    pub fn new<V: Into<Option<f64>>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut sample = Self::default();
        for value in values {
            match value.into() {
                None => sample.missing += 1,
                Some(value) if value.is_nan() => sample.nan += 1,
                Some(value) => sample.sorted.push(value),
            }
        }
        sample.sorted.sort_unstable_by(f64::total_cmp);
        sample
    }

    /// The values in ascending order, without NaN.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// How many values were missing.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// How many values were NaN.
    pub fn nan(&self) -> usize {
        self.nan
    }

    /// How many there were in all.
    pub fn rows(&self) -> usize {
        self.sorted.len() + self.missing + self.nan
    }

    /// How many were missing or NaN.
    pub fn absent(&self) -> usize {
        self.missing + self.nan
    }
}

impl<V: Into<Option<f64>>> FromIterator<V> for Sample {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Self {
        Self::new(values)
    }
}
