//! Where, in a series that changed once, the change was.

/// The cut that best explains a series by two means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanShift {
    /// Index of the first value after the change.
    pub index: usize,
    /// Mean of the values before it.
    pub before: f64,
    /// Mean of the values from it on.
    pub after: f64,
}

/// The least-squares estimate of one change in mean: the cut `k` of `n` values that maximises
/// `k (n − k) / n · (mean after − mean before)²`, the reduction of the squared error (Hawkins,
/// "Testing a sequence of observations for a shift in location", 1977). It always finds a cut, so
/// ask a detector first whether there is a change at all.
///
/// `None` for fewer than two values, or when any of them is not finite.
pub fn mean_shift(values: &[f64]) -> Option<MeanShift> {
    let total: f64 = values.iter().sum();
    if values.len() < 2 || !total.is_finite() {
        return None;
    }
    let count = values.len() as f64;
    let mut sum = 0.0;
    let mut best: Option<(f64, MeanShift)> = None;
    for (position, value) in values[..values.len() - 1].iter().enumerate() {
        sum += value;
        let left = (position + 1) as f64;
        let before = sum / left;
        let after = (total - sum) / (count - left);
        let gain = left * (count - left) / count * (after - before).powi(2);
        if best.is_none_or(|(largest, _)| gain > largest) {
            best = Some((
                gain,
                MeanShift {
                    index: position + 1,
                    before,
                    after,
                },
            ));
        }
    }
    best.map(|(_, shift)| shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_step_is_found_exactly() {
        let values: Vec<f64> = (0..90)
            .map(|index| if index < 70 { 0.2 } else { 0.6 })
            .collect();
        let shift = mean_shift(&values).unwrap();
        assert_eq!(shift.index, 70);
        assert!((shift.before - 0.2).abs() < 1e-9 && (shift.after - 0.6).abs() < 1e-9);
    }

    #[test]
    fn noise_moves_it_by_a_few_values_only() {
        // Deterministic noise of the size of the step.
        let noise = |index: usize| ((index * 7919 % 1009) as f64 / 1009.0 - 0.5) * 0.8;
        let values: Vec<f64> = (0..9_119)
            .map(|index| if index < 9_000 { 0.15 } else { 0.45 } + noise(index))
            .collect();
        let shift = mean_shift(&values).unwrap();
        assert!(shift.index.abs_diff(9_000) <= 10, "{shift:?}");
    }

    #[test]
    fn what_cannot_be_cut_gives_none() {
        assert_eq!(mean_shift(&[]), None);
        assert_eq!(mean_shift(&[1.0]), None);
        assert_eq!(mean_shift(&[1.0, f64::NAN, 2.0]), None);
    }
}
