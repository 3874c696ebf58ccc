//! Many tests at once.

/// The p-values, adjusted so that among those below α at most a share α is expected to be false.
///
/// Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995) 289: with the p-values in ascending order,
/// q₍ᵢ₎ = min over j ≥ i of p₍ⱼ₎·m/j. A p-value that is not a number counts as 1.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let p = |index: usize| match p_values[index] {
        value if value.is_nan() => 1.0,
        value => value.clamp(0.0, 1.0),
    };
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p(a).total_cmp(&p(b)));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut smallest: f64 = 1.0;
    for (rank, &index) in order.iter().enumerate().rev() {
        smallest = smallest.min(p(index) * (p_values.len() as f64 / (rank + 1) as f64));
        adjusted[index] = smallest;
    }
    adjusted
}
